"""Messages about several transitions, for rules that ask for that."""

import asyncio
import hashlib
from typing import Any

import pytest

from storage.alerts import decide, deliveries, message
from storage.alerts.deliveries import Result
from storage.retention.erasure import forget
from storage.retention.steps import Steps
from tests.receivers.webhooks import Receiver
from tests.servers.mail import mail_server
from tests.servers.service import Running, start
from tests.web.alerts.scene import BUDGET, history, put_rule, put_webhook, send, spend
from web.alerts import sender
from web.alerts.texts import CHAT_LINES, short_text, subject, text

GROUPED: dict[str, Any] = {**BUDGET, "grouped": True, "targets": ["hook"]}


def derived(items: list[dict[str, Any]]) -> str:
    """The id of a message about transitions, as the reference says it is derived."""
    ids = "".join(sorted(item["id"] for item in items))
    return hashlib.sha256(ids.encode()).hexdigest()[:16]


async def delivered(running: Running, status: str = "delivered") -> list[dict[str, Any]]:
    """Wait until all that was sent is settled so; gives the history."""
    async with asyncio.timeout(30):
        while True:
            items = await history(running)
            found = [sent["status"] for item in items for sent in item["deliveries"]]
            if found and set(found) == {status}:
                return items
            await asyncio.sleep(0.02)


@pytest.mark.each_database
async def test_what_one_commit_crosses_is_one_message(alerting: Running, hook: Receiver) -> None:
    """What one commit finds of rules that ask for it is one signed message for each target, whose id is derived from
    those of its transitions; each is in it as it would have been sent alone. Other rules send theirs apart."""
    await put_webhook(alerting, hook)
    await put_webhook(alerting, hook, "other")
    await put_rule(alerting, "u7", **GROUPED)
    await put_rule(alerting, "all", **{**GROUPED, "user_id": None, "name": "All", "targets": ["hook", "other"]})
    await put_rule(alerting, "apart", **{**GROUPED, "levels": [100], "grouped": False})
    receipt = await spend(alerting, "1")
    received = {(item.id, item.document["type"]): item.verify() for item in await hook.until(3)}
    items = await delivered(alerting)
    of = {rule: [item for item in items if item["rule"] == rule] for rule in ("u7", "all", "apart")}
    both, alone = derived(of["u7"] + of["all"]), derived(of["all"])
    assert set(received) == {
        (both, "alert.group"),
        (alone, "alert.group"),
        (of["apart"][0]["id"], "alert.firing"),
    }
    data = received[both, "alert.group"]["data"]
    assert (data["id"], data["tenant"]) == (both, "default")
    assert data["alerts"] == sorted((item["message"] for item in of["u7"] + of["all"]), key=lambda it: it["data"]["id"])
    assert {alert["data"]["position"] for alert in data["alerts"]} == {receipt["position"]}
    assert [{sent["target"]: sent["message_id"] for sent in item["deliveries"]} for item in of["u7"] + of["all"]] == [
        {"hook": both}
    ] * 3 + [{"hook": both, "other": alone}] * 3
    await spend(alerting, "9", user_id="u8")
    assert len(hook.received) == 3


@pytest.mark.each_database
async def test_a_group_of_one_is_a_message_like_any_other(alerting: Running, hook: Receiver) -> None:
    """Where a commit finds one transition the message is the one of that transition, with its id."""
    await put_webhook(alerting, hook)
    await put_rule(alerting, "u7", **GROUPED)
    await spend(alerting, "0.5")
    (first,) = await hook.until(1)
    (item,) = await delivered(alerting)
    assert (first.id, first.document) == (item["id"], item["message"])


@pytest.mark.each_database
async def test_a_group_is_sent_again_as_a_whole(
    alerting: Running, hook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every attempt at a group has the same id and the same bytes, also one that an admin asks for of one of its
    transitions; their deliveries change together."""
    monkeypatch.setattr(deliveries, "WAITS", (0,) * 9)
    monkeypatch.setattr(sender, "LOOK_SECONDS", 0.05)
    hook.statuses = [500, 500, 200]
    await put_webhook(alerting, hook)
    await put_rule(alerting, "u7", **GROUPED)
    await spend(alerting, "1")
    await hook.until(3)
    items = await delivered(alerting)
    assert {sent["attempts"] for item in items for sent in item["deliveries"]} == {3}
    again = items[1]["deliveries"][0]["id"]
    assert (await send(alerting, "POST", f"deliveries/{again}/attempts")).status_code == 202
    received = await hook.until(4)
    assert {sent["attempts"] for item in await delivered(alerting) for sent in item["deliveries"]} == {1}
    assert len({(item.id, item.body) for item in received}) == 1


@pytest.mark.each_database
async def test_a_forgotten_user_is_in_no_group(alerting: Running, hook: Receiver) -> None:
    """A group that waits when one of its users is forgotten is sent without what names the user, with the id it has."""
    await alerting.service.alerts.sender.stop()
    await put_webhook(alerting, hook)
    await put_rule(alerting, "u7", **GROUPED)
    await put_rule(alerting, "all", **{**GROUPED, "user_id": None, "name": "All"})
    await spend(alerting, "1")
    before = derived(await history(alerting))
    await forget(Steps(alerting.service.database, 100, rest=0), "default", "u7")
    alerting.service.alerts.sender.start()
    (received,) = await hook.until(1)
    assert received.id == before
    assert {alert["data"]["rule"] for alert in received.verify()["data"]["alerts"]} == {"all"}
    assert b"u7" not in received.body


@pytest.mark.each_database
async def test_a_message_is_claimed_by_one_process(alerting: Running, hook: Receiver) -> None:
    """While one process has a group in hand no other claims any of its transitions; what it settles is all of them."""
    await alerting.service.alerts.sender.stop()
    await put_webhook(alerting, hook)
    await put_rule(alerting, "u7", **GROUPED)
    await spend(alerting, "1")
    database = alerting.service.database
    (claimed,) = await database.write(lambda connection: deliveries.claim(connection, 1, 30, ()))
    assert await database.write(lambda connection: deliveries.claim(connection, 10, 30, ())) == []
    assert await database.write(lambda connection: deliveries.settle(connection, claimed, Result(), 0))
    assert len(await delivered(alerting)) == 3
    assert not await database.write(lambda connection: deliveries.settle(connection, claimed, Result(), 0))


def test_a_group_has_a_greatest_size() -> None:
    """More transitions than a message may have are several messages, each with an id of its own."""
    ids = [f"{number:016x}" for number in range(2 * message.MAX_GROUP + 1)]
    rows = decide._grouped("default", "hook", ids, "2026-11-30T12:00:00.000Z")
    assert [row[2] for row in rows] == ids
    groups = [row[-1] for row in rows]
    assert [groups.count(found) for found in dict.fromkeys(groups)] == [message.MAX_GROUP, message.MAX_GROUP, 1]
    assert groups[-1] is None


async def test_a_group_is_one_mail(tmp_path: Any) -> None:
    """A group goes out as one e-mail, which says how many alerts there are and all that is known of each."""
    async with mail_server() as server:
        running = await start(tmp_path, SMTP_URL=server.url, MAIL_FROM="alerts@example.org", ALERTS_SECRET="s")
        await send(running, "PUT", "targets/ada", json={"kind": "email", "address": "ada@example.org"})
        await put_rule(running, "u7", **{**GROUPED, "targets": ["ada"]})
        await spend(running, "1")
        items = await delivered(running)
        (mail,) = server.messages
        assert mail["Message-ID"] == f"<{derived(items)}@example.org>"
        first = items[0]["message"]["data"]["level"]
        assert mail["Subject"] == f"3 firing: Budget of u7 ({first} %) and 2 more"
        written = mail.get_content()
        assert all(f"Firing: Budget of u7 ({level} %)" in written for level in (50, 80, 100))
        assert all(f"Id: {item['id']}" in written for item in items)
        await running.drop()


def test_a_chat_is_told_of_some() -> None:
    """What a chat gets of a large group has the first ones, a line each, and says how many more there are."""
    one = '{"type":"alert.%s","timestamp":"t","data":{"name":"%s","value":"3","unit":"messages"}}'
    names = [("firing", "n" * 100)] * message.MAX_GROUP + [("resolved", "last")]
    body = message.write_group("i", "t", "2026-11-30T12:00:00.000Z", [one % name for name in names])
    assert subject(body).startswith("100 firing, 1 resolved: nnn")
    assert subject(body).endswith("and 100 more")
    lines = short_text(body).splitlines()
    assert len(lines) == CHAT_LINES + 1
    assert lines[-1] == f"and {len(names) - CHAT_LINES} more"
    assert len(short_text(body)) < 2000
    assert text(body).count("Firing: ") == message.MAX_GROUP
