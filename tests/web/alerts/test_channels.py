"""E-mail by a real SMTP server, and apprise."""

import asyncio
from pathlib import Path

import pytest

from tests.servers.mail import mail_server
from tests.servers.service import start
from tests.web.alerts.scene import BUDGET, history, put_rule, send, spend
from web.alerts.channels import check_address


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
    [("apprise", "json://127.0.0.1/x"), ("apprise", "slack"), ("email", "ada"), ("webhook", "file:///etc/passwd")],
)
def test_other_addresses_are_refused(kind: str, address: str) -> None:
    """A service of apprise that leads anywhere is refused, unless private networks are allowed."""
    with pytest.raises(ValueError, match="must"):
        check_address(kind, address, anywhere=False)


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
