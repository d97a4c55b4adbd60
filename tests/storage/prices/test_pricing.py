"""The cost of calls: by which price, for which tokens, at what time."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, select, update

from storage.engine.database import Database
from storage.engine.urls import database_at
from storage.model.clock import now
from storage.model.events import LlmCall, NanoDollars
from storage.prices.own import InvalidPrice, Written, price_of, read_kept, read_written, remove_price, set_prices
from storage.prices.price import Price, Rates
from storage.tables import schema
from storage.verify.comparison import verify
from storage.verify.costs import _cost
from storage.write.commit import commit
from tests.samples.events import event

TOKENS: dict[str, Any] = {"input_tokens": 1000, "cached_input_tokens": 600, "output_tokens": 10}
CALL: dict[str, Any] = {"type": "llm_call", "provider": "openai", "model": "gpt-5-mini", "operation": "chat"}
SHIPPED = 400 * 250 + 600 * 25 + 10 * 2000
"""Nano-dollars of TOKENS at 0.25, 0.025 and 2 dollars a million."""


def call(**fields: Any) -> LlmCall:
    return LlmCall(provider="p", model="m", operation="chat", **fields)


@pytest.mark.parametrize(
    ("rates", "tokens", "cost"),
    [
        (Rates(input=1000, output=2000), {"input_tokens": 3, "output_tokens": 4}, 11),
        (Rates(input=1500), {"input_tokens": 1}, 2),
        (Rates(input=2500), {"input_tokens": 1}, 2),
        (Rates(input=2501), {"input_tokens": 1}, 3),
        (Rates(input=1000, cached_input=100), {"input_tokens": 100, "cached_input_tokens": 90}, 19),
        (Rates(input=1000), {"input_tokens": 100, "cached_input_tokens": 90}, 100),
        (Rates(input=1000, cache_write=2000), {"input_tokens": 10, "cache_write_tokens": 4}, 14),
        (Rates(input=0, output=1000, reasoning=3000), {"output_tokens": 10, "reasoning_tokens": 4}, 18),
        (Rates(input=((-1, 1000), (100, 5000))), {"input_tokens": 100}, 100),
        (Rates(input=((-1, 1000), (100, 5000))), {"input_tokens": 101}, 505),
        (Rates(input=1000, request=7000), {"input_tokens": 1}, 8),
        (Rates(input=1000, output=0), {"input_tokens": 1}, 1),
        (Rates(input=1000), {"input_tokens": 1, "output_tokens": 0}, 1),
        (Rates(input=1000), {"input_tokens": 1, "output_tokens": 1}, None),
        (Rates(input=1000, output=1000), {"input_tokens": 1}, None),
        (Rates(input=1000, output=1000), {"output_tokens": 1}, None),
        (Rates(input=0, output=0), {}, 0),
    ],
)
def test_the_cost_of_tokens(rates: Rates, tokens: dict[str, int], cost: int | None) -> None:
    """Tokens cost what their kind does, half to even, steps by input tokens; where something is unknown that costs
    something, or known that has no price, the cost is unknown."""
    assert Price("p", "m", rates).cost(call(**tokens)) == cost


RATE = (
    st.none()
    | st.integers(0, 10**10)
    | st.tuples(st.integers(0, 10**10), st.integers(0, 10**10)).map(lambda pair: ((-1, pair[0]), (1000, pair[1])))
)
COUNT = st.integers(0, 2000)


@given(
    st.builds(Rates, st.integers(0, 10**10), RATE, RATE, st.integers(0, 10**10), RATE, COUNT), st.tuples(*[COUNT] * 5)
)
def test_two_ways_lead_to_the_same_cost(rates: Rates, counts: tuple[int, ...]) -> None:
    """What a commit computes with integers is what verify computes with fractions."""
    cached, written, plain, reasoning, rest = counts
    tokens = (cached + written + plain, cached, written, reasoning + rest, reasoning)
    names = ("input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")
    price = Price("p", "m", rates)
    found = price.cost(call(**dict(zip(names, tokens, strict=True))))
    assert found == _cost(msgspec.json.decode(price.encode()), "2026-11-30T12:00:00.000Z", *tokens)


async def opened(url: str) -> Database:
    database = database_at(url)
    await database.open()
    return database


async def post(database: Database, *events: dict[str, Any]) -> None:
    arrived = [(event(**fields), now()) for fields in events]
    epoch, days = database.epoch, database.days
    await database.write(lambda connection: commit(connection, epoch, days, "default", arrived, 1000))


async def costs(database: Database) -> list[tuple[int | None, bool]]:
    """The cost of each call, in the order of their commits, and whether it was computed."""
    calls = schema.llm_calls.c
    async with database.read() as connection:
        rows = await connection.execute(select(calls.cost_nanodollars, calls.price_id).order_by(calls.id))
        assert (await verify(connection, database.days)).differences == []
    return [(cost, price_id is not None) for cost, price_id in rows]


def own(**fields: Any) -> Price:
    return price_of(Written("OpenAI", "GPT-5-mini", **{"input": "1", "output": "0", **fields}))


@pytest.mark.each_database
async def test_a_call_costs_what_its_price_says(database_url: str) -> None:
    """A sender's own cost stands and is marked; otherwise the shipped price counts, also for a batch. A call without a
    price or tokens has no cost."""
    database = await opened(database_url)
    at = {"timestamp": "2026-11-30T12:00:00Z"} if now() > "2026-11-30T13" else {}
    await post(
        database,
        {**CALL, **TOKENS, **at},
        {**CALL, **TOKENS, "cost": "0.5"},
        {**CALL, **TOKENS, "service_tier": "batch", **at},
        {**CALL, **TOKENS, "model": "nobody-knows-it"},
        CALL,
    )
    expected = [(SHIPPED, True), (500_000_000, False), (SHIPPED // 2, True), (None, False), (None, False)]
    assert await costs(database) == expected
    await database.close()


@pytest.mark.each_database
async def test_own_prices_come_first(database_url: str) -> None:
    """An own price counts from the commit after it on, at the calls' own times; of two the later one; where none is
    valid the shipped one does. Calls that were priced before keep their cost, also when a price is removed."""
    database = await opened(database_url)
    late = {"timestamp": "2026-11-02T00:00:00Z"}
    early = {"timestamp": "2026-11-01T23:59:59.999Z"}
    await post(database, {**CALL, **TOKENS, **late})
    first, second = own(valid_from="2026-11-02"), own(input="2", valid_from="2026-11-02", valid_until="2026-11-03")
    await database.write(lambda connection: set_prices(connection, "default", [first, second]))
    await post(database, {**CALL, **TOKENS, **early}, {**CALL, **TOKENS, **late})
    await database.write(lambda connection: remove_price(connection, "default", second.id))
    await post(database, {**CALL, **TOKENS, **late}, {**CALL, **TOKENS, "service_tier": "batch", **late})
    dollars = 1000 * 1000
    expected = [SHIPPED, SHIPPED, 2 * dollars, dollars, dollars]
    assert [cost for cost, _ in await costs(database)] == expected
    with pytest.raises(KeyError):
        await database.write(lambda connection: remove_price(connection, "default", second.id))
    async with database.read() as connection:
        kept = {
            one.price.id: (one.set_at is not None, one.removed_at is None)
            for one in await read_kept(connection, "default")
        }
        assert await read_kept(connection, "acme") == []
    assert kept[first.id] == (True, True)
    assert kept[second.id] == (True, False)
    assert len(kept) == 3
    await database.close()


async def test_a_wrong_cost_is_found(tmp_path: Any) -> None:
    """verify finds a cost that its price does not give, and one whose price is gone."""
    database = await opened(f"sqlite+aiosqlite:///{tmp_path}/analytics.db")
    await post(database, {**CALL, **TOKENS}, {**CALL, **TOKENS, "cost": "1"})

    def change(connection: Connection) -> None:
        connection.execute(update(schema.llm_calls).values(cost_nanodollars=schema.llm_calls.c.cost_nanodollars + 1))

    await database.write(change)
    async with database.read() as connection:
        wrong = [str(found) for found in (await verify(connection, database.days)).differences]
    assert any(f"rollup {SHIPPED + 1}, recount {SHIPPED}" in line for line in wrong)
    await database.close()


def test_an_event_stands_as_it_was_posted() -> None:
    """The event that a commit is given is not changed: the same one may be committed again, if the commit fails."""
    from storage.model.rollup import Entry
    from storage.prices.pricing import price_call

    posted = event(**CALL, **TOKENS)
    assert isinstance(posted, LlmCall)
    entry = Entry(posted, 1, "2026-11-30T12:00:00.000Z", "2026-11-30")
    assert price_call(entry, posted, {}) is not None
    assert posted.cost is None
    assert isinstance(entry.event, LlmCall)
    assert entry.event.cost == NanoDollars(SHIPPED)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"input": "x"}, "input"),
    ({"input": "-1"}, "input"),
    ({"input": "0.0000001"}, "input"),
    ({"input": "10001"}, "input"),
    ({"input": [{"above": 5, "price": "1"}]}, "input"),
    ({"input": [{"above": 0, "price": "1"}, {"above": 0, "price": "2"}]}, "input"),
    ({"input": {"above": 0}}, "input"),
    ({"input": None, "output": None}, "input"),
    ({"valid_from": "soon"}, "valid_from"),
    ({"valid_from": "2026-01-02", "valid_until": "2026-01-02"}, "valid_until"),
]


@pytest.mark.parametrize(("fields", "field"), WRONG)
def test_a_wrong_price_is_named(fields: dict[str, Any], field: str) -> None:
    """A price that breaks a rule is refused with its field."""
    with pytest.raises(InvalidPrice) as refused:
        own(**fields)
    assert refused.value.field == field


def test_a_file_names_the_place_of_a_wrong_price() -> None:
    """Of a file the number of the wrong price is named; one that is no array of prices is refused."""
    with pytest.raises(InvalidPrice, match=r"^1\.input: "):
        read_written(b'[{"provider":"p","model":"m","input":"1"},{"provider":"p","model":"m","input":"x"}]')
    with pytest.raises(InvalidPrice, match=r"^file: "):
        read_written(b'[{"provider":"p","model":"m","colour":"1"}]')
