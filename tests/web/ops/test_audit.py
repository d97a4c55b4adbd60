"""The audit of what admins read."""

import json
from pathlib import Path

import httpx2
import jwt
from websockets.asyncio.client import connect

from tests.paths import API
from tests.servers.process import Process
from tests.servers.settings import SECRET


async def test_each_read_is_a_line(tmp_path: Path) -> None:
    """Who read what, by which filters and with what answer; no value of a filter, and no token."""
    process = Process(tmp_path, AUDIT_LOG="on")
    await process.start()
    tokens = {
        name: process.command("token", "--sub", name, "--tenant", "acme", "--role", role).stdout.strip()
        for name, role in (("ada", "admin"), ("eve", "user"))
    }
    bearers = {name: {"Authorization": f"Bearer {token}"} for name, token in tokens.items()}
    async with httpx2.AsyncClient(base_url=f"{process.url}{API}") as http:
        await http.get("/users/activities?user_id=secret-user&limit=5&secret-name=1", headers=bearers["ada"])
        etag = (await http.get("/summary", headers=bearers["ada"])).headers["etag"]
        await http.get("/summary", headers={**bearers["ada"], "If-None-Match": etag})
        await http.get("/users/top?limit=secret", headers={**bearers["ada"], "Accept": "text/csv"})
        await http.get("/users/top", headers={**bearers["ada"], "Accept": "text/csv"})
        await http.get("/summary", headers=bearers["eve"])
        await http.get("/summary", headers={"Authorization": "Bearer secret"})
        await http.get("/summary")
    url = process.url.replace("http", "ws")
    async with connect(f"{url}{API}/live?q=secret", additional_headers=bearers["ada"]):
        pass
    assert process.terminate() == 0
    lines = [json.loads(line) for line in process.audit().splitlines()]
    seen = [(line["sub"], line["route"].removeprefix(API), line["filters"], line["status"]) for line in lines]
    assert seen == [
        ("ada", "/users/activities", ["limit", "user_id"], 200),
        ("ada", "/summary", [], 200),
        ("ada", "/summary", [], 304),
        ("ada", "/users/top", ["limit"], 422),
        ("ada", "/users/top", [], 200),
        ("eve", "/summary", [], 403),
        ("ada", "/live", [], 101),
    ]
    assert {(line["logger"], line["event"], line["tenant"]) for line in lines} == {("audit", "read", "acme")}
    assert lines[0]["jti"] == jwt.decode(tokens["ada"], SECRET, ["HS256"])["jti"]
    assert all(line["timestamp"].endswith("Z") for line in lines)
    assert "secret" not in process.audit()
    assert tokens["ada"] not in process.audit()


async def test_each_change_is_a_line(tmp_path: Path) -> None:
    """Who changed what, by which method and with what answer; nothing of the body."""
    process = Process(tmp_path, AUDIT_LOG="on")
    await process.start()
    bearer = {"Authorization": f"Bearer {process.command('token', '--sub', 'ada').stdout.strip()}"}
    async with httpx2.AsyncClient(base_url=f"{process.url}{API}", headers=bearer) as http:
        view = (await http.post("/views", json={"name": "secret", "page": "users"})).json()
        await http.patch(f"/views/{view['id']}", json={"name": "secret too"})
        await http.delete(f"/views/{view['id']}")
        await http.delete("/views/secret")
    assert process.terminate() == 0
    lines = [json.loads(line) for line in process.audit().splitlines()]
    assert [(line["event"], line["method"], line["route"].removeprefix(API), line["status"]) for line in lines] == [
        ("change", "POST", "/views", 201),
        ("change", "PATCH", "/views/{view_id}", 200),
        ("change", "DELETE", "/views/{view_id}", 204),
        ("change", "DELETE", "/views/{view_id}", 404),
    ]
    assert "secret" not in process.audit()


async def test_it_can_be_switched_off(tmp_path: Path) -> None:
    """With ANALYTICS_AUDIT_LOG=off, as these tests have it, nothing is written."""
    process = Process(tmp_path)
    await process.start()
    token = process.command("token").stdout.strip()
    async with httpx2.AsyncClient(base_url=f"{process.url}{API}") as http:
        assert (await http.get("/summary", headers={"Authorization": f"Bearer {token}"})).status_code == 200
    assert process.terminate() == 0
    assert process.audit() == ""
