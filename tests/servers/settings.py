"""Settings of services under test."""

from pathlib import Path
from typing import Any

from tests.servers.ports import free_port

SECRET = "a secret of the tests, long enough for HS256"
RETENTION: dict[str, Any] = {
    f"RETENTION_{name}_DAYS": "3" for name in ("ACTIVITY", "MESSAGE", "API_USAGE", "CONVERSATION")
}
"""Of a service that keeps three days of everything."""


def environment(folder: Path, **settings: str) -> dict[str, str]:
    """Settings for a service in *folder*; names without their prefix."""
    base = {
        "DATABASE_URL": f"sqlite+aiosqlite:///{folder}/analytics.db",
        "JWT_SECRET": SECRET,
        "TRACKING_KEYS": "acme:acme-key-0123456789,globex:globex-key-0123456789,own-key-0123456789",
        "TRUSTED_NETWORKS": "127.0.0.0/8,::1/128",
        "PORT": str(free_port()),
        "TICK_MS": "20",
        "HEARTBEAT_SECONDS": "0.5",
        "AUDIT_LOG": "off",
    }
    return {f"ANALYTICS_{name}": value for name, value in {**base, **settings}.items()}
