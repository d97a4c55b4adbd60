"""Rules over REST: set, listed, acknowledged, silenced and deleted."""

import pytest

from storage.credentials import read_audit
from tests.receivers.webhooks import Receiver
from tests.servers.service import Running
from tests.subscribers.snapshots import equals_snapshot
from tests.web.alerts.scene import BUDGET, history, put_rule, put_webhook, send, spend, states

pytestmark = pytest.mark.each_database


async def test_a_rule_is_listed_as_it_was_set(alerting: Running) -> None:
    """A rule is listed with its fields, its author and how it stands, and is deleted for good."""
    await put_rule(alerting, "u7", **BUDGET)
    listed = await alerting.get("alerts")
    (item,) = listed["items"]
    assert item["rule"] == BUDGET
    assert (item["id"], item["author"], item["states"], item["silenced_until"]) == ("u7", "ada", [], None)
    assert (await alerting.get("alerts", "acme"))["items"] == []
    assert (await send(alerting, "DELETE", "rules/u7", "acme")).status_code == 404
    assert (await send(alerting, "DELETE", "rules/u7")).status_code == 204
    assert (await send(alerting, "DELETE", "rules/u7")).status_code == 404
    assert (await alerting.get("alerts"))["items"] == []


@pytest.mark.parametrize(
    ("rule_id", "rule", "field"),
    [
        ("u7", {**BUDGET, "limit": "much"}, "limit"),
        ("u7", {**BUDGET, "colour": "red"}, "colour"),
        ("u7", {**BUDGET, "kind": "magic"}, "kind"),
        ("U 7", BUDGET, "rule_id"),
    ],
)
async def test_a_wrong_rule_is_refused(alerting: Running, rule_id: str, rule: dict[str, str], field: str) -> None:
    """What breaks a rule of rules is refused with 422, by its field, without its value."""
    answer = await send(alerting, "PUT", f"rules/{rule_id}", json=rule)
    assert (answer.status_code, answer.json()["field"]) == (422, field)
    assert "much" not in answer.text
    assert (await alerting.get("alerts"))["items"] == []


async def test_what_fires_is_pushed(alerting: Running) -> None:
    """An open dashboard is told how many alerts fire by the commit that crosses a limit; who joins later sees it."""
    await put_rule(alerting, "u7", **BUDGET)
    panel = await alerting.panel()
    assert panel.state.alerts == {"firing": 0, "acknowledged": 0}
    receipt = await spend(alerting, "0.9")
    await panel.until_position(receipt["position"])
    assert panel.state.alerts == {"firing": 2, "acknowledged": 0}
    assert (await send(alerting, "POST", "rules/u7/acknowledgements")).status_code == 204
    await equals_snapshot(alerting, panel)
    assert panel.state.alerts == {"firing": 2, "acknowledged": 2}
    later = await alerting.panel()
    assert later.state.alerts == {"firing": 2, "acknowledged": 2}
    assert {state["acknowledged_by"] for state in (await alerting.get("alerts"))["items"][0]["states"]} == {"ada"}
    await send(alerting, "DELETE", "rules/u7")
    await equals_snapshot(alerting, panel)
    assert panel.state.alerts == {"firing": 0, "acknowledged": 0}
    assert (await alerting.verdict()).differences == []


async def test_only_what_fires_is_acknowledged(alerting: Running) -> None:
    """A rule that does not fire, or that there is not, cannot be acknowledged."""
    await put_rule(alerting, "u7", **BUDGET)
    for rule_id in ("u7", "other"):
        assert (await send(alerting, "POST", f"rules/{rule_id}/acknowledgements")).status_code == 404


async def test_a_rule_that_changes_while_it_fires_is_decided_at_once(alerting: Running, hook: Receiver) -> None:
    """A higher limit resolves what fires, and says so; levels that are gone are resolved; a name changes nothing."""
    await put_webhook(alerting, hook)
    await put_rule(alerting, "u7", **BUDGET, targets=["hook"])
    await spend(alerting, "0.6")
    await hook.until(1)
    await put_rule(alerting, "u7", **{**BUDGET, "name": "Other"}, targets=["hook"])
    assert await states(alerting, "u7") == {50: "firing"}
    await put_rule(alerting, "u7", **{**BUDGET, "limit": "2"}, targets=["hook"])
    assert await states(alerting, "u7") == {50: "resolved"}
    assert (await hook.until(2))[1].verify()["type"] == "alert.resolved"
    await put_rule(alerting, "u7", **BUDGET, targets=["hook"])
    await hook.until(3)
    await put_rule(alerting, "u7", **BUDGET, levels=[100], targets=["hook"])
    assert await states(alerting, "u7") == {}
    assert [item.verify()["type"] for item in await hook.until(4)] == [
        "alert.firing",
        "alert.resolved",
        "alert.firing",
        "alert.resolved",
    ]


async def test_silences_hold_messages_back(alerting: Running, hook: Receiver) -> None:
    """What a silence matches fires, and is in the history, but nobody is told; what it does not match is told."""
    await put_webhook(alerting, hook)
    await put_rule(alerting, "u7", **BUDGET, targets=["hook"])
    await put_rule(alerting, "u8", **{**BUDGET, "user_id": "u8"}, targets=["hook"])
    asked = {"until": "2100-01-01", "matcher": {"user_id": "u7"}}
    silence = await send(alerting, "POST", "silences", json=asked)
    assert silence.status_code == 201
    assert (await send(alerting, "GET", "silences")).json()["items"] == [silence.json()]
    rules = {item["id"]: item["silenced_until"] for item in (await alerting.get("alerts"))["items"]}
    assert rules == {"u7": "2100-01-01T00:00:00.000Z", "u8": None}
    await spend(alerting, "0.5")
    await spend(alerting, "0.5", user_id="u8")
    (received,) = await hook.until(1)
    assert received.document["data"]["user_id"] == "u8"
    found = [(item["rule"], item["held"], len(item["deliveries"])) for item in await history(alerting)]
    assert found == [("u7", "silenced", 0), ("u8", None, 1)]
    path = f"silences/{silence.json()['id']}"
    assert (await send(alerting, "DELETE", path, "acme")).status_code == 404
    assert (await send(alerting, "DELETE", path)).status_code == 204
    assert (await send(alerting, "POST", "silences", json={"until": "2001-01-01"})).status_code == 422


async def test_a_rule_that_fires_inhibits_others(alerting: Running, hook: Receiver) -> None:
    """While one rule fires, nobody is told of those that it inhibits."""
    await put_webhook(alerting, hook)
    await put_rule(alerting, "all", name="All", kind="budget", window="month", limit="1", levels=[50], targets=["hook"])
    await put_rule(alerting, "u7", **BUDGET, levels=[50], targets=["hook"], inhibited_by=["all"])
    await spend(alerting, "0.5", user_id="u8")
    await hook.until(1)
    await spend(alerting, "0.5")
    assert [(item["rule"], item["held"]) for item in await history(alerting)] == [("all", None), ("u7", "inhibited")]


async def test_pages_of_history_hold_each_once(alerting: Running) -> None:
    """Small pages of the history give what one large page gives."""
    await put_rule(alerting, "u7", **BUDGET, levels=list(range(10, 100, 10)))
    await spend(alerting, "1")
    whole = [item["id"] for item in (await alerting.get("alerts/history"))["items"]]
    assert len(whole) == 9
    seen, cursor = [], None
    while True:
        page = await alerting.get("alerts/history", limit=2, **({"cursor": cursor} if cursor else {}))
        seen += [item["id"] for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == whole
    for wrong in ("x", "", "AAAA"):
        answer = await alerting.http.get(
            "/api/v1/analytics/alerts/history", params={"cursor": wrong}, headers=alerting.admin()
        )
        assert answer.status_code == 422


async def test_each_change_is_audited(alerting: Running, hook: Receiver) -> None:
    """The database says who set and deleted which rule and target, and who acknowledged, without addresses."""
    await put_webhook(alerting, hook)
    await put_rule(alerting, "u7", **BUDGET)
    await spend(alerting, "1")
    await send(alerting, "POST", "rules/u7/acknowledgements")
    await send(alerting, "DELETE", "rules/u7")
    await send(alerting, "DELETE", "targets/hook")
    async with alerting.service.database.read() as connection:
        acts = [(act.actor, act.action, act.target) for act in await read_audit(connection, 100)]
    assert sorted(acts) == [
        ("ada", "alert acknowledged", "u7"),
        ("ada", "alert rule deleted", "u7"),
        ("ada", "alert rule set", "u7"),
        ("ada", "alert target deleted", "hook"),
        ("ada", "alert target set", "hook"),
    ]
