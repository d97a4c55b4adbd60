"""CSV of lists: how it is asked for and read."""

import csv
import io
from typing import Any

import httpx2

from tests.paths import API, TRACK
from tests.samples.events import ACTIVITY
from tests.servers.service import Running
from tests.web.reports.samples import at

AS_CSV = {"Accept": "text/csv"}


async def export(running: Running, path: str, tenant: str = "default", **params: Any) -> httpx2.Response:
    response = await running.http.get(f"{API}/{path}", params=params, headers={**running.admin(tenant), **AS_CSV})
    assert response.status_code == 200, response.text
    return response


def read(text: str) -> tuple[list[str], list[dict[str, str]]]:
    """Give the header and the rows."""
    header, *rows = csv.reader(io.StringIO(text, newline=""))
    return header, [dict(zip(header, row, strict=True)) for row in rows]


async def post_many(running: Running, events: list[dict[str, Any]]) -> None:
    for begin in range(0, len(events), 5000):
        response = await running.http.post(f"{TRACK}/batch", json=events[begin : begin + 5000])
        assert response.status_code == 201, response.text


def activities(count: int, **fields: Any) -> list[dict[str, Any]]:
    return [
        {"type": "activity", **ACTIVITY, "user_id": f"u{n % 500}", "timestamp": at(1 + n % 28, n % 24), **fields}
        for n in range(count)
    ]
