"""The endpoints of charts: series, and the distinct users of a range."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from storage.model import clock
from storage.read.series import METRICS
from tests.paths import API
from tests.samples.events import ACTIVITY, MESSAGE
from tests.servers.service import Running

pytestmark = pytest.mark.each_database


def at(**ago: float) -> str:
    return clock.text(datetime.now(UTC) - timedelta(**ago))


async def test_a_chart_has_every_point(running: Running) -> None:
    """A range has a point for each interval, in order, with 0 or null where nothing happened."""
    await running.post("message-public", {**MESSAGE, "timestamp": "2026-03-01T10:30:00Z", "response_time": 0.25})
    series = await running.get(
        "series",
        metrics="messages,response_time,total_messages,model_messages",
        interval="hour",
        **{"from": "2026-03-01T09:10:00Z", "to": "2026-03-01T12:00:00Z"},
    )
    assert series["start"] == [f"2026-03-01T{hour:02d}:00:00.000Z" for hour in (9, 10, 11)]
    assert (series["interval"], series["timezone"]) == ("hour", "UTC")
    assert series["metrics"]["messages"] == [0, 1, 0]
    assert series["metrics"]["response_time"] == [None, 0.25, None]
    assert series["metrics"]["total_messages"] == [0, 1, 1]
    assert series["position"] == (await running.get("summary"))["position"]


async def test_the_last_point_is_what_the_summary_says(running: Running) -> None:
    """Every figure stands at its newest point as it stands in the summary, at every interval."""
    for ago in (50, 3, 0):
        await running.post("activity-public", {**ACTIVITY, "user_id": f"u{ago}", "timestamp": at(hours=ago)})
    await running.post("message-public", {**MESSAGE, "response_time": 0.25})
    summary = await running.get("summary")
    for interval in ("minute", "hour", "day"):
        series = await running.get("series", metrics=",".join(METRICS), interval=interval)
        standing = {name: series["metrics"][name][-1] for name in summary if name in series["metrics"]}
        assert len(standing) == 22
        assert standing == {name: summary[name] for name in standing}


async def test_the_live_minutes_are_those_of_the_chart(running: Running) -> None:
    """The minutes that a panel is pushed are the points that the endpoint gives."""
    panel = await running.panel()
    for ago in (2, 1, 0):
        receipt = await running.post("activity-public", {**ACTIVITY, "timestamp": at(minutes=ago)})
    await panel.until_position(receipt["position"])
    series = await running.get("series", metrics="activities,users", interval="minute")
    for name, column in series["metrics"].items():
        shown = {minute["start"]: minute.get(name, 0) for minute in panel.state.series}
        assert [shown.get(start, 0) for start in series["start"]] == column


async def test_a_chart_of_now_is_not_kept(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """A chart that ends now is a 304 within its minute, and a new answer in the next one, though nothing came."""
    now = clock.unix() // 60 * 60 + 5
    monkeypatch.setattr(clock, "unix", lambda: now)
    first = await running.http.get(f"{API}/series?metrics=messages", headers=running.admin())
    again = {**running.admin(), "If-None-Match": first.headers["etag"]}
    assert (await running.http.get(f"{API}/series?metrics=messages", headers=again)).status_code == 304
    monkeypatch.setattr(clock, "unix", lambda: now + 60)
    assert (await running.http.get(f"{API}/series?metrics=messages", headers=again)).status_code == 200


@pytest.mark.no_database
@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("", "metrics"),
        ("metrics=", "metrics"),
        ("metrics=messages,deleted_conversations", "metrics"),
        ("metrics=messages&interval=week", "interval"),
        ("metrics=messages&interval=minute&from=2026-01-01", "interval"),
        ("metrics=active_users&interval=minute&from=2026-03-01&to=2026-03-04", "interval"),
        ("metrics=messages&from=2026-03-01&to=2026-03-01", "to"),
        ("metrics=messages&from=2026-03-02&to=2026-03-01", "to"),
        ("metrics=messages&from=yesterday", "from"),
    ],
)
async def test_what_makes_no_chart_is_refused(running: Running, query: str, field: str) -> None:
    """A query that cannot be served is a 422 that names the field and says what it takes."""
    answer = await running.http.get(f"{API}/series?{query}", headers=running.admin())
    assert answer.status_code == 422
    problem: dict[str, Any] = answer.json()
    assert problem["field"] == field


async def test_charts_are_of_one_tenant(running: Running) -> None:
    """A tenant's charts hold nothing of another's, and no model of another's."""
    await running.post("message-public", {**MESSAGE, "model_used": "theirs"}, key="acme-key-0123456789")
    own = await running.get("series", metrics="messages,model_messages,total_users")
    theirs = await running.get("series", "acme", metrics="messages,model_messages,total_users")
    assert own["metrics"].keys() == {"messages", "total_users"}
    assert not any(own["metrics"]["messages"] + own["metrics"]["total_users"])
    assert theirs["metrics"]["model_messages:theirs"][-1] == 1


async def test_a_user_of_several_days_counts_once(running: Running) -> None:
    """The active users of a range are distinct ones: not the sum of its days, nor of its hours, of which each counts a
    user that was active in it, at midnight no more than at noon.
    """
    hours = [f"2026-03-0{day}T{hour:02d}" for day in (1, 2, 3) for hour in (0, 11, 23)]
    for hour in hours:
        for user in ("ada", "bob"):
            await running.post("activity-public", {**ACTIVITY, "user_id": user, "timestamp": f"{hour}:30:00Z"})
    await running.post("activity-public", {**ACTIVITY, "user_id": "cyd", "timestamp": "2026-03-02T11:45:00Z"})
    span = {"from": "2026-03-01", "to": "2026-03-04"}
    found = await running.get("active-users", **span)
    assert found["active_users"] == 3
    assert (found["from"], found["to"]) == ("2026-03-01T00:00:00.000Z", "2026-03-04T00:00:00.000Z")
    assert found["timezone"] == "UTC"
    assert found["position"] == (await running.get("summary"))["position"]
    by_day = await running.get("series", metrics="active_users", interval="day", **span)
    assert by_day["metrics"]["active_users"] == [2, 3, 2]
    by_hour = await running.get("series", metrics="active_users", interval="hour", **span)
    points = dict(zip(by_hour["start"], by_hour["metrics"]["active_users"], strict=True))
    assert {start[:13]: users for start, users in points.items() if users} == {
        hour: 3 if hour == "2026-03-02T11" else 2 for hour in hours
    }
    within = {"from": "2026-03-01T23:00:00Z", "to": "2026-03-02T11:40:00Z"}
    assert (await running.get("active-users", **within))["active_users"] == 2
    theirs = await running.get("active-users", "acme", **span)
    assert theirs["active_users"] == 0


async def test_a_range_ends_now_unless_it_says(running: Running) -> None:
    """Without an end a range ends now; one of all time is that of all users."""
    await running.post("activity-public", ACTIVITY)
    assert (await running.get("active-users", **{"from": "2026-01-01"}))["active_users"] == 1
    assert (await running.get("active-users", **{"from": "1970-01-01", "to": "2090-01-01"}))["active_users"] == 1
    assert (await running.get("active-users", **{"from": "2080-01-01", "to": "2090-01-01"}))["active_users"] == 0


@pytest.mark.no_database
@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("", "from"),
        ("to=2026-03-01", "from"),
        ("from=2026-03-01&to=2026-03-01", "to"),
        ("from=2026-03-02&to=2026-03-01", "to"),
        ("from=2080-01-01", "to"),
        ("from=yesterday", "from"),
    ],
)
async def test_what_makes_no_range_is_refused(running: Running, query: str, field: str) -> None:
    """A range that is none is a 422 that names the field."""
    answer = await running.http.get(f"{API}/active-users?{query}", headers=running.admin())
    assert (answer.status_code, answer.json()["field"]) == (422, field)
