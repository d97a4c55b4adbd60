"""Entity tags (RFC 9110, 8.8.3). All are weak: an answer may be gzipped on its way, and is then other bytes."""

import hashlib
from importlib.metadata import version

BUILD = hashlib.sha256(version("convoai-analytics").encode()).hexdigest()[:8]
"""The code that answers: another version may answer otherwise from the same data. A digest, as no answer names it."""


def digest(body: bytes) -> str:
    """Name the state of an answer by its *body*, where nothing else does."""
    return hashlib.sha256(body).hexdigest()[:32]


def weak(state: str) -> str:
    """Write the header ETag of an answer that this version makes of a *state*."""
    return f'W/"{BUILD}.{state}"'


def matches(header: str, etag: str) -> bool:
    """Compare the header If-None-Match with an *etag* that :func:`weak` wrote: weakly, as it asks to (13.1.2)."""
    known = [item.strip().removeprefix("W/") for item in header.split(",")]
    return header.strip() == "*" or etag.removeprefix("W/") in known
