"""The service that a person looks at in a browser."""

import asyncio
import copy
import re
from pathlib import Path
from typing import Any, Self

import httpx2

from tests.panel.site import Site
from tests.paths import API, TRACK
from tests.samples.events import LLM_CALL
from tests.servers.ports import free_port
from tests.servers.process import Process
from tests.servers.settings import SECRET
from web.auth.tokens import ADMIN, make_token

Json = dict[str, Any]

TENANTS = 60
"""As many tests of one file can have a tenant of their own."""


class Served(Process):
    """The service, and what a person and a service post and ask of it, as those of one tenant."""

    tenant = "default"
    site_port = 0

    def site(self, page: str | None = None, seconds: float = 3600, url: str | None = None) -> Site:
        """A site whose pages the service (at *url*) allows; its tokens last so many *seconds*."""
        return Site(url or self.url, lambda: self.token(seconds), self.site_port, page)

    @property
    def port(self) -> int:
        return int(self.environment["ANALYTICS_PORT"])

    def of(self, tenant: str) -> Self:
        """The same service, for another tenant."""
        other = copy.copy(self)
        other.tenant = tenant
        return other

    def token(self, seconds: float = 3600, sub: str = "ada", **claims: Any) -> str:
        return make_token(SECRET, sub, claims.pop("roles", [ADMIN]), claims.pop("tenant", self.tenant), seconds)

    def link(self, seconds: float = 3600, url: str | None = None) -> str:
        """The dashboard's address, with a token in its fragment."""
        return f"{url or self.url}/analytics#token={self.token(seconds)}"

    async def post(self, name: str, body: Any = None, **event: Any) -> Json:
        async with httpx2.AsyncClient(base_url=self.url, headers={"X-Tracking-Key": key(self.tenant)}) as client:
            answer = await client.post(f"{TRACK}/{name}", json=event if body is None else body)
        assert answer.status_code == 201, answer.text
        found: Json = answer.json()
        return found

    async def get(self, path: str, **params: Any) -> Json:
        headers = {"Authorization": f"Bearer {self.token()}"}
        async with httpx2.AsyncClient(base_url=self.url, headers=headers) as client:
            answer = await client.get(f"{API}/{path}", params=params)
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    async def metric(self, name: str) -> float:
        """The value of one of the service's own metrics, summed over its labels."""
        async with httpx2.AsyncClient(base_url=self.url) as client:
            text = (await client.get("/metrics")).text
        return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if re.match(rf"{name}[ {{]", line))

    async def login(self, user: str, **fields: Any) -> Json:
        return await self.post("activity-public", user_id=user, username=user, activity_type="login", **fields)

    async def replay(self, seed: int) -> None:
        """Post an hour of made-up traffic at once."""
        arguments = ("replay", "--sample", "--speed", "0", "--seed", str(seed), "--url", self.url, "--key-file", "-")
        replayed = await asyncio.to_thread(self.command, *arguments, text=key(self.tenant))
        assert replayed.returncode == 0, replayed.stderr

    async def fill(self) -> None:
        """Post an hour of made-up traffic, and a few LLM calls with and without a price."""
        await self.replay(seed=7)
        calls = [
            {"type": "llm_call", **LLM_CALL, "model": model, "input_tokens": 900, "output_tokens": 200, "user_id": user}
            for model in ("gpt-5-mini", "a-model-of-our-own")
            for user in ("u-1", "u-2")
        ]
        await self.post("batch", calls)


def key(tenant: str) -> str:
    return f"key-of-{tenant}-0123456789"


async def started(folder: Path) -> Served:
    tenants = ["default", "acme", *(f"t{number}" for number in range(TENANTS))]
    keys = ",".join(f"{tenant}:{key(tenant)}" for tenant in tenants)
    site_port = free_port()
    origin = f"http://127.0.0.1:{site_port}"
    # Reports can be scheduled; none is due while the tests run.
    mail = {"SMTP_URL": "smtp+plain://127.0.0.1:9", "MAIL_FROM": "analytics@example.com"}
    served = Served(folder, HEARTBEAT_SECONDS="1", TRACKING_KEYS=keys, ALLOWED_ORIGINS=origin, **mail)
    served.site_port = site_port
    await served.start()
    return served
