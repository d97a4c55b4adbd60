"""The analytics service under the page's own address: what the panel and the dashboard read, and nothing else.

So the page's policy needs no other origin, and the dashboard at ``/analytics`` finds the token that the page keeps.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable

import httpx2
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

API = "/api/v1/analytics"
LIVE = f"{API}/live"
PAGE = "/analytics"
TIMEOUT = httpx2.Timeout(70, connect=5)
"""Seconds: longer than the silence between two heartbeats of a live connection, and than a report may take."""
MOST_FRAME = 4 << 20
"""Bytes of a live connection's frame."""
NO_STATUS, ABNORMAL = 1005, 1006
"""How a connection ended that had no close code; neither may be sent."""
ASKED = ("accept", "authorization", "if-none-match", "last-event-id")
"""Headers of a request that are passed on; cookies, above all, are not."""
ANSWERED = (
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-length",
    "content-security-policy",
    "content-type",
    "cross-origin-opener-policy",
    "cross-origin-resource-policy",
    "etag",
    "retry-after",
    "vary",
    "www-authenticate",
)
"""Headers of an answer that are passed on."""


class Gateway:
    """Passes on reads, and the live connection."""

    def __init__(self, analytics_url: str, page_url: str, auth_url: str, script: str) -> None:
        """Take where the services are, and the *script* that keeps the dashboard signed in, which asks the auth one."""
        self._live = analytics_url.replace("http", "ws", 1) + LIVE
        self._page_url = page_url
        self._may_connect = f"connect-src {auth_url} "
        self._script = f'<script type="module" src="{script}"></script>'
        self._client = httpx2.AsyncClient(base_url=analytics_url, timeout=TIMEOUT)

    async def close(self) -> None:
        """Give connections back."""
        await self._client.aclose()

    def routes(self) -> list[BaseRoute]:
        """List the routes."""
        return [
            Route(PAGE, self.dashboard, methods=["GET"]),
            Route(f"{PAGE}/", lambda _request: RedirectResponse(PAGE), include_in_schema=False),
            Route(f"{PAGE}/{{path:path}}", self.read, methods=["GET"]),
            WebSocketRoute(LIVE, self.follow),
            Route(f"{API}/{{path:path}}", self.read, methods=["GET"]),
        ]

    async def dashboard(self, _request: Request) -> Response:
        """Show the analytics dashboard, signed in as the chat is."""
        try:
            answer = await self._client.get(PAGE)
        except httpx2.TransportError:
            return _away()
        # Before its own scripts: these then find the token.
        page = answer.text.replace("<script", f"{self._script}<script", 1)
        policy = answer.headers.get("content-security-policy", "default-src 'none'")
        headers = {"Content-Security-Policy": policy.replace("connect-src ", self._may_connect)}
        return Response(page, answer.status_code, {**headers, "Cache-Control": "no-cache"}, "text/html")

    async def read(self, request: Request) -> Response:
        """Pass a read on to the analytics service: what panel and dashboard are made of, and an admin's reports."""
        headers = {**_chosen(request.headers.items(), ASKED), "Accept-Encoding": _encoding(request)}
        url = httpx2.URL(path=request.url.path, query=request.url.query.encode())
        try:
            answer = await self._client.send(self._client.build_request("GET", url, headers=headers), stream=True)
        except httpx2.TransportError:
            return _away()
        return StreamingResponse(_pieces(answer), answer.status_code, _chosen(answer.headers.items(), ANSWERED))

    async def follow(self, socket: WebSocket) -> None:
        """Pass a live connection on, both ways, with its close code."""
        if socket.headers.get("origin") not in (None, self._page_url):
            await socket.send_denial_response(Response("only this page may connect", 403))
            return
        offered = [Subprotocol(name) for name in socket.scope["subprotocols"]]
        asked = _chosen(socket.headers.items(), ("authorization",))
        try:
            service = await connect(
                self._live,
                subprotocols=offered or None,
                additional_headers=asked,
                compression=None,
                max_size=MOST_FRAME,
                ping_interval=None,
                proxy=None,
            )
        except InvalidStatus as refused:
            refusal = refused.response
            headers = _chosen(refusal.headers.raw_items(), ("content-type", "retry-after", "www-authenticate"))
            await socket.send_denial_response(Response(refusal.body, refusal.status_code, headers))
        except (OSError, TimeoutError):
            await socket.send_denial_response(_away())
        else:
            async with service:
                await _join(socket, service)


async def _join(socket: WebSocket, service: ClientConnection) -> None:
    """Pass frames on until one side ends."""
    await socket.accept(service.subprotocol)
    ways = [asyncio.create_task(_up(socket, service)), asyncio.create_task(_down(service, socket))]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)


async def _up(socket: WebSocket, service: ClientConnection) -> None:
    try:
        while True:
            await service.send(await socket.receive_text())
    except WebSocketDisconnect as left:
        await service.close(1000 if left.code in (NO_STATUS, ABNORMAL) else left.code)
    except (ConnectionClosed, KeyError):
        # The service has ended it, which the other way tells; or a frame of bytes, which there are none of.
        await service.close()


async def _down(service: ClientConnection, socket: WebSocket) -> None:
    try:
        async for frame in service:
            await socket.send_text(frame if isinstance(frame, str) else frame.decode())
        code, reason = service.close_code, service.close_reason
        # A service that is gone without a word will be back: 1012 says so.
        await socket.close(1012 if code in (None, NO_STATUS, ABNORMAL) else code, reason or "")
    except (WebSocketDisconnect, ConnectionClosed, RuntimeError):
        # It left while it was sent something.
        return


async def _pieces(answer: httpx2.Response) -> AsyncIterator[bytes]:
    """Give a body as it comes, compressed as it is."""
    try:
        async for piece in answer.aiter_raw():
            yield piece
    finally:
        await answer.aclose()


def _chosen(headers: Iterable[tuple[str, str]], names: Iterable[str]) -> dict[str, str]:
    wanted = set(names)
    return {name: value for name, value in headers if name.lower() in wanted}


def _encoding(request: Request) -> str:
    return "gzip" if "gzip" in request.headers.get("accept-encoding", "") else "identity"


def _away() -> Response:
    return Response("the analytics service cannot be reached just now", 502, {"Retry-After": "2"})
