"""Messages that apprise sends, to a real receiver."""

import asyncio
from typing import Any

import pytest

from tests.receivers.webhooks import Receiver
from tests.servers.service import Running
from tests.web.alerts.scene import BUDGET, history, put_rule, send, spend

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
pytest.importorskip("apprise")


async def put_target(running: Running, hook: Receiver) -> None:
    body = {"kind": "apprise", "address": f"json://127.0.0.1:{hook.port}/hook?method=POST"}
    answer = await send(running, "PUT", "targets/chat", json=body)
    assert (answer.status_code, answer.json()["address"]) == (200, "json://")


async def delivery(running: Running, **wanted: Any) -> dict[str, Any]:
    """Wait until the first delivery is as wanted."""
    async with asyncio.timeout(30):
        while True:
            for item in (await history(running))[:1]:
                if item["deliveries"][0] | wanted == item["deliveries"][0]:
                    return dict(item["deliveries"][0])
            await asyncio.sleep(0.02)


async def test_an_alert_is_sent_by_apprise(alerting: Running, hook: Receiver) -> None:
    """An alert goes out by apprise with its line as title and all that is known as text, once for each transition, and
    counts as delivered when the service has taken it."""
    await put_target(alerting, hook)
    await put_rule(alerting, "u7", **BUDGET, levels=[100], targets=["chat"])
    await spend(alerting, "1.25")
    (received,) = await hook.until(1)
    (item,) = await history(alerting)
    assert received.path.startswith("/hook")
    assert received.document["title"] == "Firing: Budget of u7 (100 %)"
    assert received.document["type"] == "warning"
    assert {"Value: 1.25", "User: u7", f"Id: {item['id']}"} <= set(received.document["message"].splitlines())
    await delivery(alerting, status="delivered", attempts=1, error=None)
    assert len(hook.received) == 1


async def test_a_group_is_one_message_of_apprise(alerting: Running, hook: Receiver) -> None:
    """A group goes out by apprise as one message with a line for each alert."""
    await put_target(alerting, hook)
    await put_rule(alerting, "u7", **BUDGET, grouped=True, targets=["chat"])
    await spend(alerting, "1")
    (received,) = await hook.until(1)
    assert received.document["title"].startswith("3 firing: Budget of u7")
    lines = {f"Firing: Budget of u7 ({level} %): 1 US dollars" for level in (50, 80, 100)}
    assert set(received.document["message"].splitlines()) == lines
    await delivery(alerting, status="delivered", attempts=1)


async def test_what_a_service_of_apprise_does_not_take_is_sent_again(alerting: Running, hook: Receiver) -> None:
    """What a service of apprise answers with an error waits for its next attempt, and a trial says so; so does a
    service that cannot be reached."""
    hook.statuses = [500]
    await put_target(alerting, hook)
    await put_rule(alerting, "u7", **BUDGET, levels=[100], targets=["chat"])
    await spend(alerting, "1")
    found = await delivery(alerting, attempts=1)
    assert (found["status"], found["error"]) == ("waiting", "the service did not take it")
    tried = await send(alerting, "POST", "targets/chat/trials")
    assert tried.json() == {"delivered": False, "error": "the service did not take it"}
    hook.statuses = [200]
    assert (await send(alerting, "POST", "targets/chat/trials")).json() == {"delivered": True, "error": None}
    nowhere = {"kind": "apprise", "address": "json://127.0.0.1:1/hook"}
    await send(alerting, "PUT", "targets/chat", json=nowhere)
    assert (await send(alerting, "POST", "targets/chat/trials")).json()["delivered"] is False
