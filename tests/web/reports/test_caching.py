"""How reports are transferred: ETags, 304 and gzip."""

import gzip
import time

import pytest

from storage.model import clock
from tests.paths import API
from tests.samples.events import ACTIVITY
from tests.servers.service import Running
from tests.web.reports.samples import REPORTS, crowd
from web.http import etag

pytestmark = pytest.mark.each_database


@pytest.mark.parametrize("name", REPORTS)
async def test_an_etag_saves_the_body(running: Running, name: str) -> None:
    """If-None-Match gets 304 until a commit changes the position; without a token it gets 401 all the same."""
    await running.post("activity-public", ACTIVITY)
    first = await running.http.get(f"{API}/{name}", headers=running.admin())
    assert first.headers["cache-control"] == "private, no-cache"
    known = first.headers["etag"]
    assert known.startswith('W/"')
    for value in (known, known.removeprefix("W/"), f'"other", {known}', "*"):
        again = await running.http.get(f"{API}/{name}", headers={**running.admin(), "If-None-Match": value})
        assert (again.status_code, again.content) == (304, b"")
    assert (await running.http.get(f"{API}/{name}", headers={"If-None-Match": known})).status_code == 401
    await running.post("activity-public", ACTIVITY)
    changed = await running.http.get(f"{API}/{name}", headers={**running.admin(), "If-None-Match": known})
    assert changed.status_code == 200


async def test_an_upgrade_changes_every_etag(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """A 304 does not outlive the version that the body was of: another one may answer otherwise from the same data."""
    paths = (f"{API}/summary", f"{API}/users/list", f"{API}/series?metrics=messages&interval=day")
    known = {path: (await running.http.get(path, headers=running.admin())).headers["etag"] for path in paths}
    for build, status in ((etag.BUILD, 304), ("another", 200)):
        monkeypatch.setattr(etag, "BUILD", build)
        for path in paths:
            headers = {**running.admin(), "If-None-Match": known[path]}
            assert (await running.http.get(path, headers=headers)).status_code == status, path


async def test_answers_are_gzipped(running: Running) -> None:
    """A report is gzipped for those who take it, with the same ETag; what is short is not, nor is a tracking answer."""
    await crowd(running, 1)
    headers = {**running.admin(), "Accept-Encoding": "gzip"}
    async with running.http.stream("GET", f"{API}/users/list", headers=headers) as response:
        body = b"".join([chunk async for chunk in response.aiter_raw()])
    plain = await running.http.get(f"{API}/users/list", headers={**running.admin(), "Accept-Encoding": "identity"})
    assert response.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert gzip.decompress(body) == plain.content
    assert response.headers["etag"] == plain.headers["etag"]
    for answer in (response, plain):
        vary = {name.strip() for name in answer.headers["vary"].split(",")}
        assert vary == {"Authorization", "Cookie", "Origin", "Accept", "Accept-Encoding"}
    again = await running.http.get(f"{API}/users/list", headers={**headers, "If-None-Match": response.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    short = await running.http.get(f"{API}/summary", headers=headers)
    assert "content-encoding" not in short.headers
    posted = await running.http.post(f"{API}/track/activity-public", json=ACTIVITY, headers={"Accept-Encoding": "gzip"})
    assert "vary" not in posted.headers


async def test_midnight_changes_the_etag(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """On another day the same position is another answer: no 304."""
    await running.post("activity-public", ACTIVITY)
    token = {"Authorization": f"Bearer {running.token(seconds=10**6)}"}
    first = await running.http.get(f"{API}/summary", headers=token)
    assert first.json()["active_users_today"] == 1
    monkeypatch.setattr(clock, "unix", lambda: time.time() + 86_400)
    later = await running.http.get(f"{API}/summary", headers={**token, "If-None-Match": first.headers["etag"]})
    assert (later.status_code, later.json()["active_users_today"]) == (200, 0)
