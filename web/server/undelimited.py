"""Answers to clients of HTTP/1.0, which knows no chunks."""

from typing import Any

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle


def until_closed(cycle: RequestResponseCycle, app: Any) -> Any:
    """Serve a client of HTTP/1.0: a body whose length is not known ends with the connection (RFC 9112, 6.3).

    uvicorn would send it in chunks, which only HTTP/1.1 knows.
    """

    async def serve(scope: Any, receive: Any, send: Any) -> None:
        is_measured = True

        async def write(message: Any) -> None:
            nonlocal is_measured
            if message["type"] == "http.response.start":
                names = {name.lower() for name, _ in message.get("headers", ())}
                is_measured = b"content-length" in names
                cycle.chunked_encoding = None if is_measured else False
            elif not is_measured:
                # All of it is as long as it was to be.
                cycle.expected_content_length = len(message.get("body", b""))
            await send(message)

        await app(scope, receive, write)

    return serve
