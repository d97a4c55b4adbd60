"""Messages of alerts, sent to a real webhook receiver."""

import pytest
from standardwebhooks import WebhookVerificationError

from tests.receivers.webhooks import SECRET, Receiver
from tests.servers.service import Running
from tests.web.alerts.scene import BUDGET, history, put_rule, put_webhook, send, spend, states

pytestmark = pytest.mark.each_database


async def test_a_budget_is_told_of_by_the_call_that_crosses_it(alerting: Running, hook: Receiver) -> None:
    """The call that takes a user's spend to 50, 80 and 100 % of a budget sends one signed message for each level, with
    the exact cost and the position of its commit; further calls send none."""
    await put_webhook(alerting, hook)
    await put_rule(alerting, "u7", **BUDGET, targets=["hook"])
    await spend(alerting, "0.499999999")
    assert await states(alerting, "u7") == {}
    receipt = await spend(alerting, "0.000000001")
    (first,) = await hook.until(1)
    document = first.verify()
    assert document["type"] == "alert.firing"
    assert (
        document["data"]
        | {
            "id": first.id,
            "rule": "u7",
            "level": 50,
            "value": "0.5",
            "limit": "1",
            "unit": "US dollars",
            "user_id": "u7",
            "position": receipt["position"],
        }
        == document["data"]
    )
    await spend(alerting, "9")
    received = await hook.until(3)
    assert sorted(item.verify()["data"]["level"] for item in received) == [50, 80, 100]
    await spend(alerting, "9")
    await spend(alerting, "9", user_id="u8")
    found = await history(alerting)
    assert [(item["level"], item["status"]) for item in found] == [(50, "firing"), (80, "firing"), (100, "firing")]
    assert {item["id"] for item in found} == {item.id for item in received}
    assert len({item.id for item in received}) == 3


async def test_another_secret_signs_nothing(alerting: Running, hook: Receiver) -> None:
    """While a secret is replaced the old and the new one verify a message; no other secret does."""
    await put_webhook(alerting, hook)
    rotated = await send(alerting, "POST", "targets/hook/secrets", json={"hours": 1})
    assert rotated.status_code == 201
    assert rotated.json()["secret"] != SECRET
    tried = await send(alerting, "POST", "targets/hook/trials")
    assert tried.json() == {"delivered": True, "error": None}
    (received,) = await hook.until(1)
    assert received.verify(SECRET) == received.verify(rotated.json()["secret"])
    with pytest.raises(WebhookVerificationError):
        received.verify("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    again = await send(alerting, "POST", "targets/hook/secrets", json={"hours": 0})
    await send(alerting, "POST", "targets/hook/trials")
    latest = (await hook.until(2))[1]
    latest.verify(again.json()["secret"])
    with pytest.raises(WebhookVerificationError):
        latest.verify(rotated.json()["secret"])


async def test_secrets_are_never_read_again(alerting: Running, hook: Receiver) -> None:
    """No answer shows a webhook's secret or path again, and the database holds neither of them."""
    await put_webhook(alerting, hook)
    listed = await send(alerting, "GET", "targets")
    assert listed.json()["items"][0]["address"] == hook.url.removesuffix("/hook")
    drawn = await send(alerting, "PUT", "targets/other", json={"kind": "webhook", "address": hook.url})
    assert drawn.json()["secret"].startswith("whsec_")
    same = await send(alerting, "PUT", "targets/other", json={"kind": "webhook", "address": f"{hook.url}/2"})
    assert same.json()["secret"] is None
    await send(alerting, "POST", "targets/other/trials")
    received = (await hook.until(1))[0]
    assert received.path == "/hook/2"
    received.verify(drawn.json()["secret"])
