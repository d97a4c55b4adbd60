"""A running service, with what tests of alerts do with it."""

from typing import Any

from tests.paths import API
from tests.receivers.webhooks import SECRET, Receiver
from tests.servers.service import Running

ALERTS = f"{API}/alerts"
CALL = {"provider": "openai", "model": "gpt-5-mini", "operation": "chat", "user_id": "u7"}
BUDGET = {"name": "Budget of u7", "kind": "budget", "window": "month", "limit": "1", "user_id": "u7"}


async def send(running: Running, method: str, path: str, tenant: str = "default", **more: Any) -> Any:
    return await running.http.request(method, f"{ALERTS}/{path}", headers=running.admin(tenant), **more)


async def put_rule(running: Running, rule_id: str, tenant: str = "default", **rule: Any) -> Any:
    answer = await send(running, "PUT", f"rules/{rule_id}", tenant, json=rule)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def put_webhook(running: Running, receiver: Receiver, target_id: str = "hook", tenant: str = "default") -> Any:
    body = {"kind": "webhook", "address": receiver.url, "secret": SECRET}
    answer = await send(running, "PUT", f"targets/{target_id}", tenant, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def spend(running: Running, dollars: str, **fields: Any) -> Any:
    return await running.post("llm-call-public", {**CALL, "cost": dollars, **fields})


async def states(running: Running, rule_id: str, tenant: str = "default") -> dict[int | None, str]:
    """Give how a rule stands, by level."""
    rules = {item["id"]: item for item in (await running.get("alerts", tenant))["items"]}
    return {state["level"]: state["status"] for state in rules[rule_id]["states"]}


async def history(running: Running, tenant: str = "default") -> list[dict[str, Any]]:
    """Give what fired and was resolved, oldest first."""
    items: list[dict[str, Any]] = (await running.get("alerts/history", tenant))["items"]
    return items[::-1]
