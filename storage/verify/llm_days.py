"""The recount of LLM calls by local day: of each model, user and conversation."""

from collections import defaultdict
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.model.clock import Days
from storage.model.metrics import OTHERS
from storage.model.rollup import Rollup
from storage.model.rollups import LLM_CONVERSATION_DAYS, LLM_MODEL_DAYS, LLM_MODELS, LLM_USER_DAYS
from storage.verify.rows import Table, read_archive

_SUMS = """
    COUNT(*), COUNT(error_type), SUM(COALESCE(input_tokens, 0)), SUM(COALESCE(cached_input_tokens, 0)),
    SUM(COALESCE(output_tokens, 0)), SUM(COALESCE(reasoning_tokens, 0)), SUM(COALESCE(cost_nanodollars, 0)),
    SUM(CASE WHEN cost_nanodollars IS NULL THEN 1 ELSE 0 END),
    SUM(CASE WHEN cost_nanodollars IS NULL THEN COALESCE(input_tokens, 0) + COALESCE(output_tokens, 0) ELSE 0 END)
"""
_BY_MINUTE = f"""
    SELECT tenant_id, {{label}} AS label, SUBSTR(timestamp, 1, 16) AS minute, MIN(id) AS first_id, {_SUMS}
    FROM llm_calls WHERE {{column}} IS NOT NULL
    GROUP BY tenant_id, {{label}}, SUBSTR(timestamp, 1, 16) ORDER BY first_id
"""  # noqa: S608 - our own text
_MODEL = "REPLACE(provider, '\t', ' ') || '\t' || model"


async def count_llm_days(connection: AsyncConnection, days: Days) -> dict[str, Table]:
    """Recount the rollups of LLM calls by local day, by the rollup's name."""
    return {
        LLM_MODEL_DAYS.name: await _count(connection, days, LLM_MODEL_DAYS, _MODEL, "model", LLM_MODELS),
        LLM_USER_DAYS.name: await _count(connection, days, LLM_USER_DAYS, "user_id", "user_id"),
        LLM_CONVERSATION_DAYS.name: await _count(
            connection, days, LLM_CONVERSATION_DAYS, "conversation_id", "conversation_id"
        ),
    }


async def _count(
    connection: AsyncConnection, days: Days, rollup: Rollup, label: str, column: str, bound: int | None = None
) -> Table:
    """Add up minutes; beyond the bound, labels count together, in the order of their first rows of a day."""
    found = await read_archive(connection, rollup)
    named: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for tenant_id, day, archived in found:
        if archived != OTHERS:
            named[tenant_id, day].add(archived)
    query = _BY_MINUTE.format(label=label, column=column)
    async for tenant_id, name, minute, _, *sums in await connection.stream(text(query)):
        day = days.of(minute)
        known = named[tenant_id, day]
        if bound is None or len(known) < bound:
            known.add(name)
        key = (tenant_id, day, name if bound is None or name in known else OTHERS)
        found[key] = _added(found.get(key), sums)
    return found


def _added(before: Any, sums: list[Any]) -> tuple[int, ...]:
    one = before or (0,) * len(sums)
    return tuple(int(value) + int(more) for value, more in zip(one, sums, strict=True))
