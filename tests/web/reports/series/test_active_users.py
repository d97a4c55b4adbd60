"""The endpoint of distinct users."""

import pytest

from tests.paths import API
from tests.samples.events import ACTIVITY
from tests.servers.service import Running

pytestmark = pytest.mark.each_database


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
