"""Pricing calls again: at every step the rollups are what a recount gives, and live feeds follow."""

import asyncio
import random
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from storage.model import clock
from storage.model.cutoffs import Cutoffs, cutoff
from storage.prices.own import Written, price_of, set_prices
from storage.retention.erasure import forget
from storage.retention.prune import prune
from storage.tables import schema
from storage.write import reprice as module
from storage.write.reprice import Repriced, reprice
from tests.samples.events import event
from tests.storage.retention.watched import NOW, TENANT, Watched, end, made_up, serials, watch

pytestmark = pytest.mark.each_database

ALWAYS = ("2026-01-01T00:00:00.000Z", "2027-01-01T00:00:00.000Z")


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few calls a step, and a clock that stands."""
    monkeypatch.setattr(clock, "unix", NOW.timestamp)
    monkeypatch.setattr(module, "ROWS", 7)


async def set_price(watched: Watched, **fields: Any) -> None:
    price = price_of(Written("openai", **{"model": "a", "input": "1", "output": "2", **fields}))
    await watched.database.write(lambda connection: set_prices(connection, TENANT, [price]))


async def again(watched: Watched, start: str, until: str, *, is_dry: bool = False) -> Repriced:
    done = await reprice(watched.database, TENANT, start, until, 1000, is_dry=is_dry)
    await watched.check()
    return done


async def costs(watched: Watched) -> list[tuple[Any, ...]]:
    calls = schema.llm_calls.c
    async with watched.database.read() as connection:
        query = select(calls.id, calls.cost_nanodollars, calls.price_id).order_by(calls.id)
        return [tuple(row) for row in await connection.execute(query)]


async def test_a_dry_run_says_what_would_change(database_url: str) -> None:
    """A dry run changes nothing and says what then changes; a second run finds nothing. A cost that the sender told
    stays."""
    watched = await watch(database_url, "UTC")
    call = {"type": "llm_call", "provider": "openai", "model": "a", "operation": "chat", "timestamp": clock.now()}
    tokens = {"input_tokens": 1000, "output_tokens": 100}
    await watched.post([{**call, **tokens}, {**call, **tokens, "cost": "7"}, call, {**call, **tokens, "model": "b"}])
    await set_price(watched)
    before = await costs(watched)
    dry = await again(watched, *ALWAYS, is_dry=True)
    assert await costs(watched) == before
    assert dry == Repriced(calls=3, changed=1, before=0, after=1_200_000, unpriced_before=1, unpriced_after=0)
    assert await again(watched, *ALWAYS) == dry
    assert [cost for _, cost, _ in await costs(watched)] == [1_200_000, 7_000_000_000, None, None]
    assert (await again(watched, *ALWAYS)).changed == 0
    assert watched.feed.state is not None
    assert watched.feed.state.summary["total_cost"] == "7.0012"
    assert watched.feed.state.summary["unpriced_llm_calls"] == 2
    await end(watched)


@pytest.mark.histories(1, 2)
async def test_rollups_follow_whatever_happens(database_url: str, seed: int) -> None:
    """Prices that change, calls that come late, pricing again of some days, pruning and erasure, in whatever order: at
    every step verify is clean and a live feed holds the snapshot."""
    draw, serial = random.Random(seed), serials()
    watched = await watch(database_url, ["UTC", "America/New_York"][seed])
    await watched.post(made_up(draw, 100, serial))
    days = watched.database.days
    for _ in range(8):
        match draw.randrange(5):
            case 0:
                await watched.post(made_up(draw, draw.randrange(1, 30), serial))
            case 1 | 2:
                model = draw.choice(["a", "b", "gpt-4o"])
                price = {"input": str(draw.randrange(9)), "valid_from": draw.choice(["", "2026-03-08"])}
                await set_price(watched, model=model, **price)
                start = clock.text(NOW - timedelta(days=draw.randrange(12)))
                await again(watched, start, ALWAYS[1])
            case 3:
                kept = days.shift(days.today(), -draw.randrange(1, 10))
                await prune(watched.steps, TENANT, Cutoffs.at(cutoff(days, kept)))
            case _:
                user = f"u{draw.randrange(6)}"
                watched.forgotten(user)
                await forget(watched.steps, TENANT, user)
    await end(watched)


async def test_calls_that_come_meanwhile_are_counted(database_url: str) -> None:
    """While calls are priced again, others are committed: nothing is lost or counted twice."""
    draw, serial = random.Random(9), serials()
    watched = await watch(database_url, "UTC")
    await watched.post(made_up(draw, 150, serial))
    await set_price(watched, model="b")

    async def post() -> None:
        for _ in range(5):
            events = made_up(draw, 10, serial)
            watched.active += [(fields["user_id"], fields["timestamp"]) for fields in events if fields.get("user_id")]
            await watched.writer.write(TENANT, [event(**fields) for fields in events])

    await asyncio.gather(post(), reprice(watched.database, TENANT, *ALWAYS, 1000, is_dry=False))
    await watched.check()
    assert (await again(watched, *ALWAYS)).changed == 0
    await end(watched)
