"""Pricing calls again: explicit, in steps beside the commits of events, each of them one change that panels follow.

A step changes the costs of some calls, and the rollups by the difference. A cost that a call's sender told stays.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import cast

import msgspec
from sqlalchemy import Connection, and_, bindparam, select, tuple_, update

from storage.alerts.decide import decide, watch_of
from storage.engine.database import Database
from storage.model.events import LlmCall
from storage.model.merging import gather, roll, subtract
from storage.model.rollup import Entry
from storage.prices.price import Price
from storage.prices.pricing import OwnPrices, keep, price_call, read_own
from storage.tables import schema
from storage.tables.heads import append, lock
from storage.tables.known import read_known
from storage.tables.rows import columns, entry
from storage.write.commit import change_of, write_rollups

ROWS = 500
"""How many calls a step looks at."""

_calls = schema.llm_calls.c
_CHANGE = (
    update(schema.llm_calls)
    .where(_calls.tenant_id == bindparam("of_tenant"), _calls.id == bindparam("row_id"))
    .values(cost_nanodollars=bindparam("cost"), price_id=bindparam("price"))
)


@dataclass(frozen=True)
class Repriced:
    """How many calls were looked at, how many of them changed, and what these cost in nano-dollars before and after.

    ``unpriced_before`` and ``unpriced_after`` count those without a cost.
    """

    calls: int = 0
    changed: int = 0
    before: int = 0
    after: int = 0
    unpriced_before: int = 0
    unpriced_after: int = 0

    def __add__(self, other: "Repriced") -> "Repriced":
        """Add up two steps."""
        names = ("calls", "changed", "before", "after", "unpriced_before", "unpriced_after")
        return replace(self, **{name: getattr(self, name) + getattr(other, name) for name in names})


Cursor = tuple[str, int]
"""Time and id of the last call that was looked at."""


async def reprice(
    database: Database, tenant_id: str, start: str, end: str, keep_changes: int, *, is_dry: bool
) -> Repriced:
    """Price the tenant's calls from *start* until before *end* again; *is_dry*: only say what would change.

    It may be interrupted, and done again. *keep_changes* is how many entries the change log holds at the least.
    """
    step = _Step(database, tenant_id, end, keep_changes, is_dry)
    found, after = Repriced(), (start, -1)
    while True:
        done, last = await database.write(partial(step.take, after=after))
        found += done
        if last is None:
            return found
        after = last


@dataclass(frozen=True)
class _Step:
    database: Database
    tenant_id: str
    end: str
    keep_changes: int
    is_dry: bool

    def take(self, connection: Connection, after: Cursor) -> tuple[Repriced, Cursor | None]:
        """Price the next calls behind *after* again; gives the last one of them, None if there was none."""
        head = lock(connection, self.tenant_id)
        days = self.database.days
        before = self._next(connection, after)
        if not before:
            return Repriced(), None
        models = {_call(old).model.lower() for old in before}
        own = read_own(connection, self.tenant_id, models)
        used: dict[str, Price] = {}
        again = []
        for old in before:
            new, price = _priced(old, own)
            again.append(new)
            if price is not None:
                used[price.id] = price
        pairs = [(old, new) for old, new in zip(before, again, strict=True) if _cost(old) != _cost(new)]
        found, last = _counted(len(before), pairs), (before[-1].at, before[-1].id)
        if self.is_dry or not pairs:
            return found, last
        keep(connection, self.tenant_id, used.values())
        batch = subtract(gather(new for _, new in pairs), gather(old for old, _ in pairs))
        rolled = roll(batch, read_known(connection, self.tenant_id, batch, days, head.cutoffs), days.of, head.cutoffs)
        connection.execute(_CHANGE, [self._row(new) for _, new in pairs])
        sums = write_rollups(connection, self.tenant_id, rolled)
        decided = decide(connection, head, watch_of(connection, head, None), self.database.epoch, days)
        change = change_of(head, self.database.epoch, days, rolled, sums, decided.counts)
        append(connection, change, head.last_id, self.keep_changes)
        return found, last

    def _next(self, connection: Connection, after: Cursor) -> list[Entry]:
        """Read the next calls whose cost was not told by their sender."""
        own_word = and_(_calls.cost_nanodollars.is_not(None), _calls.price_id.is_(None))
        query = (
            select(*columns(schema.llm_calls))
            .where(_calls.tenant_id == self.tenant_id, _calls.timestamp < self.end, ~own_word)
            .where(_calls.timestamp >= after[0], tuple_(_calls.timestamp, _calls.id) > tuple_(*after))
            .order_by(_calls.timestamp, _calls.id)
            .limit(ROWS)
        )
        return [entry(schema.llm_calls, row, self.database.days) for row in connection.execute(query)]

    def _row(self, new: Entry) -> dict[str, str | int | None]:
        cost, price_id = _cost(new)
        return {"of_tenant": self.tenant_id, "row_id": new.id, "cost": cost, "price": price_id}


def _priced(old: Entry, own: OwnPrices) -> tuple[Entry, Price | None]:
    """Give a call as if it came now, with its price."""
    posted = msgspec.structs.replace(_call(old), cost=None)
    new = Entry(posted, old.id, old.at, old.day)
    return new, price_call(new, posted, own)


def _cost(call: Entry) -> tuple[int | None, str | None]:
    cost = _call(call).cost
    return (None if cost is None else int(cost)), call.price_id


def _call(found: Entry) -> LlmCall:
    return cast("LlmCall", found.event)


def _counted(calls: int, pairs: Sequence[tuple[Entry, Entry]]) -> Repriced:
    olds, news = [_cost(old)[0] for old, _ in pairs], [_cost(new)[0] for _, new in pairs]
    unpriced = (sum(cost is None for cost in olds), sum(cost is None for cost in news))
    return Repriced(calls, len(pairs), sum(cost or 0 for cost in olds), sum(cost or 0 for cost in news), *unpriced)
