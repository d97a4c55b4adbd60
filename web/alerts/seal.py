"""Addresses and secrets of targets at rest: encrypted with AES-256-GCM, and readable by the service alone.

The key is the SHA-256 of ``ANALYTICS_ALERTS_SECRET`` or, beside a database file, of a random secret that is made once
and kept there (mode 0600), as that of tokens is. So neither a copy of the database nor a backup tells them. Tenant and
id of the target are authenticated with each: a row that is moved to another target cannot be read.
"""

import base64
import binascii
import hashlib
import secrets

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Struct

from storage.engine.urls import file_of
from web.auth.tokens import kept_secret
from web.settings import Settings

NONCE_BYTES = 12
NEEDED = "set ANALYTICS_ALERTS_SECRET: targets of alerts are kept encrypted with it"


class Secret(Struct, frozen=True):
    """A secret of a webhook, as base64; from ``until`` on it is not used any more (None: it is the newest)."""

    key: str
    until: str | None = None


class Address(Struct, frozen=True):
    """Where a target is: its ``url`` or e-mail address, and the ``secrets`` of a webhook, the newest first."""

    url: str
    secrets: tuple[Secret, ...] = ()


class NoKey(Exception):
    """There is no secret to encrypt with; the text says which setting is needed."""


class Unreadable(Exception):
    """What is kept was encrypted with another secret, or for another target; the text says what to do."""


class Seal:
    """Encrypts and decrypts the addresses of targets."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._cipher: AESGCM | None = None

    def close(self, tenant_id: str, target_id: str, address: Address) -> str:
        """Encrypt an address; raises :exc:`NoKey`."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        closed = self._key().encrypt(nonce, msgspec.json.encode(address), _owner(tenant_id, target_id))
        return base64.b64encode(nonce + closed).decode()

    def open(self, tenant_id: str, target_id: str, sealed: str) -> Address:
        """Decrypt an address; raises :exc:`Unreadable` and :exc:`NoKey`."""
        try:
            raw = base64.b64decode(sealed, validate=True)
            opened = self._key().decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], _owner(tenant_id, target_id))
            return msgspec.json.decode(opened, type=Address)
        except (InvalidTag, ValueError, binascii.Error, msgspec.MsgspecError):
            raise Unreadable(
                "the target was kept with another ANALYTICS_ALERTS_SECRET: set that again, or set the target again"
            ) from None

    def _key(self) -> AESGCM:
        if self._cipher is None:
            secret = self._settings.alerts_secret or self._beside()
            self._cipher = AESGCM(hashlib.sha256(b"targets of alerts: " + secret.encode()).digest())
        return self._cipher

    def _beside(self) -> str:
        database = file_of(self._settings.database_url)
        if database is None:
            raise NoKey(NEEDED)
        return kept_secret(database.with_name(f"{database.name}.alerts-secret"))


def _owner(tenant_id: str, target_id: str) -> bytes:
    return msgspec.json.encode([tenant_id, target_id])
