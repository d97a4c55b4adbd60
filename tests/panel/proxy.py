"""A network between a browser and the service that can be cut, that can block whatever streams, and can lie."""

import asyncio
from typing import Self

CHUNK = 1 << 16


class Proxy:
    """Passes bytes between its own port and the service's, unless told otherwise.

    ``refuses_upgrades``: a WebSocket handshake is answered with 403, as by a network that knows HTTP alone.
    ``gathers``: an event stream is kept back until it ends, as by one that looks through every answer.
    ``garbles``: the first of these bytes pass as the second, once; as long as they, so that frames stay whole.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._passing = asyncio.Event()
        self._passing.set()
        self.refuses_upgrades = False
        self.gathers = False
        self.garbles: tuple[bytes, bytes] | None = None

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def cut(self) -> None:
        """Let nothing pass, and tell nobody, as on a train in a tunnel."""
        self._passing.clear()

    def mend(self) -> None:
        """Let all pass again, also what waited."""
        self._passing.set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_error: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._carry(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        await self._passing.wait()
        if self.refuses_upgrades and b"upgrade: websocket" in head.lower():
            writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            await writer.drain()
            return
        onward, back = await asyncio.open_connection("127.0.0.1", self._port)
        back.write(head)
        try:
            _, pending = await asyncio.wait(
                {asyncio.create_task(self._pass(reader, back)), asyncio.create_task(self._pass(onward, writer))},
                return_when=asyncio.FIRST_COMPLETED,
            )
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)
        finally:
            back.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(CHUNK):
            await self._passing.wait()
            if self.gathers and b"content-type: text/event-stream" in data.lower():
                data += await reader.read()
            if self.garbles is not None and self.garbles[0] in data:
                data = data.replace(*self.garbles, 1)
                self.garbles = None
            writer.write(data)
            await writer.drain()
