"""Pages of other origins that call the API, as a browser does it for them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.paths import API
from tests.samples.events import ACTIVITY
from tests.servers.service import Running, start

OURS, OTHER = "https://admin.example.com", "https://evil.example.com"


@pytest.fixture
async def shared(tmp_path: Path) -> AsyncIterator[Running]:
    """A service whose API pages of one other origin may call."""
    found = await start(tmp_path, ALLOWED_ORIGINS=OURS)
    yield found
    await found.drop()


def exposed(value: str) -> set[str]:
    return {name.strip().lower() for name in value.split(",")}


@pytest.mark.parametrize("path", [f"{API}/summary", f"{API}/users/activities", f"{API}/snapshot"])
async def test_the_browser_is_let_through(shared: Running, path: str) -> None:
    """The preflight allows GET with Authorization and If-None-Match to the listed origin, and to no other."""
    ask = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization,if-none-match"}
    answer = await shared.http.options(path, headers={"Origin": OURS, **ask})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, OURS)
    assert exposed(answer.headers["access-control-allow-headers"]) >= {"authorization", "if-none-match", "accept"}
    assert "GET" in answer.headers["access-control-allow-methods"]
    assert "origin" in exposed(answer.headers["vary"])
    refused = await shared.http.options(path, headers={"Origin": OTHER, **ask})
    assert "access-control-allow-origin" not in refused.headers


async def test_the_page_may_read_what_it_needs(shared: Running) -> None:
    """The page can read body, ETag and Content-Disposition, of a 200, of a 304 and of a file."""
    await shared.post("activity-public", ACTIVITY)
    headers = {**shared.admin(), "Origin": OURS}
    first = await shared.http.get(f"{API}/users/activities", headers=headers)
    again = await shared.http.get(
        f"{API}/users/activities", headers={**headers, "If-None-Match": first.headers["etag"]}
    )
    file = await shared.http.get(f"{API}/users/activities", headers={**headers, "Accept": "text/csv"})
    assert (first.status_code, again.status_code, file.status_code) == (200, 304, 200)
    for answer in (first, again, file):
        assert answer.headers["access-control-allow-origin"] == OURS
        assert exposed(answer.headers["access-control-expose-headers"]) == {
            "etag", "content-disposition", "retry-after",
        }  # fmt: skip
        assert "origin" in exposed(answer.headers["vary"])
        assert "access-control-allow-credentials" not in answer.headers
    other = await shared.http.get(f"{API}/users/activities", headers={**shared.admin(), "Origin": OTHER})
    assert "access-control-allow-origin" not in other.headers


async def test_the_page_may_read_errors(shared: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page sees why it failed: also a 401, a 404, a 422, and a failure that nobody foresaw."""

    async def fail(*_arguments: object) -> None:
        raise RuntimeError("a bug")

    admin = shared.admin()
    for path, headers, status in (
        (f"{API}/summary", {}, 401),
        (f"{API}/none", admin, 404),
        (f"{API}/users/activities?limit=x", admin, 422),
        (f"{API}/summary", admin, 500),
    ):
        if status == 500:
            monkeypatch.setattr("web.reports.endpoints.read_head", fail)
        answer = await shared.http.get(path, headers={**headers, "Origin": OURS})
        assert (answer.status_code, answer.json()["status"]) == (status, status)
        assert answer.headers["access-control-allow-origin"] == OURS
        assert "a bug" not in answer.text


async def test_without_the_setting_nobody_else_may(running: Running) -> None:
    """By default no other origin may read."""
    answer = await running.http.get(f"{API}/summary", headers={**running.admin(), "Origin": OURS})
    assert "access-control-allow-origin" not in answer.headers
