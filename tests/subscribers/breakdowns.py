"""Whether a panel shows of a breakdown what the list says."""

import asyncio
from typing import Any

from realtime.subscriber_state import Json
from storage.model import clock
from tests.paths import API
from tests.servers.service import Running
from tests.subscribers.live import Fed

OF_LISTS = ("items", "metric", "by", "unit", "timezone", "from", "to", "kept_from")
OF_ALL = ("total", "count", "unpriced_calls", "rows", "others")


def shown(breakdown: Json) -> Json:
    """Give what list and panel have in common: points are the list's alone."""
    fields = {name: breakdown.get(name) for name in (*OF_LISTS, *OF_ALL)}
    return {**fields, "items": [{**item, "points": None} for item in breakdown.get("items", [])]}


def query_of(held: Json) -> dict[str, Any]:
    """Ask the list for what a panel holds."""
    interval = {"interval": "hour"} if held["range"] == "hour" else {}
    query = {"metric": held["metric"], "by": ",".join(held["by"]), "limit": held["limit"]}
    return {**query, "from": held["from"], "to": held["to"], **interval}


def is_of_now(held: Json) -> bool:
    return bool(held) and bool(held["from"] <= clock.now() < held["to"])


async def equals_list(running: Running, panel: Fed, tenant: str = "default", seconds: float = 10) -> None:
    """Wait until the panel shows what the list has, for the day or the hour in which the clock is."""
    headers = {"Authorization": f"Bearer {running.token(tenant, seconds=10**9)}"}
    async with asyncio.timeout(seconds):
        while True:
            await panel.until(lambda: is_of_now(panel.state.breakdown), seconds)
            query = query_of(panel.state.breakdown)
            response = await running.http.get(f"{API}/breakdown", params=query, headers=headers)
            assert response.status_code == 200, response.text
            # Read again if it differs: the rows may be on their way, and an hour may end in between.
            if shown(panel.state.breakdown) == shown(response.json()) and not panel.state.breakdown["stale_since"]:
                return
            await asyncio.sleep(0.02)
