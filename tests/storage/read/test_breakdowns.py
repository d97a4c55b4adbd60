"""Breakdowns: every row, point and total is what a count of the raw rows gives."""

import math
import random
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import msgspec
import pytest
from sqlalchemy import text

from storage.engine.database import Database
from storage.model.cutoffs import Cutoffs, cutoff
from storage.model.histogram import RELATIVE_ERROR
from storage.model.metrics import mean_seconds
from storage.model.money import write_dollars
from storage.model.rollups import LLM_MODELS, ROLLUPS
from storage.read.breakdowns.catalogue import METRICS, Grain, dimensions_of, find
from storage.read.breakdowns.listing import describe, known, read_breakdown
from storage.read.breakdowns.rows import Breakdown
from storage.read.details.breakdown import end_of
from storage.read.reports import Item, Page
from storage.read.series import points
from storage.read.snapshots import read_cutoffs
from storage.retention.erasure import forget
from storage.retention.prune import prune
from storage.retention.steps import Steps
from storage.verify.comparison import verify
from tests.samples.history import Json, made_up
from tests.storage.databases import opened

pytestmark = pytest.mark.each_database

WHOLE = ("2026-03-06T00:00:00.000Z", "2026-03-12T00:00:00.000Z")
# Cuts days and hours, and holds New York's day of 23 hours.
PART = ("2026-03-07T03:20:00.000Z", "2026-03-09T17:10:00.000Z")
RAW = {
    "llm_calls": ("llm_calls", "timestamp", {"user": "user_id", "conversation": "conversation_id"}),
    "message_metrics": ("message_metrics", "created_at", {"user": "user_id", "model": "model_used"}),
    "api_usage": ("api_usage", "timestamp", {"user": "user_id"}),
    "user_activity": ("user_activity", "timestamp", {"user": "user_id"}),
}
KIND_OF = {"messages": "message_metrics", "responses": "message_metrics", "api_calls": "api_usage"}
KIND_OF |= {"activities": "user_activity"}


def varied(seed: int, count: int = 300) -> list[Json]:
    """Events with few values of each dimension, which some of them lack; one of them holds a separator."""
    draw = random.Random(seed)
    events = made_up(seed, count)
    for fields in events:
        match fields["type"]:
            case "activity":
                fields["activity_type"] = draw.choice(["login", "logout", "tab\tbed"])
            case "message":
                fields["role"] = draw.choice(["user", "assistant", "tool"])
                fields["finish_reason"] = draw.choice([None, "stop", "length", "tab\tbed"])
                fields["model_used"] = draw.choice([None, "small", "large\tone"])
                fields["token_count"] = draw.choice([None, draw.randrange(1000)])
            case "api_usage":
                fields["user_id"] = draw.choice([None, f"u{draw.randrange(8)}"])
            case "llm_call":
                fields["provider"] = draw.choice(["openai", "anth\tropic"])
                fields["model"] = draw.choice(["gpt-5-mini", "large\tone", "small"])
                fields["finish_reason"] = draw.choice([None, "stop", "length"])
                fields["error_type"] = draw.choice([None, None, "Timeout", "tab\tbed"])
    return events


async def asked(
    database: Database, metric: str, by: str, grain: Grain, span: tuple[str, str], *, has_points: bool
) -> Breakdown:
    dimensions = tuple(by.split(","))
    source = find(metric, dimensions, grain)
    assert source is not None
    covered = await points(database.days, grain, *span)
    whole = Breakdown("default", METRICS[metric], dimensions, source, covered, has_points=has_points)
    async with database.read() as connection:
        return known(whole, await read_cutoffs(connection, "default"))


async def read(database: Database, wanted: Breakdown, limit: int = 1000, after: Any = None) -> tuple[list[Item], Any]:
    async with database.read() as connection:
        listing = await read_breakdown(connection, wanted, Page(limit, after))
    for item in listing.items:
        if item["points"] is not None:
            item["points"] = msgspec.json.decode(bytes(item["points"]))
    return listing.items, listing.next


async def about(database: Database, wanted: Breakdown) -> Item:
    async with database.read() as connection:
        return await describe(connection, wanted)


class Recount:
    """The raw rows of a breakdown's range, by its labels and points."""

    def __init__(self, wanted: Breakdown, rows: list[Json], days: Any) -> None:
        self.metric = wanted.metric
        self.rows: defaultdict[tuple[str, ...], list[Json]] = defaultdict(list)
        self.all: list[Json] = []
        keys = set(wanted.covered.keys)
        for row in rows:
            row["start"] = days.of(row["at"]) if wanted.source.grain == "day" else row["at"][:13]
            if row["start"] not in keys:
                continue
            self.all.append(row)
            labels = [row[name] for name in wanted.by]
            # What stands before a separator is written without one.
            for place, name in enumerate(wanted.by):
                if labels[place] is not None and wanted.source.dimensions[name][1] == "first":
                    labels[place] = labels[place].replace("\t", " ")
            if None not in labels:
                self.rows[tuple(labels)].append(row)
        if wanted.metric.has_histogram:
            self.all = [row for row in self.all if row["response_time_us"] is not None]
            kept = {labels: [row for row in found if row["response_time_us"] is not None]
                    for labels, found in self.rows.items()}  # fmt: skip
            self.rows = defaultdict(list, {labels: found for labels, found in kept.items() if found})

    def value(self, rows: list[Json]) -> Any:
        name = self.metric.name
        match name:
            case "cost":
                return write_dollars(sum(row["cost_nanodollars"] or 0 for row in rows))
            case "active_users":
                return len({row["user_id"] for row in rows if row["user_id"] is not None})
            case "llm_calls" | "messages" | "api_calls" | "activities":
                return len(rows)
            case "llm_errors":
                return sum(row["error_type"] is not None for row in rows)
            case "api_errors":
                return sum(row["status_code"] >= 500 for row in rows)
            case "tokens":
                return sum(row["token_count"] or 0 for row in rows)
            case "unpriced_calls":
                return sum(row["cost_nanodollars"] is None for row in rows)
            case "unpriced_tokens":
                return sum((row["input_tokens"] or 0) + (row["output_tokens"] or 0)
                           for row in rows if row["cost_nanodollars"] is None)  # fmt: skip
            case _ if self.metric.is_mean:
                return mean_seconds(sum(row["response_time_us"] for row in rows), len(rows))
            case _ if self.metric.percent is not None:
                took = sorted(row["response_time_us"] for row in rows)
                return took[math.ceil(self.metric.percent * len(took) / 100) - 1] / 1e6 if took else None
            case _:
                return sum(row[name] or 0 for row in rows)

    def same(self, value: Any, rows: list[Json]) -> bool:
        expected = self.value(rows)
        if self.metric.percent is None or expected is None or value is None:
            return bool(value == expected)
        return bool(abs(value - expected) <= expected * RELATIVE_ERROR + 1e-6)


async def recount(database: Database, wanted: Breakdown) -> Recount:
    kind = KIND_OF.get(wanted.metric.events, "llm_calls")
    table, time, columns = RAW[kind]
    async with database.read() as connection:
        found = await connection.execute(text(f"SELECT * FROM {table} WHERE tenant_id = 'default'"))
        rows = [dict(row) for row in found.mappings()]
    for row in rows:
        row["at"] = row[time]
        row |= {name: row[column] for name, column in columns.items()}
        if wanted.metric.name == "active_users" and row["user_id"] is None:
            row["model"] = None
    return Recount(wanted, rows, database.days)


async def check(database: Database, wanted: Breakdown, *, erased: bool = False) -> None:
    """Hold all rows, their order, points and totals against the raw rows."""
    items, following = await read(database, wanted)
    counted, whole = await recount(database, wanted), await about(database, wanted)
    assert following is None
    found = {(item["label"], *([item["second"]] if len(wanted.by) > 1 else [])): item for item in items}
    assert found.keys() == counted.rows.keys()
    starts = wanted.covered.keys
    for labels, item in found.items():
        rows = counted.rows[labels]
        assert counted.same(item["value"], rows), (labels, item)
        assert item["count"] == len(rows)
        assert item["unpriced_calls"] == (
            sum(row["cost_nanodollars"] is None for row in rows) if wanted.metric.name == "cost" else None
        )
        for start, value in zip(starts, item["points"], strict=True):
            assert counted.same(value, [row for row in rows if row["start"] == start]), (labels, start)
    values = [float(item["value"] or 0) for item in items]
    assert values == sorted(values, reverse=True)
    assert whole["rows"] == len(items)
    if not erased:
        assert counted.same(whole["total"], counted.all)
        if wanted.metric.name != "active_users":
            assert whole["count"] == len(counted.all)
    check_others(whole, counted, wanted)


def check_others(whole: Item, counted: Recount, wanted: Breakdown) -> None:
    if wanted.metric.name == "active_users":
        assert whole["others"] is None
        return
    listed = [row for rows in counted.rows.values() for row in rows]
    missing = len(counted.all) - len(listed)
    if wanted.metric.has_histogram or wanted.metric.name in ("llm_calls", "messages", "api_calls", "activities"):
        assert whole["others"] == {"beyond_bound": 0, "without_label": missing}
    elif wanted.metric.name == "cost":
        rest = sum(row["cost_nanodollars"] or 0 for row in counted.all)
        rest -= sum(row["cost_nanodollars"] or 0 for row in listed)
        assert whole["others"] == {"beyond_bound": "0", "without_label": write_dollars(rest)}
        assert whole["unpriced_calls"] == sum(row["cost_nanodollars"] is None for row in counted.all)


def combinations(grain: Grain, metrics: Iterable[str] = METRICS) -> list[tuple[str, str]]:
    return [(metric, by) for metric in metrics for by in dimensions_of(metric, grain)]


SOME = ("cost", "active_users", "tokens", "api_errors", "activities", "p95_llm_response_time", "p50_api_response_time")
"""Of each rollup some metrics, where to go through all of them would take minutes."""


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "America/New_York", "Australia/Lord_Howe"])
async def test_every_breakdown_is_that_of_the_raw_rows(database_url: str, zone: str) -> None:
    """Every metric by every dimension it is kept by, by day and by hour, over whole and over cut ranges: each row, each
    point, their order and the total are those of the raw rows, and a recount of the rollups is clean."""
    database = await opened(database_url, zone, varied(seed=31))
    for grain in ("day", "hour"):
        for metric, by in combinations(grain, METRICS if zone == "Asia/Kolkata" else SOME):
            await check(database, await asked(database, metric, by, grain, PART, has_points=True))
    async with database.read() as connection:
        assert (await verify(connection, database.days)).differences == []
    await database.close()


@pytest.mark.parametrize("seed", range(3))
async def test_breakdowns_stay_when_rows_are_removed(database_url: str, seed: int) -> None:
    """Pruned, with late events between, breakdowns by day are what they were; of users only the days whose users are
    kept are counted, and of hours those that are kept, and the answer says from when on."""
    zone = ["UTC", "Asia/Kolkata", "America/New_York"][seed]
    events = varied(seed=40 + seed)
    database = await opened(database_url, zone, events)
    days = database.days
    before = {}
    for metric, by in combinations("day", SOME):
        wanted = await asked(database, metric, by, "day", WHOLE, has_points=True)
        before[metric, by] = (await read(database, wanted), await about(database, wanted))
    await prune(Steps(database, 100, rest=0), "default", Cutoffs.at(cutoff(days, "2026-03-08")))
    for (metric, by), expected in before.items():
        wanted = await asked(database, metric, by, "day", WHOLE, has_points=True)
        if wanted.kept_from is None:
            assert ((await read(database, wanted)), (await about(database, wanted))) == expected, (metric, by)
        else:
            assert wanted.kept_from == days.start("2026-03-08")
            assert "user" in by
            await check(database, wanted)
    for metric, by in combinations("hour", SOME):
        wanted = await asked(database, metric, by, "hour", WHOLE, has_points=True)
        assert wanted.kept_from is not None
        assert wanted.kept_from >= days.start("2026-03-08")
        await check(database, wanted)
    late = [{**fields, **({"message_id": f"late{number}"} if "message_id" in fields else {})}
            for number, fields in enumerate(varied(seed=50 + seed, count=100))]  # fmt: skip
    await database.close()
    database = await opened(database_url, zone, late)
    kept = (days.start("2026-03-08"), WHOLE[1])
    for grain in ("day", "hour"):
        for metric, by in combinations(grain, SOME):
            await check(database, await asked(database, metric, by, grain, kept, has_points=True))
    async with database.read() as connection:
        assert (await verify(connection, database.days)).differences == []
    await database.close()


async def test_an_erased_user_is_in_no_row(database_url: str) -> None:
    """Erased, a user has no row any more; what it had added is counted without a label, and no total moves."""
    database = await opened(database_url, "UTC", varied(seed=61))
    by_user = [(metric, by) for metric, by in combinations("day", SOME) if by in ("user", "model", "model,user")]
    totals = {}
    for metric, by in by_user:
        totals[metric, by] = await about(database, await asked(database, metric, by, "day", WHOLE, has_points=True))
    await forget(Steps(database, 100, rest=0), "default", "u3")
    for metric, by in by_user:
        wanted = await asked(database, metric, by, "day", WHOLE, has_points=True)
        items, _ = await read(database, wanted)
        assert "u3" not in {value for item in items for value in (item["label"], item["second"])}
        if metric != "active_users":
            after = await about(database, wanted)
            assert (after["total"], after["count"]) == (totals[metric, by]["total"], totals[metric, by]["count"])
    async with database.read() as connection:
        assert (await verify(connection, database.days)).differences == []
    await database.close()


async def test_pages_are_the_whole(database_url: str) -> None:
    """Pages of any length, one behind the other, are the whole list, for sums, distinct users and percentiles."""
    database = await opened(database_url, "UTC", varied(seed=62))
    for metric, by in (("cost", "user"), ("llm_calls", "model,user"), ("active_users", "model"),
                       ("p95_api_response_time", "endpoint"), ("avg_llm_response_time", "model,provider"),
                       ("unpriced_calls", "conversation")):  # fmt: skip
        wanted = await asked(database, metric, by, "day", WHOLE, has_points=False)
        whole, _ = await read(database, wanted)
        for limit in (1, 2, 5):
            found, after = await read(database, wanted, limit)
            while after is not None:
                items, after = await read(database, wanted, limit, after)
                found += items
            assert found == whole, (metric, by, limit)
    await database.close()


async def test_labels_beyond_the_bound_are_counted(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Models beyond the bound of a day have no row, but what they added is said, and the total has it."""
    for rollup in ROLLUPS:
        if rollup.bound == LLM_MODELS:
            monkeypatch.setitem(vars(rollup), "bound", 2)
    call = {"type": "llm_call", "provider": "p", "operation": "chat", "timestamp": "2026-03-07T12:00:00.000Z"}
    events = [{**call, "model": f"m{number}", "cost": "0.5"} for number in range(5)]
    database = await opened(database_url, "UTC", events)
    wanted = await asked(database, "cost", "model", "day", WHOLE, has_points=False)
    items, _ = await read(database, wanted)
    assert [item["label"] for item in items] == ["m0", "m1"]
    whole = await about(database, wanted)
    assert (whole["total"], whole["others"]) == ("2.5", {"beyond_bound": "1.5", "without_label": "0"})
    assert end_of(database.days, wanted.covered) == WHOLE[1]
    await database.close()
