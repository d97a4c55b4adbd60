"""E-mail by a real SMTP server, and apprise."""

import asyncio
from pathlib import Path

import pytest

from storage.alerts.message import write_test
from tests.servers.mail import mail_server
from tests.servers.service import start
from tests.servers.settings import environment
from tests.web.alerts.scene import BUDGET, history, put_rule, send, spend
from web.alerts.channels import Channels, Message, check_address
from web.alerts.seal import Address
from web.settings import Settings


async def test_an_alert_is_sent_by_mail(tmp_path: Path) -> None:
    """An alert goes out as an e-mail with its line as subject, all that is known as text, and its transition's id."""
    async with mail_server() as server:
        running = await start(
            tmp_path, SMTP_URL=server.url, MAIL_FROM="Analytics <alerts@example.org>", ALERTS_SECRET="s"
        )
        body = {"kind": "email", "address": "ada@example.org"}
        answer = await send(running, "PUT", "targets/ada", json=body)
        assert answer.json()["address"] == "ada@example.org"
        await put_rule(running, "u7", **BUDGET, levels=[100], targets=["ada"])
        await spend(running, "1.25")
        async with asyncio.timeout(30):
            while not server.messages:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        (message,) = server.messages
        (item,) = await history(running)
        assert message["Subject"] == "Firing: Budget of u7 (100 %)"
        assert message["Message-ID"] == f"<{item['id']}@example.org>"
        text = message.get_content()
        assert "Value: 1.25" in text
        assert "User: u7" in text
        await running.drop()


async def test_a_mail_server_that_refuses_ends_the_attempts(tmp_path: Path) -> None:
    """What a mail server refuses for good is not sent again; the log says why, without the address."""
    async with mail_server() as server:
        server.refuses["ada@example.org"] = "550 no such one"
        running = await start(tmp_path, SMTP_URL=server.url, MAIL_FROM="alerts@example.org", ALERTS_SECRET="s")
        await send(running, "PUT", "targets/ada", json={"kind": "email", "address": "ada@example.org"})
        await put_rule(running, "u7", **BUDGET, levels=[100], targets=["ada"])
        await spend(running, "1")
        async with asyncio.timeout(30):
            while (found := (await history(running))[0]["deliveries"][0])["status"] == "waiting":  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert (found["status"], found["error"]) == ("failed", "the mail server refused the recipient: 550")
        await running.drop()


@pytest.mark.parametrize(
    ("kind", "address", "shown"),
    [
        ("apprise", "slack://TokenA/TokenB/TokenC/#general", "slack://"),
        ("apprise", "pagerduty://key@api", "pagerduty://"),
        ("email", "a@example.org", "a@example.org"),
        ("webhook", "https://example.org/secret?x=1", "https://example.org"),
    ],
)
def test_what_is_shown_of_an_address_is_no_secret(kind: str, address: str, shown: str) -> None:
    """Of an address its kind and host are shown, never what opens it."""
    assert check_address(kind, address, anywhere=False) == shown


@pytest.mark.parametrize(
    ("kind", "address"),
    [
        ("apprise", "json://127.0.0.1/x"),
        ("apprise", "slack://a/b/c,json://169.254.169.254/x"),
        ("apprise", "slack://a/b/c?template=file:%2F%2F/etc/passwd"),
        ("apprise", "slack://a/b/c/#general?template=/etc/passwd"),
        ("apprise", "slack://a/b/c?rto=100000"),
        ("apprise", "slack"),
        ("email", "ada"),
        ("webhook", "file:///etc/passwd"),
    ],
)
def test_other_addresses_are_refused(kind: str, address: str) -> None:
    """A service of apprise that leads anywhere is refused, unless private networks are allowed."""
    with pytest.raises(ValueError, match="must"):
        check_address(kind, address, anywhere=False)


def test_no_template_is_read_anywhere() -> None:
    """Where private networks are allowed an address may have a query, but name no file of the service's machine."""
    assert check_address("apprise", "json://10.0.0.1/x?method=PUT", anywhere=True) == "json://"
    with pytest.raises(ValueError, match="template"):
        check_address("apprise", "slack://a/b/c?Template=/etc/passwd", anywhere=True)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_an_address_is_one_address(tmp_path: Path) -> None:
    """An address that was kept with a comma leads to its first service alone, never to one behind the comma."""
    pytest.importorskip("apprise")
    called: list[None] = []
    channels = Channels(Settings.read(environment(tmp_path, ALERTS_SECRET="s")))

    def serve(_source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        called.append(None)
        sink.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        address = Address(f"json://127.0.0.1:1/x,json://127.0.0.1:{port}/x")
        body = write_test("i", "t", "2026-01-01T00:00:00.000Z")
        sealed = channels.seal.close("t", "a", address)
        result = await channels.send(Message("t", "i", body, "a", "apprise", sealed))
    await channels.close()
    assert result.error is not None
    assert called == []


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    "url", ["slack://T1JJ3T3L2/secret of it/x", "discord://secret/", "opsgenie://secret", "pagerduty://secret@api"]
)
async def test_what_apprise_could_not_send_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, url: str
) -> None:
    """Without a connection no service of apprise counts as told, and no log has a part of its address."""
    pytest.importorskip("apprise")
    import requests

    def broken(*_args: object, **_more: object) -> None:
        raise requests.ConnectionError

    monkeypatch.setattr(requests, "post", broken)
    channels = Channels(Settings.read(environment(tmp_path, ALERTS_SECRET="s")))
    sealed = channels.seal.close("t", "a", Address(url))
    body = write_test("i", "t", "2026-01-01T00:00:00.000Z")
    result = await channels.send(Message("t", "i", body, "a", "apprise", sealed))
    await channels.close()
    assert result.error is not None
    assert "secret" not in caplog.text
    assert "secret" not in result.error


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_apprise_knows_what_is_offered() -> None:
    """Each service that is offered is one of apprise, and has a host of its own."""
    apprise = pytest.importorskip("apprise")
    from web.alerts.channels import FIXED

    known = {
        protocol
        for plugin in apprise.Apprise().details()["schemas"]
        for protocol in (*(plugin["protocols"] or ()), *(plugin["secure_protocols"] or ()))
    }
    assert not FIXED - known
