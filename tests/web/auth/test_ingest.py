"""Who may post without a key: nobody by default, and never a stranger whom a proxy lets through."""

import asyncio
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest

from tests.paths import TRACK
from tests.samples.events import ACTIVITY
from tests.servers.ports import free_port
from tests.servers.proxies import Proxy, haproxy, nginx
from tests.servers.service import Running, start

BODY = json.dumps(ACTIVITY).encode()
STRANGER = ("Host: analytics.example.com",)
FORGED = (
    STRANGER,
    ("Host: localhost",),
    ("Host: 127.0.0.1:{port}",),
    ("Host: [::1]:{port}",),
    ("Host: localhost", "X-Forwarded-For: 127.0.0.1", "Forwarded: for=127.0.0.1"),
    ("Host: localhost", "X-Real-IP: 127.0.0.1", "X-Client-IP: 127.0.0.1"),
    ("Host: localhost", "Origin: http://localhost:{port}"),
)
PROXIES: dict[str, Callable[[Path, int, int], Proxy]] = {
    "nginx": nginx,
    "nginx that tells the address in X-Real-IP": lambda *where: nginx(
        *where, "proxy_http_version 1.1", "proxy_set_header X-Real-IP $remote_addr"
    ),
    "haproxy": lambda *where: haproxy(*where, "http"),
    "haproxy that tells the address": lambda *where: haproxy(*where, "http", "option forwardfor"),
}
UNCHANGED: dict[str, Callable[[Path, int, int], Proxy]] = {
    # As nginx does by default from 1.29.7 on.
    "nginx by HTTP/1.1": lambda *where: nginx(*where, "proxy_http_version 1.1", 'proxy_set_header Connection ""'),
    "haproxy as a relay of bytes": lambda *where: haproxy(*where, "tcp"),
}
"""Those whose requests can be a local client's own, byte for byte."""


async def post(port: int, *lines: str, version: str = "1.1") -> int:
    """Post an event with these lines as its head, and give the answer's status."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = [f"POST {TRACK}/activity-public HTTP/{version}", *lines, "Content-Type: application/json"]
    writer.write("\r\n".join([*head, f"Content-Length: {len(BODY)}", "Connection: close", "", ""]).encode() + BODY)
    answer = await asyncio.wait_for(reader.read(), 20)
    writer.close()
    return int(answer.split()[1])


@pytest.mark.parametrize("name", [*PROXIES, *UNCHANGED])
async def test_no_unauthenticated_client_posts_by_default(tmp_path: Path, name: str) -> None:
    """As installed, no proxy on the same machine lets a client post without a key, whatever it claims to be."""
    running, port = await start(tmp_path, TRUSTED_NETWORKS=""), free_port()
    proxy = {**PROXIES, **UNCHANGED}[name](tmp_path, port, running.service.settings.port)
    try:
        for lines in FORGED:
            claimed = [line.format(port=running.service.settings.port) for line in lines]
            assert await post(port, *claimed) == 401, lines
        assert await post(port, *STRANGER, "X-Tracking-Key: own-key-0123456789") == 201
    finally:
        proxy.stop()
        await running.stop()


@pytest.mark.parametrize("name", PROXIES)
async def test_a_proxy_is_told_from_a_local_client(running: Running, tmp_path: Path, name: str) -> None:
    """Where loopback is trusted, a proxy on the same machine is noticed by how it passes requests on."""
    port = free_port()
    proxy = PROXIES[name](tmp_path, port, running.service.settings.port)
    try:
        assert await post(port, *STRANGER) == 401
    finally:
        proxy.stop()
    curl = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-H", "Content-Type: application/json"]
    asked = [*curl, "-d", BODY.decode(), f"{running.url}{TRACK}/activity-public"]
    done = await asyncio.to_thread(subprocess.run, asked, capture_output=True, text=True, check=True)
    assert done.stdout == "201"


TRACES = (
    *("Forwarded: for=127.0.0.1", "X-Forwarded: 127.0.0.1", "X-Forwarded-For: 127.0.0.1", "X-Forwarded-Proto: https"),
    *("X-Forwarded-Port: 443", "X-Real-IP: 127.0.0.1", "X-Real-Port: 1", "Via: 1.1 proxy", "X-Client-IP: 127.0.0.1"),
    *("X-Cluster-Client-IP: 127.0.0.1", "Client-IP: 127.0.0.1", "True-Client-IP: 127.0.0.1", "X-Original-URL: /"),
    *("X-Original-Forwarded-For: 127.0.0.1", "CF-Connecting-IP: 127.0.0.1", "CF-Ray: 1", "CDN-Loop: cloudflare"),
    *("Fastly-Client-IP: 127.0.0.1", "X-Envoy-External-Address: 127.0.0.1", "Proxy-Connection: keep-alive"),
    *("Max-Forwards: 10", "X-ARR-LOG-ID: 1", "Origin: http://localhost", "Origin: null", "Sec-Fetch-Site: same-origin"),
)


@pytest.mark.parametrize("line", TRACES)
async def test_headers_of_a_proxy_or_a_page_are_refused(running: Running, line: str) -> None:
    """One header that a proxy or a browser adds is enough for a key to be needed."""
    port = running.service.settings.port
    assert await post(port, "Host: localhost", line) == 401
    assert await post(port, "Host: localhost", line, "X-Tracking-Key: own-key-0123456789") == 201


async def test_the_client_names_the_machine_as_it_is(running: Running) -> None:
    """From loopback, Host is loopback too: a page whose name was made to mean this machine does not get in."""
    port = running.service.settings.port
    for host in ("localhost", "LOCALHOST:8002", "127.0.0.1", f"127.0.0.1:{port}", "127.9.9.9", "[::1]:8002", "[::1]"):
        assert await post(port, f"Host: {host}") == 201, host
    for host in ("analytics.example.com", "127.0.0.1.example.com", "x@localhost", "localhost@x", "10.0.0.1", "0.0.0.0"):
        assert await post(port, f"Host: {host}") == 401, host
    for host in ("", "localhost:", ":8002", "localhost, x", "127.1", "2130706433", "1" * 9000, "[" * 9000):
        assert await post(port, f"Host: {host}") == 401, host[:20]
    assert await post(port) in (400, 401)
    assert await post(port, "Host: localhost", "Host: analytics.example.com") in (400, 401)
    assert await post(port, "Host: localhost", version="1.0") == 401


async def test_a_named_proxy_has_to_say_for_whom(tmp_path: Path) -> None:
    """What comes from a named proxy without X-Forwarded-For is nobody's, even where its own address is trusted."""
    found = await start(tmp_path, TRUSTED_PROXIES="127.0.0.1", TRUSTED_NETWORKS="127.0.0.0/8,10.1.0.0/16")
    port = found.service.settings.port
    try:
        assert await post(port, "Host: localhost") == 401
        assert await post(port, "Host: analytics.example.com", "X-Forwarded-For: 10.1.2.3", version="1.0") == 201
        assert await post(port, "Host: localhost", "X-Real-IP: 10.1.2.3") == 401
    finally:
        await found.stop()


async def test_the_refusal_says_what_to_do(running: Running) -> None:
    """Whoever forgot the key is told how to make one, and which setting lets local clients post without."""
    async with httpx2.AsyncClient() as client:
        answer = await client.post(f"{running.url}{TRACK}/activity-public", json=ACTIVITY, headers={"Via": "1.1 x"})
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    for word in ("convoai-analytics keys add", "ANALYTICS_TRUSTED_NETWORKS", "proxy"):
        assert word in answer.json()["detail"]
