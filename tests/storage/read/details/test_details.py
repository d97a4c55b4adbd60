"""What one thing is made of: every figure and point is what a count of the raw events gives."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from storage.engine.database import Database
from storage.model.clock import Days
from storage.model.cutoffs import Cutoffs
from storage.model.metrics import LABELS, mean_seconds
from storage.model.rollups import ENDPOINTS
from storage.read.details.breakdown import end_of
from storage.read.details.conversation import conversation
from storage.read.details.endpoint import endpoint
from storage.read.details.model import model
from storage.read.details.user import user
from storage.read.series import Interval, Points, points
from storage.retention.erasure import forget
from storage.retention.prune import prune
from storage.retention.steps import Steps
from tests.samples.history import Json, made_up
from tests.storage.databases import opened

pytestmark = pytest.mark.each_database

EVENTS = [
    {**fields, "user_id": f"u{number % 5}"} if fields["type"] == "api_usage" and number % 3 else fields
    for number, fields in enumerate(made_up(seed=21, count=400))
    if fields["type"] != "llm_call"
]
SPANS: list[tuple[str, Interval, str, str]] = [
    ("UTC", "hour", "2026-03-07T04:30:00.000Z", "2026-03-08T11:10:00.000Z"),
    ("Asia/Kolkata", "day", "2026-03-06T20:00:00.000Z", "2026-03-09T03:00:00.000Z"),
    ("America/New_York", "day", "2026-03-07T05:00:00.000Z", "2026-03-10T04:00:00.000Z"),
    ("Australia/Lord_Howe", "minute", "2026-03-07T04:30:00.000Z", "2026-03-08T11:10:00.000Z"),
]


def us(fields: Json) -> int:
    return round((fields.get("response_time") or 0) * 1_000_000)


def messages(events: Iterable[Json]) -> Json:
    found = list(events)
    timed = [fields for fields in found if fields["response_time"] is not None]
    return {
        "message_count": len(found),
        "total_tokens": sum(fields["token_count"] for fields in found),
        "avg_response_time": mean_seconds(sum(map(us, timed)), len(timed)),
    }


def calls(events: Iterable[Json]) -> Json:
    found = list(events)
    return {
        "count": len(found),
        "error_count": sum(fields["status_code"] >= 500 for fields in found),
        "avg_response_time": mean_seconds(sum(map(us, found)), len(found)),
    }


def ranked(events: Iterable[Json], label: str, sums: Callable[[Iterable[Json]], Json]) -> list[Json]:
    """The sums of each value of a label, without an order."""
    groups: defaultdict[Any, list[Json]] = defaultdict(list)
    for fields in events:
        groups[fields.get(label)].append(fields)
    return [{label: value, **sums(group)} for value, group in groups.items()]


def same(found: list[Json], wanted: list[Json], count: str) -> bool:
    """The same items; the first ones have most rows."""
    key = repr
    if not found:
        return not wanted
    in_order = [item[count] for item in found] == sorted((item[count] for item in found), reverse=True)
    return in_order and sorted(found, key=key) == sorted(
        ({name: item[name] for name in found[0]} for item in wanted), key=key
    )


def pick(days: Days, covered: Points, kind: str, **wanted: Any) -> list[Json]:
    """The events of a kind in the range that have these values."""
    begin, end = covered.starts[0], end_of(days, covered)
    return [
        fields
        for fields in EVENTS
        if fields["type"] == kind
        and begin <= fields["timestamp"] < end
        and all(fields.get(name) == value for name, value in wanted.items())
    ]


def by_point(days: Days, covered: Points, events: list[Json]) -> list[int]:
    """How many of the events lie in each point."""
    ends = [*covered.starts[1:], end_of(days, covered)]
    return [
        sum(begin <= fields["timestamp"] < end for fields in events)
        for begin, end in zip(covered.starts, ends, strict=True)
    ]


@pytest.mark.parametrize(("zone", "interval", "start", "end"), SPANS)
async def test_a_user_is_what_its_events_say(
    database_url: str, zone: str, interval: Interval, start: str, end: str
) -> None:
    """Figures, points, types, models and endpoints of a user are those of its events in the range; first and last seen
    and the number of activities are of all time; a user whom no event names is None."""
    database = await opened(database_url, zone, EVENTS)
    covered = await points(database.days, interval, start, end)
    async with database.read() as connection:
        found = await user(connection, "default", database.days, covered, "u1")
        assert await user(connection, "default", database.days, covered, "nobody") is None
        assert await user(connection, "other", database.days, covered, "u1") is None
    days = database.days
    await database.close()
    assert found is not None
    logins, written, called = (pick(days, covered, kind, user_id="u1") for kind in ("activity", "message", "api_usage"))
    assert all((logins, written, called))
    all_of = [fields for fields in EVENTS if fields.get("user_id") == "u1"]
    assert (found["first_seen"], found["last_seen"]) == (
        min(fields["timestamp"] for fields in all_of),
        max(fields["timestamp"] for fields in all_of),
    )
    assert found["activity_count"] == sum(fields["type"] == "activity" for fields in all_of)
    sums, api = messages(written), calls(called)
    assert {name: value for name, value in found["figures"].items() if name != "conversations"} == {
        "activities": len(logins),
        "messages": sums["message_count"],
        "tokens": sums["total_tokens"],
        "api_calls": api["count"],
        "api_errors": api["error_count"],
        "avg_response_time": sums["avg_response_time"],
        "avg_api_response_time": api["avg_response_time"],
    }
    for name, events in (("activities", logins), ("messages", written), ("api_calls", called)):
        assert found["metrics"][name] == by_point(days, covered, events)
    assert found["metrics"]["api_errors"] == by_point(
        days, covered, [fields for fields in called if fields["status_code"] >= 500]
    )
    assert sum(found["metrics"]["tokens"]) == sums["total_tokens"]
    assert found["activity_types"] == [{"activity_type": "login", "count": len(logins)}]
    assert same(found["models"], ranked(written, "model_used", messages), "message_count")
    assert same(found["endpoints"], ranked(called, "endpoint", calls), "count")
    assert found["kept_from"] is None


async def test_a_users_conversations_are_those_of_the_list(database_url: str) -> None:
    """A user's conversations in a range are as many as the list has that the user owns, where they were created."""
    from storage.read.reports import Page, conversations

    database = await opened(database_url, "UTC", EVENTS)
    covered = await points(database.days, "day", "2026-03-06T00:00:00.000Z", "2026-03-11T00:00:00.000Z")
    total = 0
    async with database.read() as connection:
        for number in range(8):
            found = await user(connection, "default", database.days, covered, f"u{number}")
            listed = await conversations(connection, "default", Page(100), f"u{number}")
            assert found is not None
            days = [item["created_at"][:10] for item in listed.items]
            assert found["metrics"]["conversations"] == [days.count(day) for day in covered.keys]
            total += found["figures"]["conversations"]
    await database.close()
    assert total == 20


async def test_a_conversation_is_what_its_messages_say(database_url: str) -> None:
    """Totals, models, authors and times of each conversation are those of its messages; one that no event names is
    None."""
    database = await opened(database_url, "UTC", EVENTS)
    async with database.read() as connection:
        for number in range(20):
            name = f"c{number}"
            ours = [fields for fields in EVENTS if fields.get("conversation_id") == name]
            written = [fields for fields in ours if fields["type"] == "message"]
            found = await conversation(connection, "default", name)
            assert found is not None
            assert {key: found[key] for key in messages(written)} == messages(written)
            assert found["kept_messages"] == len(written)
            ends = [fields["timestamp"] for fields in ours if fields.get("action") == "deleted"]
            assert (found["status"], found["deleted_at"]) == (("deleted", min(ends)) if ends else ("active", None))
            times = [fields["timestamp"] for fields in written]
            ends_of = (min(times, default=None), max(times, default=None))
            assert (found["first_message_at"], found["last_message_at"]) == ends_of
            assert same(found["models"], ranked(written, "model_used", messages), "message_count")
            named = [{**item, "username": item["user_id"]} for item in ranked(written, "user_id", messages)]
            assert same(found["authors"], named, "message_count")
        assert await conversation(connection, "default", "nothing") is None
        assert await conversation(connection, "other", "c1") is None
    await database.close()


@pytest.mark.parametrize(("zone", "interval", "start", "end"), SPANS)
async def test_an_endpoint_is_what_its_calls_say(
    database_url: str, zone: str, interval: Interval, start: str, end: str
) -> None:
    """Figures, points, statuses, methods and users of an endpoint are those of its calls; one that was never called has
    zeros."""
    database = await opened(database_url, zone, EVENTS)
    covered = await points(database.days, interval, start, end)
    async with database.read() as connection:
        found = await endpoint(connection, "default", database.days, covered, "/1")
        unknown = await endpoint(connection, "default", database.days, covered, "/unknown")
    days = database.days
    await database.close()
    called = pick(days, covered, "api_usage", endpoint="/1")
    assert found["figures"] == calls(called)
    assert found["metrics"]["api_calls"] == by_point(days, covered, called)
    assert same(found["status_codes"], ranked(called, "status_code", calls), "count")
    assert same(found["methods"], ranked(called, "method", calls), "count")
    of_users = [{**item, "username": item["user_id"]} for item in ranked(called, "user_id", calls) if item["user_id"]]
    assert same(found["users"], of_users, "count")
    assert unknown["figures"] == {"count": 0, "error_count": 0, "avg_response_time": None}
    assert set(unknown["metrics"]["api_response_time"]) == {None}


async def test_an_endpoint_beyond_the_bound_is_counted(database_url: str) -> None:
    """An endpoint that has no row of its own in the rollup of a day has the figures of its calls all the same."""
    crowd = [
        {
            "type": "api_usage",
            "endpoint": f"/{number}",
            "method": "GET",
            "status_code": 200,
            "response_time": 0.5,
            "timestamp": "2026-03-01T10:00:00.000Z",
        }
        for number in range(ENDPOINTS + 2)
    ]
    database = await opened(database_url, "UTC", crowd)
    covered = await points(database.days, "day", "2026-03-01T00:00:00.000Z", "2026-03-02T00:00:00.000Z")
    async with database.read() as connection:
        for name in ("/0", f"/{ENDPOINTS + 1}"):
            found = await endpoint(connection, "default", database.days, covered, name)
            assert found["figures"] == {"count": 1, "error_count": 0, "avg_response_time": 0.5}
    await database.close()


@pytest.mark.parametrize(("zone", "interval", "start", "end"), SPANS)
async def test_a_model_is_what_its_messages_say(
    database_url: str, zone: str, interval: Interval, start: str, end: str
) -> None:
    """Figures, points and users of a model are those of its messages; one that was never used has zeros."""
    database = await opened(database_url, zone, EVENTS)
    covered = await points(database.days, interval, start, end)
    async with database.read() as connection:
        found = await model(connection, "default", database.days, covered, "small")
        unknown = await model(connection, "default", database.days, covered, "unknown")
    days = database.days
    await database.close()
    written = pick(days, covered, "message", model_used="small")
    sums = messages(written)
    assert found["figures"] == {
        "messages": sums["message_count"],
        "tokens": sums["total_tokens"],
        "avg_response_time": sums["avg_response_time"],
    }
    assert found["metrics"]["messages"] == by_point(days, covered, written)
    named = [{**item, "username": item["user_id"]} for item in ranked(written, "user_id", messages)]
    assert same(found["users"], named, "message_count")
    assert unknown["figures"] == {"messages": 0, "tokens": 0, "avg_response_time": None}


async def test_a_model_beyond_the_bound_is_counted(database_url: str) -> None:
    """A model that has no counters of its own has the figures of its messages all the same."""
    crowd = [
        {
            "type": "message",
            "message_id": f"m{number}",
            "conversation_id": "c",
            "user_id": "u",
            "role": "assistant",
            "token_count": 3,
            "model_used": f"model-{number}",
            "timestamp": "2026-03-01T10:00:00.000Z",
        }
        for number in range(LABELS + 2)
    ]
    database = await opened(database_url, "UTC", crowd)
    covered = await points(database.days, "hour", "2026-03-01T10:00:00.000Z", "2026-03-01T12:00:00.000Z")
    async with database.read() as connection:
        for name in ("model-0", f"model-{LABELS + 1}"):
            found = await model(connection, "default", database.days, covered, name)
            assert (found["metrics"]["messages"], found["metrics"]["tokens"]) == ([1, 0], [3, 0])
    await database.close()


async def test_removed_rows_are_told(database_url: str) -> None:
    """After rows were removed, what is counted from rows says from when on they are kept; what a rollup has stays."""
    database = await opened(database_url, "UTC", EVENTS)
    covered = await points(database.days, "day", "2026-03-06T00:00:00.000Z", "2026-03-11T00:00:00.000Z")
    before = await _endpoint(database, covered)
    await prune(Steps(database, 100, rest=0), "default", Cutoffs.at("2026-03-08T00:00"))
    after = await _endpoint(database, covered)
    assert (before["kept_from"], after["kept_from"]) == (None, "2026-03-08T00:00:00.000Z")
    assert after["figures"] == before["figures"]
    assert sum(item["count"] for item in after["status_codes"]) < before["figures"]["count"]
    async with database.read() as connection:
        talk = await conversation(connection, "default", "c1")
        late = await points(database.days, "day", "2026-03-09T00:00:00.000Z", "2026-03-11T00:00:00.000Z")
        assert (await endpoint(connection, "default", database.days, late, "/1"))["kept_from"] is None
    assert talk is not None
    assert talk["kept_messages"] < talk["message_count"]
    await database.close()


async def _endpoint(database: Database, covered: Points) -> Json:
    async with database.read() as connection:
        return await endpoint(connection, "default", database.days, covered, "/1")


async def test_an_erased_user_is_nowhere(database_url: str) -> None:
    """After an erasure there is no such user, and no report about anything else names the user."""
    database = await opened(database_url, "UTC", EVENTS)
    covered = await points(database.days, "day", "2026-03-06T00:00:00.000Z", "2026-03-11T00:00:00.000Z")
    await forget(Steps(database, 100, rest=0), "default", "u1")
    async with database.read() as connection:
        assert await user(connection, "default", database.days, covered, "u1") is None
        for name in ("/0", "/1", "/2"):
            assert "'u1'" not in repr(await endpoint(connection, "default", database.days, covered, name))
        assert "'u1'" not in repr(await model(connection, "default", database.days, covered, "small"))
        for number in range(20):
            assert "'u1'" not in repr(await conversation(connection, "default", f"c{number}"))
    await database.close()
