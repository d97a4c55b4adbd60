"""The key by which the auth service signs tokens (RS256), and what it publishes of it (JWKS, RFC 7517)."""

import base64
import hashlib
import json
import os
import secrets
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from jwt.algorithms import RSAAlgorithm

ALGORITHM = "RS256"
BITS = 2048


class SigningKey:
    """An RSA key."""

    def __init__(self, pem: bytes) -> None:
        """Take a private key in PEM."""
        key = load_pem_private_key(pem, password=None)
        if not isinstance(key, rsa.RSAPrivateKey):
            raise ValueError("the signing key is not one of RSA")
        self._key = key
        public: dict[str, Any] = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
        self._public = {name: public[name] for name in ("e", "kty", "n")}
        # Its thumbprint (RFC 7638): another key has another id, so verifiers know that they have to fetch it.
        digest = hashlib.sha256(json.dumps(self._public, sort_keys=True, separators=(",", ":")).encode()).digest()
        self._id = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

    @classmethod
    def kept(cls, file: Path) -> "SigningKey":
        """Read the key at *file*; a missing one is made, complete and readable by the owner alone."""
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            keep(file, _new_key())
        return cls(file.read_bytes())

    def sign(self, claims: dict[str, Any]) -> str:
        """Make a token."""
        return jwt.encode(claims, self._key, algorithm=ALGORITHM, headers={"kid": self._id})

    def published(self) -> dict[str, Any]:
        """Give the set of public keys."""
        return {"keys": [{**self._public, "kid": self._id, "use": "sig", "alg": ALGORITHM}]}


def keep(file: Path, secret: bytes) -> None:
    """Write a secret that only its owner may read; one that is there already stays."""
    draft = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
        opened.write(secret)
    try:
        # Nobody ever sees half of it, and of two that write at once one wins.
        os.link(draft, file)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _new_key() -> bytes:
    key = rsa.generate_private_key(public_exponent=65537, key_size=BITS)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
