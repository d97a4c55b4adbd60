"""The proof of costs: each call's cost is computed again by the price that is kept beside it.

It is computed with fractions, apart from the integers of ``storage/prices/price.py``.
"""

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

import msgspec
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.tables import schema

Json = Mapping[str, Any]

_CALLS = """
    SELECT tenant_id, id, timestamp, price_id, cost_nanodollars, input_tokens, cached_input_tokens, cache_write_tokens,
        output_tokens, reasoning_tokens
    FROM llm_calls WHERE price_id IS NOT NULL
"""
_PICO_OF_NANO = 1000


async def wrong_costs(connection: AsyncConnection) -> tuple[int, list[tuple[str, str, Any, Any]]]:
    """Compute the cost of every priced call; gives their number, and of each that differs: tenant, what, both costs."""
    kept = schema.prices.c
    bodies = await connection.execute(select(kept.tenant_id, kept.id, kept.body))
    prices = {(tenant, price_id): msgspec.json.decode(body) for tenant, price_id, body in bodies}
    compared, wrong = 0, []
    async for tenant_id, row_id, at, price_id, stored, *tokens in await connection.stream(text(_CALLS)):
        compared += 1
        price = prices.get((tenant_id, price_id))
        computed = None if price is None else _cost(price, at, *tokens)
        if computed != stored:
            wrong.append((tenant_id, f"llm_calls {row_id}: cost by price {price_id}", stored, computed))
    return compared, wrong


def _cost(
    price: Json,
    at: str,
    read: int | None,
    cached: int | None,
    cache_written: int | None,
    written: int | None,
    reasoning: int | None,
) -> int | str:
    """Compute a cost in nano-dollars; text says why that cannot be."""
    if not price.get("valid_from", "") <= at[:10] or at[:10] >= price.get("valid_until", "9999-12-31"):
        return "the price is not valid at this time"
    rates = price["rates"]
    pico = Fraction(rates.get("request", 0))
    for tokens, name, whole in (
        (read, "input", ""),
        (written, "output", ""),
        (cached, "cached_input", "input"),
        (cache_written, "cache_write", "input"),
        (reasoning, "reasoning", "output"),
    ):
        if name in rates:
            each = _rate(rates[name], read)
            pico += (tokens or 0) * each
            # A part with a price of its own is no part of the whole any more.
            if whole in rates:
                pico -= (tokens or 0) * _rate(rates[whole], read)
    # Python rounds a fraction half to even.
    return round(pico / _PICO_OF_NANO)


def _rate(rate: Any, read: int | None) -> int:
    if isinstance(rate, int):
        return rate
    return int(max((above, pico) for above, pico in _reached(rate, read or 0))[1])


def _reached(steps: Any, read: int) -> Iterator[tuple[int, int]]:
    return ((above, pico) for above, pico in steps if read > above)
