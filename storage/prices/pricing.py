"""The cost of new LLM calls: by the tenant's own price of the model, else by the one that ships with the service.

A sender's own word on the cost stands. Each price that is used is kept beside the calls, so that their cost can be
computed again whatever ships later.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import msgspec
from sqlalchemy import Connection

from storage.model.events import LlmCall
from storage.model.rollup import Entry
from storage.prices.price import Price, decode
from storage.prices.shipped import price_at, prices_of
from storage.tables import schema
from storage.tables.bulk import Insert, Lookup, replace

_OWN = Lookup(schema.prices, "model", ["body", "set_at", "removed_at"])
_KEEP: Insert = replace(schema.prices, ())

OwnPrices = dict[tuple[str, str], tuple[Price, ...]]
"""A tenant's own prices by provider and model in small letters, the last one that was set first."""


def price_calls(connection: Connection, tenant_id: str, entries: Sequence[Entry]) -> None:
    """Give the LLM calls among *entries* their cost, and keep the prices that it was computed by."""
    calls = [(entry, call) for entry in entries if isinstance(call := entry.event, LlmCall) and call.cost is None]
    if not calls:
        return
    own = read_own(connection, tenant_id, {call.model.lower() for _, call in calls})
    used: dict[str, Price] = {}
    for entry, call in calls:
        if (price := price_call(entry, call, own)) is not None:
            used[price.id] = price
    keep(connection, tenant_id, used.values())


def price_call(entry: Entry, call: LlmCall, own: OwnPrices) -> Price | None:
    """Give the entry of a *call* the cost that its price says; gives that price.

    None: there is no price, or tokens are not known.
    """
    price = find_price(call, entry.at, own)
    cost = None if price is None else price.cost(call)
    if price is None or cost is None:
        return None
    # A copy: the event stands as it was posted, if this commit fails and it is committed again.
    entry.event, entry.price_id = msgspec.structs.replace(call, cost=cost), price.id
    return price


def find_price(call: LlmCall, at: str, own: OwnPrices) -> Price | None:
    """Find the price of a call at a time; None if there is none."""
    mine = own.get((call.provider.lower(), call.model.lower()), ())
    found = price_at(mine, call.service_tier, at)
    return found or price_at(prices_of(call.provider, call.model), call.service_tier, at)


def read_own(connection: Connection, tenant_id: str, models: Iterable[str]) -> OwnPrices:
    """Read the tenant's own prices of some models, by their names in small letters."""
    rows = [row for row in _OWN.find(connection, (tenant_id,), set(models)) if row[1] is not None and row[2] is None]
    own: defaultdict[tuple[str, str], list[Price]] = defaultdict(list)
    for body, *_ in sorted(rows, key=lambda row: row[1], reverse=True):
        price = decode(body)
        own[price.provider, price.model].append(price)
    return {key: tuple(prices) for key, prices in own.items()}


def keep(connection: Connection, tenant_id: str, prices: Iterable[Price]) -> None:
    """Keep the prices by which calls were priced; those that are there stay as they are."""
    rows = [(tenant_id, price.id, price.provider, price.model, price.encode().decode(), None, None) for price in prices]
    _KEEP.write(connection, rows)
