"""What the three services are told by the environment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from convoai_analytics_client import Analytics

AUDIENCE = "convoai"
"""The platform's name in the claim ``aud`` of its tokens; the analytics service takes it by ANALYTICS_JWT_AUDIENCE."""
FLUSH_SECONDS = 0.2
"""How long a tracked event may wait for others: the panel shows a message well within a second."""


@dataclass(frozen=True)
class Settings:
    """Where everything is. Addresses are those that browsers use, unless they say otherwise."""

    host: str
    """The address that a service listens on."""
    port: int
    data: Path
    """The folder of its database."""
    page_url: str
    auth_url: str
    """Also the issuer of the tokens."""
    chatbot_url: str
    jwks_url: str
    """Where the services find the public keys."""
    analytics_url: str
    """Where the services find the analytics service."""
    tracking_key: str | None = field(repr=False)
    openai_base_url: str
    """An endpoint that speaks OpenAI's protocol, such as ``http://127.0.0.1:11434/v1``; empty: the built-in model."""
    openai_api_key: str = field(repr=False)
    openai_model: str
    tokens_per_second: float
    """The pace of the built-in model."""

    @classmethod
    def read(cls, environment: Mapping[str, str], port: int) -> Self:
        """Read them; *port* is the one to listen on by default. Raises ValueError, which names the variable."""

        def text(name: str, default: str) -> str:
            return environment.get(name) or default

        def number(name: str, default: float) -> float:
            try:
                value = float(text(name, str(default)))
            except ValueError:
                raise ValueError(f"{name}: expected a number") from None
            if not 0 < value < 1e6:
                raise ValueError(f"{name}: expected more than 0, and less than a million")
            return value

        def url(name: str, default: str) -> str:
            value = text(name, default).rstrip("/")
            if not value.startswith(("http://", "https://")):
                raise ValueError(f"{name}: expected an address that begins with http:// or https://")
            return value

        auth_url = url("CONVOAI_AUTH_URL", "http://127.0.0.1:8001")
        base_url = text("OPENAI_BASE_URL", "")
        return cls(
            host=text("CONVOAI_HOST", "127.0.0.1"),
            port=int(number("CONVOAI_PORT", port)),
            data=Path(text("CONVOAI_DATA", "data/platform")),
            page_url=url("CONVOAI_PAGE_URL", "http://127.0.0.1:3000"),
            auth_url=auth_url,
            chatbot_url=url("CONVOAI_CHATBOT_URL", "http://127.0.0.1:8000"),
            jwks_url=url("CONVOAI_JWKS_URL", f"{auth_url}/.well-known/jwks.json"),
            analytics_url=url("ANALYTICS_URL", "http://127.0.0.1:8002"),
            tracking_key=environment.get("ANALYTICS_TRACKING_KEY") or None,
            openai_base_url=url("OPENAI_BASE_URL", base_url) if base_url else "",
            openai_api_key=text("OPENAI_API_KEY", ""),
            openai_model=text("OPENAI_MODEL", "gpt-5-mini"),
            tokens_per_second=number("CONVOAI_TOKENS_PER_SECOND", 30),
        )

    def analytics(self) -> Analytics:
        """Make the client of a service. Addresses of people are kept as hashes alone."""
        return Analytics(self.analytics_url, self.tracking_key, hash_ip=True, flush_seconds=FLUSH_SECONDS)
