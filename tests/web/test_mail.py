"""E-mail: what reaches a real mail server, and what is said of one that does not take it."""

from pathlib import Path
from urllib.parse import quote

import pytest

from tests.servers.mail import PASSWORD, MailServer, certificate, mail_server
from tests.servers.ports import free_port
from web.mail import Attachment, Mail, Mailer, MailFailed
from web.settings import InvalidSetting, Settings

MAIL = Mail("report.1", "grace@example.com", "Zahlen für März", "Kosten: 1,5 €\n")


def mailer(url: str) -> Mailer:
    return Mailer(Settings.read({"ANALYTICS_SMTP_URL": url, "ANALYTICS_MAIL_FROM": "Büro <analytics@example.com>"}))


def with_user(server: MailServer, scheme: str, password: str = PASSWORD) -> str:
    return f"{scheme}://ada:{quote(password)}@localhost:{server.port}"


async def test_a_message_arrives_as_it_was_written() -> None:
    """Subject, text and files arrive whole, under the id that the message has for good."""
    file = Attachment("figures.csv", "text/csv", b"a,b\r\n1,2\r\n")
    mail = Mail(MAIL.id, MAIL.recipient, MAIL.subject, MAIL.text, (file,), {"Content-Language": "de"})
    async with mail_server() as server:
        await mailer(server.url).send(mail)
    [message] = server.messages
    assert server.recipients == ["grace@example.com"]
    assert (message["From"], message["To"]) == ("Büro <analytics@example.com>", "grace@example.com")
    assert (message["Subject"], message["Message-ID"]) == ("Zahlen für März", "<report.1@example.com>")
    assert (message["Auto-Submitted"], message["Content-Language"]) == ("auto-generated", "de")
    body = message.get_body()
    assert body is not None
    assert body.get_content().replace("\r\n", "\n") == MAIL.text
    [attached] = message.iter_attachments()
    assert (attached.get_filename(), attached.get_content_type()) == ("figures.csv", "text/csv")
    assert attached.get_payload(decode=True) == file.content


@pytest.mark.parametrize(("scheme", "starttls"), [("smtps", False), ("smtp", True)])
async def test_a_password_goes_by_tls_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str, starttls: bool
) -> None:
    """smtps:// speaks TLS from the first byte and smtp:// by STARTTLS, and the certificate has to be valid."""
    async with mail_server(tls=certificate(tmp_path), starttls=starttls) as server:
        with pytest.raises(MailFailed, match=r"SSLCertVerificationError") as refused:
            await mailer(with_user(server, scheme)).send(MAIL)
        assert not refused.value.is_permanent
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
        await mailer(with_user(server, scheme)).send(MAIL)
        assert len(server.messages) == 1
        with pytest.raises(MailFailed, match="refused the user and password of ANALYTICS_SMTP_URL: 535"):
            await mailer(with_user(server, scheme, "wrong")).send(MAIL)


async def test_tls_is_not_given_up_silently() -> None:
    """A server without STARTTLS gets nothing by smtp://."""
    async with mail_server() as server:
        with pytest.raises(MailFailed, match="STARTTLS"):
            await mailer(f"smtp://localhost:{server.port}").send(MAIL)
        assert server.messages == []


async def test_failures_say_whether_they_last() -> None:
    """An answer of 5xx is for good, one of 4xx and silence are not; no text names the recipient."""
    async with mail_server() as server:
        server.refuses = {"grace@example.com": "550 no grace@example.com here"}
        with pytest.raises(MailFailed, match=r"^the mail server refused the recipient: 550$") as refused:
            await mailer(server.url).send(MAIL)
        assert refused.value.is_permanent
        server.refuses = {}
        server.answer = "451 try later"
        with pytest.raises(MailFailed, match=r"^the mail server refused the message: 451$") as refused:
            await mailer(server.url).send(MAIL)
        assert not refused.value.is_permanent
    with pytest.raises(MailFailed, match="cannot be reached: ConnectionRefusedError") as refused:
        await mailer(f"smtp+plain://127.0.0.1:{free_port()}").send(MAIL)
    assert not refused.value.is_permanent


async def test_a_server_that_hangs_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """A message that is not answered fails after a time."""
    monkeypatch.setattr("web.mail.SECONDS", 0.2)
    async with mail_server() as server:
        server.takes.clear()
        with pytest.raises(MailFailed, match=r"did not answer within 0.2 s"):
            await mailer(server.url).send(MAIL)


async def test_headers_take_no_line_of_their_own() -> None:
    """A subject with line breaks becomes one line, whoever wrote it."""
    async with mail_server() as server:
        await mailer(server.url).send(Mail("x", MAIL.recipient, "a\r\nBcc: eve@example.com", ""))
    assert server.messages[0]["Subject"] == "a Bcc: eve@example.com"
    assert server.messages[0]["Bcc"] is None


async def test_both_settings_are_needed() -> None:
    """One of the two settings alone stops the start, and without both it is said what to set."""
    for name, value in {"SMTP_URL": "smtp://mail.example.com", "MAIL_FROM": "a@example.com"}.items():
        with pytest.raises(InvalidSetting, match="is needed to send e-mail"):
            Mailer(Settings.read({f"ANALYTICS_{name}": value}))
    unset = Mailer(Settings.read({}))
    assert not unset.is_configured
    with pytest.raises(MailFailed, match="set ANALYTICS_SMTP_URL and ANALYTICS_MAIL_FROM"):
        await unset.send(MAIL)
