"""Receivers that fail, hang, redirect, or want no more: attempts, their log, and sending again."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from storage.model import clock
from tests.receivers.webhooks import Receiver
from tests.servers.service import Running, start
from tests.web.alerts.scene import BUDGET, history, put_rule, put_webhook, send, spend
from web.alerts import sender, webhook

pytestmark = pytest.mark.each_database

WAITS = [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400]


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds by which the clock of the service is ahead; it begins early in a month, which does not end meanwhile."""
    ahead, real = [datetime(2030, 1, 5, tzinfo=UTC).timestamp() - clock.unix()], clock.unix
    monkeypatch.setattr(clock, "unix", lambda: real() + ahead[0])
    monkeypatch.setattr(sender, "LOOK_SECONDS", 0.05)
    return ahead


async def delivery(running: Running, **wanted: Any) -> dict[str, Any]:
    """Wait until the delivery of the only transition is as wanted."""
    async with asyncio.timeout(30):
        while True:
            (item,) = await history(running)
            (found,) = item["deliveries"]
            if found | wanted == found:
                return dict(found)
            await asyncio.sleep(0.02)


async def fire(running: Running, hook: Receiver) -> None:
    await put_webhook(running, hook)
    await put_rule(running, "u7", **BUDGET, levels=[100], targets=["hook"])
    await spend(running, "1")


async def test_a_receiver_that_fails_is_tried_for_three_days(
    alerting: Running, hook: Receiver, later: list[float]
) -> None:
    """After each failure there is another attempt, at the intervals of the specification, with the same id and body;
    after three days there is none. Sent again, it keeps its id."""
    hook.statuses = [500]
    await fire(alerting, hook)
    for attempt, wait in enumerate(WAITS, 1):
        found = await delivery(alerting, attempts=attempt, status="waiting")
        assert found["error"] == "answered 500"
        seconds = (clock.moment(found["due_at"]) - clock.moment(found["last_at"])).total_seconds()
        assert wait <= seconds <= 1.1 * wait + 0.001
        later[0] += 1.1 * wait + 1
    found = await delivery(alerting, attempts=10, status="failed")
    assert len({(item.id, item.body) for item in await hook.until(10)}) == 1
    later[0] += 10 * 86_400
    hook.statuses = [200]
    assert (await send(alerting, "POST", f"deliveries/{found['id']}/attempts", "acme")).status_code == 404
    assert (await send(alerting, "POST", f"deliveries/{found['id']}/attempts")).status_code == 202
    await delivery(alerting, status="delivered", error=None)
    assert len({item.id for item in await hook.until(11)}) == 1


async def test_a_receiver_that_hangs_holds_no_other_up(
    alerting: Running, hook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A receiver that does not answer is given up after the time of an attempt."""
    monkeypatch.setattr(webhook, "SECONDS", 0.2)
    hook.answers.clear()
    await fire(alerting, hook)
    found = await delivery(alerting, attempts=1)
    assert (found["status"], found["error"]) == ("waiting", "no answer within 0.2 s")


async def test_redirects_are_not_followed(alerting: Running, hook: Receiver) -> None:
    """A redirect is a failure: where it leads to gets nothing."""
    hook.statuses, hook.headers = [307], {"location": f"http://127.0.0.1:{hook.port}/other"}
    await fire(alerting, hook)
    found = await delivery(alerting, attempts=1)
    assert found["error"] == "answered 307: redirects are not followed"
    assert [item.path for item in hook.received] == ["/hook"]


async def test_a_receiver_that_is_gone_gets_nothing_more(alerting: Running, hook: Receiver) -> None:
    """After 410 there is no further attempt and no further message, until the target is set again."""
    hook.statuses = [410]
    await fire(alerting, hook)
    await delivery(alerting, status="gone")
    (target,) = (await send(alerting, "GET", "targets")).json()["items"]
    assert target["ended_at"] is not None
    await put_rule(alerting, "all", name="All", kind="budget", window="month", limit="1", targets=["hook"])
    assert all(not item["deliveries"] for item in (await history(alerting))[1:])
    assert len(hook.received) == 1
    await put_webhook(alerting, hook)
    (target,) = (await send(alerting, "GET", "targets")).json()["items"]
    assert target["ended_at"] is None


async def test_a_receiver_says_when_to_come_back(alerting: Running, hook: Receiver) -> None:
    """A Retry-After of a receiver that is overloaded is kept to."""
    hook.statuses, hook.headers = [429], {"retry-after": "1000"}
    await fire(alerting, hook)
    found = await delivery(alerting, attempts=1)
    assert clock.moment(found["due_at"]) - clock.moment(found["last_at"]) >= timedelta(seconds=1000)


async def test_a_message_that_a_stopped_process_left_is_sent(tmp_path: Path, database_url: str, hook: Receiver) -> None:
    """A message that was committed but not sent when the process ended is sent by the next one."""
    settings: Any = {"DATABASE_URL": database_url, "ALERTS_NETWORKS": "127.0.0.0/8", "ALERTS_SECRET": "s"}
    first = await start(tmp_path, **settings)
    await first.service.alerts.sender.stop()
    await fire(first, hook)
    assert hook.received == []
    await first.drop()
    second = await start(tmp_path, **settings)
    (received,) = await hook.until(1)
    assert received.verify()["data"]["level"] == 100
    await second.drop()


async def test_the_sender_ends_while_it_is_woken(alerting: Running) -> None:
    """The sender ends also if a message is committed at the very moment at which it is to end."""
    sender = alerting.service.alerts.sender
    for _ in range(5):
        # It has looked by then, and waits.
        await asyncio.sleep(0.1)
        sender.wake()
        async with asyncio.timeout(10):
            await sender.stop()
        sender.start()
