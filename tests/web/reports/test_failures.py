"""Reports whose database fails while they are read, and those that fail by a fault of the program."""

from typing import Any

import httpx2
import pytest
from sqlalchemy import text

from storage.errors import StorageUnavailable
from storage.read import reports
from storage.read.reports import Listing
from tests.paths import API
from tests.samples.events import ACTIVITY
from tests.servers.service import Running

REPORTS = {
    "summary": "web.reports.endpoints.read_totals",
    "series?metrics=total_messages&interval=hour": "web.reports.series.read_series",
    "api-usage": "storage.read.reports.api_calls",
}
MANY = text(
    "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 1000000) "
    "SELECT n FROM numbers"
)


async def interrupted(connection: Any, *_arguments: Any, **_options: Any) -> Any:
    """Read a million rows, and have the driver end that between two of them."""
    rows = await connection.stream(MANY)
    await anext(rows)
    raw = await connection.get_raw_connection()
    await raw.driver_connection.interrupt()
    return [row async for row in rows]


async def wrong(connection: Any, *_arguments: Any, **_options: Any) -> Any:
    """Ask for a column that there is not."""
    return await connection.execute(text("SELECT secret FROM about"))


@pytest.mark.parametrize("path", REPORTS)
async def test_a_read_that_is_interrupted_is_503(running: Running, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    """A report whose statement the database ends in the middle is a 503 with Retry-After, and the next one works."""
    with monkeypatch.context() as patch:
        patch.setattr(REPORTS[path], interrupted)
        response = await running.http.get(f"{API}/{path}", headers=running.admin())
        assert (response.status_code, response.headers.get("retry-after")) == (503, "1")
    assert (await running.http.get(f"{API}/{path}", headers=running.admin())).status_code == 200


@pytest.mark.parametrize("path", REPORTS)
async def test_a_bug_is_500_and_logged(
    running: Running, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], path: str
) -> None:
    """A report whose statement is wrong is a 500 that says nothing of it, and the log has the error and its place."""
    monkeypatch.setattr(REPORTS[path], wrong)
    response = await running.http.get(f"{API}/{path}", headers=running.admin())
    assert response.status_code == 500
    assert "secret" not in response.text
    said = capsys.readouterr().out
    assert "request_failed" in said
    assert "secret" in said


async def test_an_export_that_is_interrupted_breaks_off(
    running: Running, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A download whose read the database ends in the middle of a later page is broken off, and the log says why."""
    events = [{"type": "activity", **ACTIVITY}] * 3000
    assert (await running.http.post(f"{API}/track/batch", json=events)).status_code == 201
    whole, calls = reports.activities, 0

    async def fail(*arguments: Any) -> Listing:
        nonlocal calls
        calls += 1
        if calls == 3:
            await interrupted(*arguments)
        return await whole(*arguments)

    monkeypatch.setattr(reports, "activities", fail)
    headers = {**running.admin(), "Accept": "text/csv", "Accept-Encoding": "identity"}
    async with running.http.stream("GET", f"{API}/users/activities", headers=headers) as response:
        assert response.status_code == 200
        with pytest.raises(httpx2.RemoteProtocolError, match="incomplete chunked read"):
            await response.aread()
    said = capsys.readouterr().out
    assert "export_broken_off" in said
    assert StorageUnavailable.__name__ in said
