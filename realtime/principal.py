"""Who a valid token or session speaks for: one type for reports, live connections, revocations and the audit."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Principal:
    """The subject of a valid token, and its tenant. Times are Unix time in seconds.

    ``expires`` is when the token, or the session, ends. ``issued`` and ``token_id`` are the claims ``iat`` and ``jti``,
    which tell one token of a subject from another; None if the token has none. ``session`` is the hash of the session's
    secret; None if the token itself was shown. ``signed_by`` tells the key of the token from others.
    """

    subject: str
    tenant_id: str
    roles: tuple[str, ...]
    expires: float
    issued: float | None = None
    token_id: str | None = None
    session: str | None = None
    signed_by: str | None = None
