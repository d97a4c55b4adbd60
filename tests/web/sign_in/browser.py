"""A browser as far as sessions go: its cookies, and what it adds to the requests of pages."""

from http.cookiejar import DefaultCookiePolicy
from http.cookies import SimpleCookie
from typing import Any

import httpx2

from tests.paths import API
from tests.servers.service import Running

SESSION = f"{API}/session"


class Browser:
    """Keeps cookies as the service sets them; *origin* is that of the page that asks, by default the service's own."""

    def __init__(self, running: Running, origin: str | None = None, host: str | None = None) -> None:
        self.running = running
        self.origin = origin or running.url
        self.host = host
        self.cookies: dict[str, str] = {}
        self.attributes: dict[str, Any] = {}
        # All browsers of a test share this client, and each has cookies of its own.
        running.http.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))

    def headers(self, **more: str) -> dict[str, str]:
        """The headers of a request of this page: its origin, and the cookies."""
        cookies = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        host = {"Host": self.host} if self.host else {}
        origin = {"X-Page-Origin": self.origin} if self.origin else {}
        return {**(cookies if self.cookies else {}), **origin, **host, **more}

    async def ask(self, method: str, path: str, **options: Any) -> httpx2.Response:
        """Send a request, and keep the cookies of the answer."""
        headers = self.headers(**options.pop("headers", {}))
        response = await self.running.http.request(method, path, headers=headers, **options)
        for line in response.headers.get_list("set-cookie"):
            for name, morsel in SimpleCookie(line).items():
                self.attributes = {key: value for key, value in morsel.items() if value}
                if morsel["max-age"] == "0":
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = morsel.value
        return response

    async def sign_in(self, token: str, **more: Any) -> httpx2.Response:
        """Exchange a token."""
        return await self.ask("POST", SESSION, json=more, headers={"Authorization": f"Bearer {token}"})

    async def sign_in_by(self, code: str, **more: Any) -> httpx2.Response:
        """Exchange a code."""
        return await self.ask("POST", SESSION, json={"code": code, **more})
