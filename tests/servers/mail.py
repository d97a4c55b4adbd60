"""A mail server that keeps what it is sent, and does what tests ask of it."""

import asyncio
import datetime
import ipaddress
import ssl
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP as POLICY
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.servers.ports import free_port

PASSWORD = "p@ss word"


class MailServer:
    """Keeps messages as they come; ``refuses`` are the answers to single recipients, ``answer`` the one to a message.

    While ``takes`` is not set, no message is answered; ``asked``: one has come.
    """

    def __init__(self) -> None:
        self.port = free_port()
        self.messages: list[EmailMessage] = []
        self.recipients: list[str] = []
        self.refuses: dict[str, str] = {}
        self.answer = "250 OK"
        self.takes = asyncio.Event()
        self.takes.set()
        self.asked = asyncio.Event()

    @property
    def url(self) -> str:
        return f"smtp+plain://127.0.0.1:{self.port}"

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:  # noqa: N802
        if address in self.refuses:
            return self.refuses[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        self.asked.set()
        await self.takes.wait()
        if self.answer.startswith("2"):
            message = message_from_bytes(envelope.content, policy=POLICY)
            assert isinstance(message, EmailMessage)
            self.messages.append(message)
            self.recipients += envelope.rcpt_tos
        return self.answer


@asynccontextmanager
async def mail_server(*, tls: ssl.SSLContext | None = None, starttls: bool = False) -> AsyncIterator[MailServer]:
    """Run one; with *tls* from the first byte, or with *starttls* by STARTTLS, it takes the user ``ada`` alone."""
    found = MailServer()

    def authenticate(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        return AuthResult(handled=False, success=(data.login, data.password) == (b"ada", PASSWORD.encode()))

    def serve() -> SMTP:
        with warnings.catch_warnings():
            # It does not know of TLS from the first byte, and warns of passwords without TLS.
            warnings.simplefilter("ignore")
            return SMTP(
                found,
                hostname="localhost",
                tls_context=tls if starttls else None,
                require_starttls=starttls,
                authenticator=authenticate,
                auth_required=tls is not None,
                auth_require_tls=starttls,
                loop=asyncio.get_running_loop(),
            )

    server = await asyncio.get_running_loop().create_server(
        serve, "127.0.0.1", found.port, ssl=None if starttls else tls
    )
    try:
        yield found
    finally:
        found.takes.set()
        server.close()
        await server.wait_closed()


def certificate(folder: Path) -> ssl.SSLContext:
    """Make a certificate for localhost, ``cert.pem`` in *folder*, and what serves with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(key.private_bytes(*form))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context
