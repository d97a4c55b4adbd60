"""Codes, by which a panel of another origin hands its reader over to the dashboard."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from storage.model import clock
from tests.paths import API
from tests.servers.service import Running, start
from tests.web.sign_in.browser import SESSION, Browser

pytestmark = pytest.mark.each_database


async def code_of(running: Running, token: str) -> str:
    """What a panel gets: it has a token, and a page of another origin."""
    headers = {"Authorization": f"Bearer {token}", "Origin": "https://platform.example.com"}
    answer = await running.http.post(f"{SESSION}/codes", headers=headers)
    assert answer.status_code == 201, answer.text
    assert answer.json()["seconds"] == 30
    return str(answer.json()["code"])


@pytest.fixture
async def processes(tmp_path: Path, database_url: str, valkey: str) -> AsyncIterator[list[Running]]:
    """As many processes as the database takes."""
    count = 1 if database_url.startswith("sqlite") else 2
    broker: Any = {} if count == 1 else {"REDIS_URL": valkey}
    found = [await start(tmp_path, DATABASE_URL=database_url, **broker) for _ in range(count)]
    yield found
    for each in found:
        await each.drop()


async def test_a_code_signs_in_once(running: Running) -> None:
    """A code becomes the session of its subject and ends with the token; a second time it opens nothing."""
    code = await code_of(running, running.token(sub="ada", seconds=600))
    browser = Browser(running)
    answer = await browser.sign_in_by(code)
    assert (answer.status_code, answer.json()["subject"]) == (201, "ada")
    assert 590 < int(browser.attributes["max-age"]) <= 600
    assert (await browser.ask("GET", f"{API}/summary")).status_code == 200
    again = await Browser(running).sign_in_by(code)
    assert again.status_code == 401
    assert "panel" in again.json()["detail"]


async def test_a_code_is_no_session(running: Running) -> None:
    """A code in the cookie opens nothing, and neither does the cookie's secret as a code."""
    browser = Browser(running)
    await browser.sign_in(running.token())
    [(name, secret)] = browser.cookies.items()
    assert (await Browser(running).sign_in_by(secret)).status_code == 401
    browser.cookies[name] = await code_of(running, running.token())
    assert (await browser.ask("GET", f"{API}/summary")).status_code == 401


async def test_a_code_lives_for_thirty_seconds(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """After thirty seconds a code opens nothing."""
    code, other = [await code_of(running, running.token(seconds=600)) for _ in range(2)]
    began = clock.unix()
    monkeypatch.setattr(clock, "unix", lambda: began + 28)
    assert (await Browser(running).sign_in_by(code)).status_code == 201
    monkeypatch.setattr(clock, "unix", lambda: began + 31)
    assert (await Browser(running).sign_in_by(other)).status_code == 401


async def test_of_many_at_once_one_gets_in(processes: list[Running]) -> None:
    """Of twenty requests with one code at once, on all processes, exactly one opens a session."""
    code = await code_of(processes[0], processes[0].token())
    browsers = [Browser(processes[number % len(processes)]) for number in range(20)]
    answers = await asyncio.gather(*(browser.sign_in_by(code) for browser in browsers))
    assert sorted(answer.status_code for answer in answers) == [201] + [401] * 19


async def test_a_code_of_somebody_else_has_to_be_allowed(running: Running) -> None:
    """A link with a code of another person changes nothing, and the code stays good, until replace is sent."""
    browser = Browser(running)
    await browser.sign_in(running.token(sub="ada"))
    code = await code_of(running, running.token(sub="mallory"))
    answer = await browser.sign_in_by(code)
    assert (answer.status_code, answer.json()["subject"]) == (409, "mallory")
    assert (await browser.ask("GET", SESSION)).json()["subject"] == "ada"
    assert (await browser.sign_in_by(code, replace=True)).status_code == 201
    assert (await browser.ask("GET", SESSION)).json()["subject"] == "mallory"


async def test_a_code_of_the_same_person_renews(running: Running) -> None:
    """Opened again from the panel, the browser keeps its session, which gets the end of the newer token."""
    browser = Browser(running)
    await browser.sign_in(running.token(seconds=60))
    before = dict(browser.cookies)
    code = await code_of(running, running.token(seconds=600))
    answer = await browser.sign_in_by(code)
    assert answer.status_code == 200
    assert browser.cookies == before
    assert int(browser.attributes["max-age"]) > 500
    assert (await Browser(running).sign_in_by(code)).status_code == 401
    assert (await renew(running, code, running.token(seconds=900))).status_code == 204


async def renew(running: Running, code: str, token: str) -> httpx2.Response:
    headers = {"Authorization": f"Bearer {token}", "Origin": "https://platform.example.com"}
    return await running.http.post(f"{SESSION}/renewals", json={"code": code}, headers=headers)


async def test_the_panel_renews_what_it_handed_over(processes: list[Running]) -> None:
    """With its next token a panel renews the session that its code became, in any process; another subject cannot."""
    code = await code_of(processes[0], processes[0].token(sub="ada", seconds=60))
    browser = Browser(processes[0])
    assert (await renew(processes[-1], code, processes[0].token(sub="ada"))).status_code == 404
    await browser.sign_in_by(code)
    assert (await renew(processes[-1], code, processes[0].token(sub="eve"))).status_code == 404
    assert (await renew(processes[-1], code, processes[0].token("acme", sub="ada"))).status_code == 404
    assert (await renew(processes[-1], "x" * 43, processes[0].token(sub="ada"))).status_code == 404
    assert (await renew(processes[-1], code, processes[0].token(sub="ada", seconds=900))).status_code == 204
    await asyncio.sleep(1.5)
    await browser.ask("GET", SESSION)
    assert int(browser.attributes["max-age"]) > 800
    await browser.ask("DELETE", SESSION)
    assert (await renew(processes[-1], code, processes[0].token(sub="ada"))).status_code == 404


async def test_only_a_token_makes_a_code(running: Running) -> None:
    """A session makes no code, and neither does a token that is not an admin's."""
    browser = Browser(running)
    await browser.sign_in(running.token())
    assert (await browser.ask("POST", f"{SESSION}/codes")).status_code == 401
    headers = {"Authorization": f"Bearer {running.token(roles=['user'])}"}
    assert (await running.http.post(f"{SESSION}/codes", headers=headers)).status_code == 403
