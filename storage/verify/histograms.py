"""The recount of the rollups that hold histograms of response times: by endpoint, by hour and by local day."""

import math
from collections import defaultdict
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.model.clock import Days
from storage.model.metrics import OTHERS
from storage.model.rollups import ENDPOINT_DAYS, ENDPOINTS, RESPONSE_DAYS, RESPONSE_HOURS, RESPONSE_LABELS
from storage.verify.rows import Table, read_archive

# In the order of the ids: the first labels of an hour or day have rows of their own.
_MESSAGES = """
    SELECT tenant_id, model_used, created_at, 0, response_time_us FROM message_metrics
    WHERE response_time_us IS NOT NULL ORDER BY tenant_id, id
"""
_LLM_CALLS = """
    SELECT tenant_id, REPLACE(provider, '\t', ' ') || '\t' || model, timestamp, error_type IS NOT NULL, response_time_us
    FROM llm_calls WHERE response_time_us IS NOT NULL ORDER BY tenant_id, id
"""
_CALLS = "SELECT tenant_id, endpoint, timestamp, status_code, response_time_us FROM api_usage ORDER BY tenant_id, id"


class _Durations:
    """Rows of durations by tenant, a beginning of the key and a label; beyond the bound, labels count together."""

    def __init__(self, archived: Table, bound: int) -> None:
        self.rows = {key: [*sums, dict(buckets)] for key, (*sums, buckets) in archived.items()}
        self._bound = bound
        self._named: defaultdict[tuple[str, ...], set[str]] = defaultdict(set)
        for *group, label in archived:
            if label != OTHERS:
                self._named[tuple(group)].add(label)

    def add(self, group: tuple[str, ...], label: str, is_error: bool, us: int) -> None:
        """Count one duration."""
        named = self._named[group]
        if label not in named:
            if label != OTHERS and len(named) < self._bound:
                named.add(label)
            else:
                label = OTHERS
        row = self.rows.setdefault((*group, label), [0, 0, 0, {}])
        row[0] += 1
        row[1] += is_error
        row[2] += us
        number = _bucket(us)
        row[3][number] = row[3].get(number, 0) + 1

    @property
    def table(self) -> Table:
        """The rows, as those of the other rollups are compared."""
        return {key: tuple(row) for key, row in self.rows.items()}


async def count_durations(connection: AsyncConnection, days: Days) -> dict[str, Table]:
    """Recount the histograms, by the rollup's name."""
    by_endpoint = _Durations(await read_archive(connection, ENDPOINT_DAYS), ENDPOINTS)
    by_hour = _Durations(await read_archive(connection, RESPONSE_HOURS), RESPONSE_LABELS)
    by_day = _Durations(await read_archive(connection, RESPONSE_DAYS), RESPONSE_LABELS)
    async for tenant_id, model, at, _, us in await _stream(connection, _MESSAGES):
        for durations, start in ((by_hour, at[:13]), (by_day, days.of(at))):
            durations.add((tenant_id, start, "messages"), OTHERS, False, us)
            if model is not None:
                durations.add((tenant_id, start, "model"), model, False, us)
    async for tenant_id, endpoint, at, status, us in await _stream(connection, _CALLS):
        day, is_error = days.of(at), status >= 500
        by_endpoint.add((tenant_id, day), endpoint, is_error, us)
        by_hour.add((tenant_id, at[:13], "api_calls"), OTHERS, is_error, us)
        by_hour.add((tenant_id, at[:13], "endpoint"), endpoint, is_error, us)
        by_day.add((tenant_id, day, "api_calls"), OTHERS, is_error, us)
    async for tenant_id, model, at, is_error, us in await _stream(connection, _LLM_CALLS):
        for durations, start in ((by_hour, at[:13]), (by_day, days.of(at))):
            durations.add((tenant_id, start, "llm_calls"), OTHERS, bool(is_error), us)
            durations.add((tenant_id, start, "llm_model"), model, bool(is_error), us)
    counted = ((ENDPOINT_DAYS, by_endpoint), (RESPONSE_HOURS, by_hour), (RESPONSE_DAYS, by_day))
    return {rollup.name: durations.table for rollup, durations in counted}


async def _stream(connection: AsyncConnection, query: str) -> Any:
    return await connection.stream(text(query))


def _bucket(us: int) -> int:
    """Number a bucket by floating point, apart from ``histogram.py``: below 2^53 the steps are exact."""
    if us < 64:
        return us
    power = math.frexp(us)[1] - 1
    return 32 * (power - 4) + int((us / 2**power - 1) * 32)
