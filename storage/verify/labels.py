"""The recount of messages, activities and LLM calls by label: of local days, and of hours of UTC."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.model.clock import Days
from storage.model.metrics import OTHERS
from storage.model.rollup import Rollup
from storage.model.rollups import (
    EVENT_DAYS,
    EVENT_LABELS,
    LLM_CONVERSATION_DAYS,
    LLM_HOUR_MODELS,
    LLM_MODEL_DAYS,
    LLM_MODEL_HOURS,
    LLM_MODELS,
    LLM_OUTCOME_DAYS,
    LLM_OUTCOMES,
    LLM_USER_DAYS,
)
from storage.verify.rows import Table, read_archive

_BY_MINUTE = """
    SELECT tenant_id, {group}, {label}, SUBSTR({time}, 1, 16), {sums}
    FROM {table} WHERE {column} IS NOT NULL
    GROUP BY 1, 2, 3, 4 ORDER BY MIN(id)
"""
_CALLS = """
    COUNT(*), COUNT(error_type), SUM(COALESCE(input_tokens, 0)), SUM(COALESCE(cached_input_tokens, 0)),
    SUM(COALESCE(cache_write_tokens, 0)), SUM(COALESCE(output_tokens, 0)), SUM(COALESCE(reasoning_tokens, 0)),
    SUM(COALESCE(cost_nanodollars, 0)), SUM(CASE WHEN cost_nanodollars IS NULL THEN 1 ELSE 0 END),
    SUM(CASE WHEN cost_nanodollars IS NULL THEN COALESCE(input_tokens, 0) + COALESCE(output_tokens, 0) ELSE 0 END)
"""
_MESSAGES = "COUNT(*), COALESCE(SUM(token_count), 0)"


@dataclass(frozen=True)
class _Scope:
    """Rows of a rollup that are counted by one statement: those with its ``column``, by ``group`` and ``label``."""

    rollup: Rollup
    table: str
    time: str
    column: str
    label: str
    sums: str
    group: str = "''"
    bound: Callable[[], int | None] = lambda: None

    @property
    def query(self) -> str:
        """What counts minutes, in the order of their first rows."""
        return _BY_MINUTE.format(
            group=self.group, label=self.label, time=self.time, sums=self.sums, table=self.table, column=self.column
        )


def _of_messages(scope: str, label: str) -> _Scope:
    written = f"{label} || '\t' || COALESCE(model_used, '')"
    return _Scope(
        EVENT_DAYS, "message_metrics", "created_at", scope, written, _MESSAGES, f"'{scope}'", lambda: EVENT_LABELS
    )


def _of_calls(rollup: Rollup, column: str, label: str, **more: Any) -> _Scope:
    return _Scope(rollup, "llm_calls", "timestamp", column, label, _CALLS, **more)


def _of_outcomes(scope: str) -> _Scope:
    label = f"REPLACE({scope}, '\t', ' ') || '\t' || model"
    return _of_calls(LLM_OUTCOME_DAYS, scope, label, group=f"'{scope}'", bound=lambda: LLM_OUTCOMES)


_MODEL = "REPLACE(provider, '\t', ' ') || '\t' || model"
# The bounds are looked up when they are needed, so that tests can have lower ones.
_SCOPES = (
    _of_messages("role", "role"),
    _of_messages("finish_reason", "REPLACE(finish_reason, '\t', ' ')"),
    _Scope(
        EVENT_DAYS,
        "user_activity",
        "timestamp",
        "activity_type",
        "activity_type",
        "COUNT(*), 0",
        "'activity_type'",
        lambda: EVENT_LABELS,
    ),
    _of_calls(LLM_MODEL_DAYS, "model", _MODEL, bound=lambda: LLM_MODELS),
    _of_calls(LLM_MODEL_HOURS, "model", _MODEL, bound=lambda: LLM_HOUR_MODELS),
    _of_outcomes("finish_reason"),
    _of_outcomes("error_type"),
    _of_calls(LLM_USER_DAYS, "user_id", "model", group="user_id"),
    _of_calls(LLM_CONVERSATION_DAYS, "conversation_id", "conversation_id"),
)


async def count_labels(connection: AsyncConnection, days: Days) -> dict[str, Table]:
    """Recount the rollups, by the rollup's name."""
    found: dict[str, Table] = {}
    for scope in _SCOPES:
        name = scope.rollup.name
        if name not in found:
            found[name] = await read_archive(connection, scope.rollup)
        await _count(connection, days, scope, found[name])
    return found


async def _count(connection: AsyncConnection, days: Days, scope: _Scope, found: Table) -> None:
    """Add up minutes; beyond the bound, labels count together, in the order of their first rows of a day or hour."""
    bound, by_hour = scope.bound(), scope.rollup.key[0] == "hour"
    named: defaultdict[tuple[str, ...], set[str]] = defaultdict(set)
    for *archived, label in found:
        if label != OTHERS:
            named[tuple(archived)].add(label)
    async for tenant_id, group, label, minute, *sums in await connection.stream(text(scope.query)):
        start = minute[:13] if by_hour else days.of(minute)
        beginning = (tenant_id, start, group) if group else (tenant_id, start)
        known = named[beginning]
        if bound is None or len(known) < bound:
            known.add(label)
        key = (*beginning, label if bound is None or label in known else OTHERS)
        found[key] = _added(found.get(key), sums)


def _added(before: Any, sums: list[Any]) -> tuple[int, ...]:
    one = before or (0,) * len(sums)
    return tuple(int(value) + int(more) for value, more in zip(one, sums, strict=True))
