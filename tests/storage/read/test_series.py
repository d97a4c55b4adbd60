"""Series: every point is what a count of the raw events gives."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from storage.engine.database import Database
from storage.model import clock
from storage.model.clock import Days
from storage.model.metrics import mean_seconds
from storage.read.series import METRICS, Column, Interval, measure, points, read_series
from tests.samples.history import BEGIN, Json, made_up
from tests.storage.databases import opened

pytestmark = pytest.mark.each_database

ZONES = ["UTC", "Asia/Kolkata", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo"]


async def read(database: Database, interval: Interval, start: str, end: str) -> tuple[list[str], dict[str, Column]]:
    covered = await points(database.days, interval, start, end)
    async with database.read() as connection:
        return covered.starts, await read_series(connection, "default", database.days, METRICS, covered)


def recount(events: list[Json], days: Days, starts: list[str], end: str) -> dict[str, list[Any]]:
    """The same from the events themselves, point by point."""
    conversations: dict[str, str] = {}
    for wanted in ("created", "message", "llm_call", "deleted", "llm_call without a user"):
        for fields in sorted(events, key=lambda fields: fields["timestamp"]):
            if fields.get("conversation_id") is not None and _founding(fields) == wanted:
                conversations.setdefault(fields["conversation_id"], fields["timestamp"])
    users = _first(events, lambda fields, user: user)
    active = _first(events, lambda fields, user: (days.of(fields["timestamp"]), user))
    columns: dict[str, list[Any]] = {}
    for begin, until in zip(starts, [*starts[1:], end], strict=True):
        day = days.of(clock.text(clock.moment(until) - timedelta(milliseconds=1)))
        within = [fields for fields in events if begin <= fields["timestamp"] < until]
        so_far = [fields for fields in events if fields["timestamp"] < until]
        point = {
            **_amounts(within),
            "users": sum(begin <= at < until for at in users.values()),
            "conversations": sum(begin <= at < until for at in conversations.values()),
            "active_users": len({fields["user_id"] for fields in within if fields.get("user_id") is not None}),
            "total_users": sum(at < until for at in users.values()),
            "total_conversations": sum(at < until for at in conversations.values()),
            "active_users_today": sum(at < until for (of, _), at in active.items() if of == day),
            **{f"total_{name}": _amounts(so_far)[name] for name in ("messages", "tokens", "activities", "api_calls")},
            "total_api_errors": _amounts(so_far)["api_errors"],
            "avg_response_time": _amounts(so_far)["response_time"],
            "avg_api_response_time": _amounts(so_far)["api_response_time"],
            "total_llm_calls": _amounts(so_far)["llm_calls"],
            "failed_llm_calls": _amounts(so_far)["llm_errors"],
            "unpriced_llm_calls": _amounts(so_far)["unpriced_calls"],
            "total_cost": _amounts(so_far)["llm_cost"],
            **{
                f"total_{name}": _amounts(so_far)[name]
                for name in (*TOKENS, "unpriced_tokens")
                if f"total_{name}" in METRICS
            },
            "avg_llm_response_time": _amounts(so_far)["llm_response_time"],
            "avg_time_to_first_token": _amounts(so_far)["time_to_first_token"],
            "avg_tokens_per_second": _amounts(so_far)["tokens_per_second"],
        }
        for name, value in point.items():
            columns.setdefault(name, []).append(value)
    return {name: column for name, column in columns.items() if not name.startswith("model_") or any(column)}


TOKENS = ("input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")


def _founding(fields: Json) -> str:
    if fields["type"] == "llm_call" and fields["user_id"] is None:
        return "llm_call without a user"
    return str(fields.get("action", fields["type"]))


def _of_llm_calls(events: list[Json]) -> dict[str, Any]:
    calls = [fields for fields in events if fields["type"] == "llm_call"]
    took = [round(call["response_time"] * 1e6) for call in calls if call["response_time"] is not None]
    begun = [round(call["time_to_first_token"] * 1e6) for call in calls if call["time_to_first_token"] is not None]
    rated = [call for call in calls if call["response_time"] is not None and call["output_tokens"] is not None]
    tokens, us = sum(call["output_tokens"] for call in rated), sum(round(call["response_time"] * 1e6) for call in rated)
    unpriced = [call for call in calls if call["cost"] is None]
    cost = sum((Decimal(call["cost"] or 0) for call in calls), Decimal(0))
    return {
        "llm_calls": len(calls),
        "llm_errors": sum(call["error_type"] is not None for call in calls),
        **{name: sum(call[name] or 0 for call in calls) for name in TOKENS},
        "llm_cost": format(cost.normalize(), "f"),
        "unpriced_calls": len(unpriced),
        "unpriced_tokens": sum((call["input_tokens"] or 0) + (call["output_tokens"] or 0) for call in unpriced),
        "llm_responses": len(took),
        "llm_response_time_us": sum(took),
        "llm_response_time": mean_seconds(sum(took), len(took)),
        "first_tokens": len(begun),
        "time_to_first_token_us": sum(begun),
        "time_to_first_token": mean_seconds(sum(begun), len(begun)),
        "timed_output_tokens": tokens,
        "timed_output_us": us,
        "tokens_per_second": round(tokens * 1e6 / us, 3) if us else None,
    }


def _without_price(fields: Json) -> Json:
    """Let an LLM call be of a provider of which no price is known."""
    return {**fields, "provider": "own"} if fields["type"] == "llm_call" else fields


def _first(events: list[Json], key: Callable[[Json, str], Any]) -> dict[Any, str]:
    """The earliest time of each key among the events that have a user."""
    found: dict[Any, str] = {}
    for fields in sorted(events, key=lambda fields: fields["timestamp"]):
        if fields.get("user_id") is not None:
            found.setdefault(key(fields, fields["user_id"]), fields["timestamp"])
    return found


def _amounts(events: list[Json]) -> dict[str, Any]:
    messages = [fields for fields in events if fields["type"] == "message"]
    calls = [fields for fields in events if fields["type"] == "api_usage"]
    timed = [round(fields["response_time"] * 1e6) for fields in messages if fields["response_time"] is not None]
    took = [round(fields["response_time"] * 1e6) for fields in calls]
    amounts: dict[str, Any] = {
        "activities": sum(fields["type"] == "activity" for fields in events),
        "messages": len(messages),
        "tokens": sum(fields["token_count"] for fields in messages),
        "responses": len(timed),
        "response_time_us": sum(timed),
        "api_calls": len(calls),
        "api_errors": sum(fields["status_code"] >= 500 for fields in calls),
        "api_response_time_us": sum(took),
        "response_time": mean_seconds(sum(timed), len(timed)),
        "api_response_time": mean_seconds(sum(took), len(took)),
        **_of_llm_calls(events),
    }
    for model in ("small", "large"):
        used = [fields["token_count"] for fields in messages if fields["model_used"] == model]
        amounts[f"model_messages:{model}"], amounts[f"model_tokens:{model}"] = len(used), sum(used)
    return amounts


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize(
    ("interval", "start", "end"),
    [
        ("minute", "2026-03-08T03:07:00.000Z", "2026-03-08T09:00:00.000Z"),
        ("hour", "2026-03-07T11:00:00.000Z", "2026-03-09T20:00:00.000Z"),
        ("day", "2026-03-05T18:30:00.000Z", "2026-03-11T12:00:00.000Z"),
    ],
)
async def test_points_are_what_the_events_say(
    database_url: str, zone: str, interval: Interval, start: str, end: str
) -> None:
    """Every metric, at every point of every interval, is the one counted from the events; in whatever zone."""
    events = [_without_price(fields) for fields in made_up(seed=7)]
    database = await opened(database_url, zone, events)
    starts, columns = await read(database, interval, start, end)
    await database.close()
    days = database.days
    past = days.start(days.shift(days.last_before(end), 1)) if interval == "day" else end
    assert columns == recount(events, days, starts, past)


async def test_points_begin_with_the_one_that_holds_the_start() -> None:
    """A range is cut to whole points, also where clocks jump at midnight: the last one holds its last moment."""
    days = Days("Europe/Berlin")
    hours = await points(days, "hour", "2026-03-01T10:59:59.999Z", "2026-03-01T12:00:00.000Z")
    assert hours.starts == ["2026-03-01T10:00:00.000Z", "2026-03-01T11:00:00.000Z"]
    cairo = Days("Africa/Cairo")
    nights = await points(cairo, "day", cairo.start("2026-04-22"), cairo.start("2026-04-24"))
    assert nights.keys == ["2026-04-22", "2026-04-23"]
    local = await points(days, "day", "2026-03-28T23:30:00.000Z", "2026-03-29T22:00:00.001Z")
    assert local.keys == ["2026-03-29", "2026-03-30"]
    assert local.starts == ["2026-03-28T23:00:00.000Z", "2026-03-29T22:00:00.000Z"]


@pytest.mark.parametrize("interval", ["minute", "hour", "day"])
async def test_the_number_of_points_is_known_before(interval: Interval) -> None:
    """What a range costs is known without making its points, two more at the most."""
    for seconds in (0, 1, 59, 3600, 90_061, 400_000):
        end = clock.text(BEGIN + timedelta(seconds=seconds))
        made = len((await points(Days("UTC"), interval, clock.text(BEGIN), end)).keys)
        assert made <= measure(interval, clock.text(BEGIN), end) <= made + 2
