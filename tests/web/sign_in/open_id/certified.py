"""A certified OpenID provider (npm oidc-provider), run by the Node that builds the front end."""

import asyncio
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2

from tests.servers.ports import free_port
from tests.servers.program import spawn

FOLDER = Path(__file__).parent
CLIENT, SECRET = "analytics", "a secret/with+odd: characters%20"


class Certified:
    """The provider, for one client."""

    def __init__(self, redirect_uris: list[str], *, is_thin: bool = False, method: str = "client_secret_basic") -> None:
        """*is_thin*: its ID tokens hold the subject alone, and all else is at the userinfo endpoint.

        *method* is the one way in which it takes the client's secret.
        """
        self.port = free_port()
        [self.callback] = redirect_uris
        self.issuer = f"http://127.0.0.1:{self.port}"
        registered = {
            "client_id": CLIENT,
            "client_secret": SECRET,
            "redirect_uris": redirect_uris,
            "token_endpoint_auth_method": method,
        }
        self._options = json.dumps({"client": registered, "isThin": is_thin})
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def settings(self) -> dict[str, str]:
        """The settings by which a service knows it."""
        return {
            "OIDC_ISSUER": self.issuer,
            "OIDC_CLIENT_ID": CLIENT,
            "OIDC_CLIENT_SECRET": SECRET,
            "OIDC_NAME": "Example",
            "JWT_ROLES_CLAIM": "analytics.roles",
        }

    async def start(self) -> None:
        """Start it, and wait until it answers."""
        assert (FOLDER / "node_modules").exists(), "make .venv/provider installs it"
        beside = Path(sys.executable).with_name("node")
        node = str(beside) if beside.exists() else shutil.which("node")
        assert node is not None
        quiet: Any = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self._process = spawn([node, str(FOLDER / "provider.mjs"), str(self.port), self._options], **quiet)
        async with httpx2.AsyncClient() as client:
            while True:
                try:
                    await client.get(f"{self.issuer}/.well-known/openid-configuration")
                    return
                except httpx2.TransportError:
                    assert self._process.poll() is None, "the provider ended"
                    await asyncio.sleep(0.05)

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
