"""A line to a server: one keep-alive HTTP connection that writes prepared requests, as light as Python can."""

import asyncio
from collections.abc import Callable
from typing import cast

HEAD_END = b"\r\n\r\n"
_LENGTH = b"content-length: "


def get(path: str, token: str) -> bytes:
    """Write a GET request with a bearer *token*."""
    return f"GET {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n\r\n".encode()


def post(path: str, body: bytes, media: str = "application/json") -> bytes:
    """Write a POST request with a *body* of a media type."""
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {media}\r\nContent-Length: {len(body)}"
    return head.encode() + HEAD_END + body


class HttpConnection(asyncio.Protocol):
    """One connection, with at most one request on its way.

    *answered* gets the line and the answer's body; *failed* an answer other than 2xx, or the end of the connection.
    """

    def __init__(
        self, answered: Callable[["HttpConnection", bytes], None], failed: Callable[[Exception], None]
    ) -> None:
        self._answered = answered
        self._failed = failed
        self._buffer = b""
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        # uvloop's transports have the methods of asyncio's, but not their type.
        self._transport = cast(asyncio.WriteTransport, transport)

    def connection_lost(self, error: Exception | None) -> None:
        """Tell, unless it was closed here."""
        if self._transport is not None:
            self._failed(error or ConnectionError("the server closed the connection"))

    def close(self) -> None:
        """Close the connection."""
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.close()

    def send(self, request: bytes) -> None:
        """Write a request."""
        if self._transport is not None:
            self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Gather the answer; hand it over when it is whole."""
        self._buffer = answer = self._buffer + data if self._buffer else data
        head = answer.find(HEAD_END)
        if head < 0:
            return
        at = answer.index(_LENGTH) + len(_LENGTH)
        body = head + len(HEAD_END)
        if len(answer) < body + int(answer[at : answer.index(b"\r", at)]):
            return
        self._buffer = b""
        if answer[9:10] == b"2":
            self._answered(self, answer[body:])
        else:
            self._failed(RuntimeError(f"the server answered {answer[9:12].decode()}: {answer[body:].decode()}"))
