"""Whose word is taken for a peer's address."""

from pathlib import Path

import httpx2
import pytest

from tests.paths import TRACK
from tests.samples.events import EVENTS
from tests.servers.service import start

HOPS: list[tuple[list[tuple[str, str]], int]] = [
    ([], 401),
    ([("X-Forwarded-For", "10.1.2.3")], 201),
    ([("X-Forwarded-For", "::ffff:10.1.2.3")], 201),
    ([("X-Forwarded-For", "fd00::1")], 201),
    ([("X-Forwarded-For", "10.1.2.3, 10.9.0.5")], 201),
    ([("X-Forwarded-For", "8.8.8.8"), ("X-Forwarded-For", "10.1.2.3")], 201),
    ([("X-Forwarded-For", "10.1.2.3"), ("X-Forwarded-For", "8.8.8.8")], 401),
    ([("X-Forwarded-For", "10.1.2.3, 8.8.8.8, 10.9.0.5")], 401),
    ([("X-Forwarded-For", "10.1.2.3:4711")], 401),
    ([("X-Forwarded-For", "")], 401),
    ([("X-Forwarded-For", "127.0.0.1, 10.9.0.5")], 401),
    ([("X-Forwarded-For", "unknown, 10.9.0.5")], 401),
    ([("X-Real-IP", "10.1.2.3")], 401),
    ([("Forwarded", "for=10.1.2.3")], 401),
    ([("X-Forwarded-Host", "10.1.2.3")], 401),
    ([("X-Forwarded-For", "10.1.2.3"), ("Origin", "http://10.1.2.3")], 401),
    ([("X-Forwarded-For", "10.1.2.3"), ("X-Tracking-Key", "garbage-0123456789")], 401),
]


async def test_the_peer_decides_unless_a_proxy_is_named(tmp_path: Path) -> None:
    """A named proxy's word is taken for the address, hop by hop from the right; a header by itself opens nothing."""
    found = await start(tmp_path, TRUSTED_NETWORKS="10.1.0.0/16,fd00::/8", TRUSTED_PROXIES="127.0.0.1,10.9.0.0/24")
    try:
        for headers, status in HOPS:
            response = await found.http.post(
                f"{TRACK}/activity-public", json=EVENTS["activity-public"], headers=httpx2.Headers(headers)
            )
            assert response.status_code == status, headers
    finally:
        await found.stop()


@pytest.mark.parametrize("named", ["", "10.9.0.0/24"])
async def test_an_unnamed_proxy_is_not_believed(tmp_path: Path, named: str) -> None:
    """From a proxy that is not trusted, every forwarding header is refused, even for a peer that is trusted itself."""
    found = await start(tmp_path, TRUSTED_PROXIES=named, TRUSTED_NETWORKS="127.0.0.0/8,10.1.0.0/16")
    try:
        body = EVENTS["activity-public"]
        assert (await found.http.post(f"{TRACK}/activity-public", json=body)).status_code == 201
        for headers, _ in HOPS[1:12]:
            response = await found.http.post(f"{TRACK}/activity-public", json=body, headers=httpx2.Headers(headers))
            assert response.status_code == 401, headers
    finally:
        await found.stop()
