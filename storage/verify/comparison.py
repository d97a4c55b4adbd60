"""The proof: recount every rollup, compute every cost again, and compare.

``recount.py`` and ``costs.py`` say what they must be. All of it is read in one transaction, so that it holds on a live
database too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from storage.model.changes import NO_TAG
from storage.model.clock import Days
from storage.model.rollups import ROLLUPS
from storage.verify.costs import wrong_costs
from storage.verify.recount import recount
from storage.verify.rows import Table, read_rollup, read_rows


@dataclass(frozen=True)
class Difference:
    """One value that is not what a recount gives; None: the row is missing on that side."""

    tenant_id: str
    what: str
    rollup: Any
    recount: Any

    def __str__(self) -> str:
        """Write the difference as one line."""
        return f"tenant {self.tenant_id}: {self.what}: rollup {self.rollup}, recount {self.recount}"


@dataclass
class VerificationResult:
    """What was compared, and what did not fit."""

    compared: int
    differences: list[Difference]


async def verify(connection: AsyncConnection, days: Days) -> VerificationResult:
    """Recount every tenant's rollups; the transaction that *connection* is in must be one of a single moment.

    What has expired, because rows of that time were removed, is not compared.
    """
    result = VerificationResult(0, [])
    counted = await recount(connection, days)
    stored = await read_rows(connection, "SELECT tenant_id, grain, metric, start, value FROM counters")
    kept: Table = {tuple(row[:4]): row[4] for row in stored if row[4]}
    _compare(result, "counter", {key: kept[key] for key in kept if not counted.has_expired(key)}, counted.counters)
    for rollup in ROLLUPS:
        rows = await read_rollup(connection, rollup, rollup.name)
        # Rows of sums that are 0 are as good as none.
        held = {key: row for key, row in rows.items() if any(row) and not counted.row_has_expired(rollup, key)}
        _compare(result, rollup.name, held, counted.rows[rollup.name], rollup.columns)
    await _check_log(connection, result)
    compared, wrong = await wrong_costs(connection)
    result.compared += compared
    result.differences += [Difference(*found) for found in wrong]
    return result


def _compare(result: VerificationResult, kind: str, kept: Table, recounted: Table, columns: Sequence[str] = ()) -> None:
    """Compare the values of each key; of rows with *columns*, only those that differ are told."""
    for key in kept.keys() | recounted.keys():
        result.compared += 1
        here, there = kept.get(key), recounted.get(key)
        if here != there:
            if columns and here is not None and there is not None:
                differ = [place for place in range(len(columns)) if here[place] != there[place]]
                here, there = ({columns[place]: row[place] for place in differ} for row in (here, there))
            what = " ".join((kind, *filter(None, key[1:])))
            result.differences.append(Difference(key[0], what, here, there))


async def _check_log(connection: AsyncConnection, result: VerificationResult) -> None:
    """Compare the change log with the heads: it is contiguous, and ends with the head's change."""
    heads = await read_rows(connection, "SELECT tenant_id, sequence, tag, last_id FROM heads")
    logs = await read_rows(
        connection, "SELECT tenant_id, COUNT(*), MIN(sequence), MAX(sequence) FROM changes GROUP BY tenant_id"
    )
    ends = await read_rows(
        connection,
        "SELECT changes.tenant_id, changes.tag FROM changes JOIN heads "
        "ON heads.tenant_id = changes.tenant_id AND heads.sequence = changes.sequence",
    )
    tags: dict[str, str] = dict(tuple(row) for row in ends)
    spans = {tenant_id: (count, first, last) for tenant_id, count, first, last in logs}
    for tenant_id, sequence, tag, _last_id in heads:
        count, first, last = spans.get(tenant_id, (0, 1, 0))
        result.compared += 1
        if last - first + 1 != count or last != sequence or tags.get(tenant_id, NO_TAG) != tag:
            result.differences.append(
                Difference(tenant_id, "change log", f"{count} entries {first} to {last}", f"head {sequence}")
            )
