"""Where messages may go to: nowhere private, whatever a name says (SSRF)."""

import asyncio
import socket
import threading
from ipaddress import ip_network
from typing import Any

import pytest

from tests.receivers.webhooks import Receiver
from tests.servers.service import Running
from tests.web.alerts.scene import put_webhook, send
from web.alerts import addresses
from web.alerts.addresses import NotAllowed, check_url, resolve

PRIVATE = [
    "127.0.0.1",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "224.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1",
    "fd00::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
    "fec0::1",
    "::7f00:1",
    "::ffff:0:7f00:1",
    "64:ff9b:1::7f00:1",
]


@pytest.mark.parametrize("address", PRIVATE)
async def test_private_addresses_are_not_reached(address: str) -> None:
    """An address of a private or special network is refused, in every way to write it."""
    with pytest.raises(NotAllowed):
        await resolve(address, 443, ())


async def test_public_addresses_are_reached() -> None:
    """Public addresses may be reached, and private ones that the setting names."""
    assert await resolve("93.184.216.34", 443, ()) == "93.184.216.34"
    assert await resolve("10.1.2.3", 443, (ip_network("10.0.0.0/8"),)) == "10.1.2.3"
    with pytest.raises(NotAllowed):
        await resolve("192.168.1.1", 443, (ip_network("10.0.0.0/8"),))


def found(*names: str) -> list[Any]:
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (name, 443)) for name in names]


async def test_a_name_with_a_private_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name is refused if one of its addresses is private."""
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **more: found("93.184.216.34", "127.0.0.1"))
    with pytest.raises(NotAllowed):
        await resolve("example.org", 443, ())


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org",
        "https://",
        "https://user:pw@example.org",
        "https://exa mple.org",
        "https://example.org:x/",
        f"https://{'a.' * 200}org/",
        "x",
    ],
)
def test_what_is_no_address_of_a_web_server_is_refused(url: str) -> None:
    """A webhook's address is of http or https, and holds no password."""
    with pytest.raises(ValueError, match="must"):
        check_url(url)


@pytest.mark.each_database
async def test_a_service_without_the_setting_sends_nothing_here(running: Running, hook: Receiver) -> None:
    """Unless a setting allows it, a webhook of this machine is told nothing."""
    answer = await send(running, "PUT", "targets/hook", json={"kind": "webhook", "address": hook.url})
    if answer.status_code == 409:
        assert "ANALYTICS_ALERTS_SECRET" in answer.json()["detail"]
        return
    tried = (await send(running, "POST", "targets/hook/trials")).json()
    assert tried["delivered"] is False
    assert "ANALYTICS_ALERTS_NETWORKS" in tried["error"]
    assert hook.received == []


async def test_a_name_that_changes_leads_nowhere_else(
    alerting: Running, hook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection goes to the address that was checked: a name that means another one right after is not asked."""
    asked = []
    real = addresses.resolve

    async def once(host: str, port: int, allowed: Any) -> str:
        asked.append(host)
        return await real("127.0.0.1", port, allowed)

    monkeypatch.setattr("web.alerts.webhook.resolve", once)
    hook_url = f"http://rebinding.invalid:{hook.port}/hook"
    await put_webhook(alerting, hook)
    body = {"kind": "webhook", "address": hook_url}
    await send(alerting, "PUT", "targets/hook", json=body)
    assert (await send(alerting, "POST", "targets/hook/trials")).json() == {"delivered": True, "error": None}
    assert asked == ["rebinding.invalid"]
    assert hook.received[0].headers["host"] == f"rebinding.invalid:{hook.port}"


async def test_names_that_are_not_answered_keep_no_thread_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the look-ups of many names hang, the threads that compress answers are free."""
    hangs = threading.Event()

    def slow(*_args: Any, **_more: Any) -> Any:
        hangs.wait(60)
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    asked = [asyncio.create_task(resolve("slow.example", 443, ())) for _ in range(addresses.THREADS)]
    try:
        async with asyncio.timeout(20):
            assert await asyncio.to_thread(lambda: "free") == "free"
        assert not any(task.done() for task in asked)
    finally:
        hangs.set()
        await asyncio.gather(*asked, return_exceptions=True)


async def test_one_trial_of_a_tenant_goes_on_at_a_time(alerting: Running, hook: Receiver) -> None:
    """A second test message of a tenant is refused while a target makes the first one wait."""
    await put_webhook(alerting, hook)
    hook.answers.clear()
    first = asyncio.create_task(send(alerting, "POST", "targets/hook/trials"))
    await hook.until(1)
    assert (await send(alerting, "POST", "targets/hook/trials")).status_code == 409
    hook.answers.set()
    assert (await first).json()["delivered"]
    assert (await send(alerting, "POST", "targets/hook/trials")).json()["delivered"]
