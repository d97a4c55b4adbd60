"""What a rule about what is unusual would have fired, and what is sent of one that fires, over the real service."""

import random
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from storage.alerts.due import tenants
from storage.model import clock
from storage.retention.steps import Steps
from tests.paths import TRACK
from tests.receivers.webhooks import Receiver
from tests.servers.service import Running
from tests.web.alerts.scene import put_rule, put_webhook, send, states
from web.alerts.clock import AlertClock

pytestmark = pytest.mark.each_database

BEGIN = datetime(2026, 3, 20, 10, 30, tzinfo=UTC)
DAYS, BATCH = 16, 400
SPIKE_HOURS_AGO, SPIKE = 30, 60
MESSAGE = {"type": "message", "conversation_id": "c", "user_id": "u", "role": "user", "token_count": 1}


@pytest.fixture(autouse=True)
def half_past(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the service's clock begin in the middle of an hour, so that none ends during a test."""
    begun = time.time()
    monkeypatch.setattr(clock, "unix", lambda: BEGIN.timestamp() + time.time() - begun)


def this_hour() -> datetime:
    return BEGIN.replace(minute=0)


async def post(running: Running, hours: dict[datetime, int]) -> None:
    times = [hour + timedelta(milliseconds=number) for hour, count in hours.items() for number in range(count)]
    for first in range(0, len(times), BATCH):
        events = [
            {**MESSAGE, "message_id": f"{first}-{at.isoformat()}", "timestamp": at.isoformat()}
            for at in times[first : first + BATCH]
        ]
        answer = await running.http.post(f"{TRACK}/batch", json=events)
        assert answer.status_code in (200, 201), answer.text


async def usual(running: Running) -> None:
    """Make days of usual traffic, with one hour that is not."""
    draw = random.Random(2)
    hours = {this_hour() - timedelta(hours=ago): draw.randrange(3, 6) for ago in range(DAYS * 24, 0, -1)}
    hours[this_hour() - timedelta(hours=SPIKE_HOURS_AGO)] = SPIKE
    await post(running, hours)


def start_of(hour: datetime) -> str:
    return f"{hour.isoformat()[:19]}.000Z"


async def test_the_past_has_the_spike_and_says_why(alerting: Running) -> None:
    """An admin is told which hours would have been alarms, what the hours like them had, and since when they can be."""
    await usual(alerting)
    spike = this_hour() - timedelta(hours=SPIKE_HOURS_AGO)
    past = await alerting.get("alerts/past", figure="messages", false_alarms_a_month=5, days=30)
    assert past["items"] == [
        {
            "at": start_of(spike),
            "value": str(SPIKE),
            "direction": "up",
            "usual": {"least": "3", "greatest": "5", "hours": 42},
            "until": start_of(spike + timedelta(hours=1)),
        }
    ]
    first = this_hour() - timedelta(hours=DAYS * 24)
    assert start_of(first + timedelta(days=10)) < past["since"] < start_of(first + timedelta(days=12))
    assert (await alerting.get("alerts/past", figure="messages", days=1))["items"] == []
    assert await alerting.get("alerts/past", "acme", figure="messages") == {"items": [], "since": None}
    assert (await alerting.get("alerts/past", figure="api_errors"))["items"] == []
    assert (await alerting.get("alerts/past", figure="messages", false_alarms_a_month=1)) == {
        "items": [],
        "since": None,
    }


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({}, "figure"),
        ({"figure": "happiness"}, "figure"),
        ({"figure": "api_error_rate"}, "figure"),
        ({"figure": "messages", "days": "91"}, "days"),
        ({"figure": "messages", "false_alarms_a_month": "0"}, "false_alarms_a_month"),
    ],
)
async def test_a_wrong_question_is_refused(alerting: Running, asked: dict[str, str], field: str) -> None:
    """What cannot be asked is refused with 422, by its name."""
    answer = await send(alerting, "GET", "past", params=asked)
    assert (answer.status_code, answer.json()["field"]) == (422, field)


async def test_a_webhook_is_told_why(alerting: Running, hook: Receiver) -> None:
    """A webhook has the figure of the hour and what the hours like it had, as data and as a sentence."""
    await usual(alerting)
    hour = this_hour()
    await post(alerting, {hour: SPIKE})
    await put_webhook(alerting, hook)
    await put_rule(alerting, "r", name="Messages", kind="unusual", figure="messages", targets=["hook"])
    database = alerting.service.database
    await AlertClock(database, Steps(database, 1000, lambda _: None, rest=0), lambda: None)._look(
        "default", await of_rules(database)
    )
    received = (await hook.until(1))[0].document
    assert received["type"] == "alert.firing"
    data = received["data"]
    assert (data["kind"], data["value"], data["usual"]["greatest"]) == ("unusual", str(SPIKE), "5")
    assert data["reason"].startswith(f"messages: {SPIKE} in the hour from ")
    assert await states(alerting, "r") == {None: "firing"}


async def of_rules(database: Any) -> int:
    async with database.read() as connection:
        return int((await connection.run_sync(tenants))["default"])
