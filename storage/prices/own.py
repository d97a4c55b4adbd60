"""A tenant's own prices: negotiated ones, and those of models that no shipped price knows.

A change is one transaction that holds the tenant's head, so each commit of calls sees it whole or not at all. Calls
that were priced before keep their cost until they are priced again.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from itertools import count
from typing import Any

import msgspec
from sqlalchemy import Connection, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.model import clock
from storage.model.clock import now
from storage.prices.price import MAX_RATE, Price, Rate, Rates, decode
from storage.prices.pricing import keep
from storage.tables import schema
from storage.tables.heads import lock

_prices = schema.prices.c
_DOLLARS = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})?", re.ASCII)
MAX_PRICES = 10_000
"""Own prices of a tenant that are in force."""


class InvalidPrice(ValueError):
    """A price that cannot be taken: ``field`` is the one at fault, ``error`` the rule that it broke."""

    def __init__(self, field: str, error: str) -> None:
        super().__init__(f"{field}: {error}")
        self.field = field
        self.error = error


class Written(msgspec.Struct, forbid_unknown_fields=True):
    """A price as people write it: dollars a million tokens by kind, and dollars a call, as decimal text.

    A price may have steps: a list of objects with ``above`` (input tokens of the call) and ``price``.
    """

    provider: str
    model: str
    input: Any = None
    cached_input: Any = None
    cache_write: Any = None
    output: Any = None
    reasoning: Any = None
    request: str | None = None
    service_tier: str = ""
    valid_from: str = ""
    valid_until: str = ""


@dataclass(frozen=True)
class KeptPrice:
    """A price that is kept. ``set_at``: when the tenant set it; None: it shipped with the service."""

    price: Price
    set_at: str | None
    removed_at: str | None


def read_written(body: bytes) -> list[Price]:
    """Read a JSON array of prices; raises :exc:`InvalidPrice` with the place of the first one at fault."""
    try:
        written = msgspec.json.decode(body, type=list[Written])
    except msgspec.MsgspecError as error:
        raise InvalidPrice("file", str(error)) from None
    prices = []
    for number, one in enumerate(written):
        try:
            prices.append(price_of(one))
        except InvalidPrice as error:
            raise InvalidPrice(f"{number}.{error.field}", error.error) from None
    return prices


def price_of(written: Written) -> Price:
    """Make a price; raises :exc:`InvalidPrice`."""
    for field in ("provider", "model"):
        if not 0 < len(getattr(written, field)) <= 255:
            raise InvalidPrice(field, "must have 1 to 255 characters")
    if len(written.service_tier) > 100:
        raise InvalidPrice("service_tier", "must have at most 100 characters")
    rates = {name: rate for name in _KINDS if (rate := _rate(name, getattr(written, name))) is not None}
    if "input" not in rates and "output" not in rates:
        raise InvalidPrice("input", "or output has to have a price")
    request = _pico("request", written.request or "0", 1)
    begin, end = (_day(field, getattr(written, field)) for field in ("valid_from", "valid_until"))
    if begin and end and begin >= end:
        raise InvalidPrice("valid_until", "must lie after valid_from")
    names = (written.provider.lower().strip(), written.model.lower())
    return Price(*names, Rates(**rates, request=request), written.service_tier, begin, end)


_KINDS = ("input", "cached_input", "cache_write", "output", "reasoning")
_MILLION = 1_000_000


def _rate(field: str, written: Any) -> Rate | None:
    if written is None:
        return None
    if isinstance(written, str):
        return _pico(field, written, _MILLION)
    try:
        steps = [(step["above"], step["price"]) for step in written]
    except (TypeError, KeyError):
        raise InvalidPrice(field, "must be decimal text, or a list of above and price") from None
    bounds = [above for above, _ in steps]
    if not steps or bounds[0] != 0 or bounds != sorted(set(bounds)) or not all(type(above) is int for above in bounds):
        raise InvalidPrice(field, "must have steps that rise from above 0")
    # The first step is for all calls, those without input tokens too.
    return tuple((above or -1, _pico(field, price, _MILLION)) for above, price in steps)


def _pico(field: str, written: Any, per: int) -> int:
    """Read dollars for so many tokens, or calls, as pico-dollars for one."""
    if not isinstance(written, str) or _DOLLARS.fullmatch(written) is None:
        raise InvalidPrice(field, 'must be US dollars as decimal text with at most six decimals, such as "2.50"')
    pico = int((Decimal(written) * 10**12 / per).to_integral_value(ROUND_HALF_EVEN))
    if per == _MILLION and pico > MAX_RATE:
        raise InvalidPrice(field, f"must be at most {MAX_RATE // _MILLION} dollars a million tokens")
    return pico


def _day(field: str, written: str) -> str:
    if not written:
        return ""
    try:
        return date.fromisoformat(written).isoformat()
    except ValueError:
        raise InvalidPrice(field, "must be a date such as 2026-11-30") from None


def set_prices(connection: Connection, tenant_id: str, prices: Sequence[Price]) -> None:
    """Take prices for the tenant's own; of two for the same calls the one that was set last counts.

    Raises :exc:`InvalidPrice` beyond :data:`MAX_PRICES`.
    """
    lock(connection, tenant_id)
    keep(connection, tenant_id, prices)
    moments = _moments(now())
    for price in prices:
        mine = (_prices.tenant_id == tenant_id, _prices.id == price.id)
        connection.execute(update(schema.prices).where(*mine).values(set_at=next(moments), removed_at=None))
    in_force = select(_prices.id).where(
        _prices.tenant_id == tenant_id, _prices.set_at.is_not(None), _prices.removed_at.is_(None)
    )
    if len(connection.scalars(in_force.limit(MAX_PRICES + 1)).all()) > MAX_PRICES:
        raise InvalidPrice("file", f"makes more than {MAX_PRICES} prices of the tenant")


def _moments(at: str) -> Iterator[str]:
    """Give a moment for each price of a file, a millisecond apart, so that of two the later one counts."""
    begin = clock.moment(at)
    return (clock.text(begin + timedelta(milliseconds=number)) for number in count())


def remove_price(connection: Connection, tenant_id: str, price_id: str) -> Price:
    """Use an own price no more; it is kept for the calls that it priced. Raises ``KeyError`` if there is none."""
    lock(connection, tenant_id)
    mine = (_prices.tenant_id == tenant_id, _prices.id == price_id)
    in_force = (*mine, _prices.set_at.is_not(None), _prices.removed_at.is_(None))
    body = connection.scalar(select(_prices.body).where(*in_force))
    if body is None:
        raise KeyError(price_id)
    connection.execute(update(schema.prices).where(*mine).values(removed_at=now()))
    return decode(body)


async def read_kept(connection: AsyncConnection, tenant_id: str) -> list[KeptPrice]:
    """Read the prices that are kept for a tenant, by provider, model and id."""
    query = select(_prices.body, _prices.set_at, _prices.removed_at).where(_prices.tenant_id == tenant_id)
    rows = await connection.execute(query.order_by(_prices.provider, _prices.model, _prices.id))
    return [KeptPrice(decode(body), set_at, removed_at) for body, set_at, removed_at in rows]
