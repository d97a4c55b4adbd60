"""E-mail: one message to one recipient, by SMTP (RFC 5321), over TLS unless the settings say otherwise.

Who sends to many sends a message to each: what the server refuses for one is then not sent to the others again, and
nobody sees whom else it went to.
"""

import asyncio
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from storage.model import clock
from web.settings import InvalidSetting, Settings

if TYPE_CHECKING:
    import aiosmtplib

SECONDS = 60.0
"""How long it may take to send a message, from the connection to the server's last word."""
PORTS = {"smtps": 465, "smtp": 587, "smtp+plain": 25}
"""The port of each scheme: TLS from the first byte, STARTTLS, and no TLS."""


class MailFailed(Exception):
    """A message was not taken; the text says at which step, and never names the recipient.

    ``is_permanent``: the server will not take this message later either (its answer began with 5).
    """

    def __init__(self, text: str, *, is_permanent: bool = False) -> None:
        super().__init__(text)
        self.is_permanent = is_permanent


@dataclass(frozen=True)
class Attachment:
    """A file of a message; ``media_type`` such as ``application/pdf``."""

    name: str
    media_type: str
    content: bytes


@dataclass(frozen=True)
class Mail:
    """A message of plain text. ``recipient`` is an address as ``settings.is_address`` takes it.

    ``id`` names it for good: sent again after a failure, it has the same Message-ID, by which mail programs recognize
    it. Of letters, digits and ``._~-``.
    """

    id: str
    recipient: str
    subject: str
    text: str
    attachments: tuple[Attachment, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    """Further headers, such as ``Content-Language``."""


class Mailer:
    """Sends messages by the server that the settings name."""

    def __init__(self, settings: Settings) -> None:
        """Raises :exc:`InvalidSetting` if one of the two settings is missing."""
        if bool(settings.smtp_url) != bool(settings.mail_from):
            missing = "ANALYTICS_MAIL_FROM" if settings.smtp_url else "ANALYTICS_SMTP_URL"
            raise InvalidSetting(f"{missing} is needed to send e-mail: set it, or leave the other one empty, too")
        self._url = settings.smtp_url
        self._sender = settings.mail_from

    @property
    def is_configured(self) -> bool:
        """Whether there is a server to send by."""
        return bool(self._url)

    async def send(self, mail: Mail) -> None:
        """Hand a message over to the server; once this returns, it is the server's to deliver.

        Raises :exc:`MailFailed`. Without an answer to the last byte it is not known whether the server has it.
        """
        if not self._url:
            raise MailFailed("no mail server is configured: set ANALYTICS_SMTP_URL and ANALYTICS_MAIL_FROM")
        message = _message(mail, self._sender)
        with _told():
            async with asyncio.timeout(SECONDS), _client(self._url) as client:
                await client.send_message(message)


def _message(mail: Mail, sender: str) -> EmailMessage:
    message = EmailMessage(SMTP)
    message["From"], message["To"] = sender, mail.recipient
    # On one line, whoever wrote it: what follows a line break would be a header.
    message["Subject"] = " ".join(mail.subject.split())
    message["Date"] = format_datetime(clock.moment(clock.now()))
    message["Message-ID"] = f"<{mail.id}@{parseaddr(sender)[1].rpartition('@')[2]}>"
    # RFC 3834: holiday notices do not answer it.
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.text)
    for attachment in mail.attachments:
        main, _, sub = attachment.media_type.partition("/")
        message.add_attachment(attachment.content, maintype=main, subtype=sub, filename=attachment.name)
    # Last: set_content removes what begins with Content-.
    for name, value in mail.headers.items():
        message[name] = value
    return message


def _client(url: str) -> "aiosmtplib.SMTP":
    # Imported here: a service that sends nothing need not pay for it.
    import aiosmtplib

    parts = urlsplit(url)
    return aiosmtplib.SMTP(
        hostname=parts.hostname,
        port=parts.port or PORTS[parts.scheme],
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        use_tls=parts.scheme == "smtps",
        start_tls=parts.scheme == "smtp",
        tls_context=None if parts.scheme == "smtp+plain" else ssl.create_default_context(),
        timeout=SECONDS,
    )


@contextmanager
def _told() -> Iterator[None]:
    """Make a :exc:`MailFailed` of what goes wrong, with an answer's code alone: its text can name the recipient."""
    from aiosmtplib import errors

    try:
        yield
    except errors.SMTPAuthenticationError as error:
        raise MailFailed(f"the mail server refused the user and password of ANALYTICS_SMTP_URL: {error.code}") from None
    except errors.SMTPRecipientsRefused as error:
        raise _refused("the recipient", error.recipients[0].code) from None
    except errors.SMTPSenderRefused as error:
        raise _refused("the sender of ANALYTICS_MAIL_FROM", error.code) from None
    except errors.SMTPConnectResponseError as error:
        raise MailFailed(f"the mail server refused the connection: {error.code}") from None
    except errors.SMTPResponseException as error:
        raise _refused("the message", error.code) from None
    except TimeoutError:
        raise MailFailed(f"the mail server did not answer within {SECONDS:g} s") from None
    except (errors.SMTPException, OSError) as error:
        if type(error) is not errors.SMTPException:
            # A certificate that is not valid is an OSError, too.
            cause = type(error.__cause__ or error).__name__
            raise MailFailed(f"the mail server cannot be reached: {cause}") from None
        raise MailFailed(
            "the mail server offers no STARTTLS, or takes no user: is ANALYTICS_SMTP_URL to begin with smtps:// or "
            "smtp+plain://, or to name no user?"
        ) from None


def _refused(what: str, code: int) -> MailFailed:
    return MailFailed(f"the mail server refused {what}: {code}", is_permanent=500 <= code < 600)
