"""The listening socket: connections are accepted as fast as they come, and served in turn of their addresses.

The kernel queues connections in the order of their arrival. To begin to serve one takes 0.2 ms: whoever opens two
thousand at once, as panels do after a failure, would keep everybody else's next connection waiting for half a second
and more. To accept one takes some microseconds.
"""

import asyncio
import socket
from collections.abc import Callable

from storage.pace import SharedPace

BEGUN = 2
"""Connections that begin in one turn of the event loop."""
ACCEPTED = 32
"""Connections that are accepted in one turn; processes that share the socket take as many each."""
WAITING = 2_048
"""Connections that are accepted and have not begun, at most; others wait in the kernel's queue."""
PAUSE_SECONDS = 0.1
"""How long nothing is accepted when the system has no descriptor or no memory left."""


class Listener:
    """Accepts from a listening socket until :meth:`close`."""

    def __init__(self, listening: socket.socket, protocol: Callable[[], asyncio.BaseProtocol]) -> None:
        """*protocol* makes what serves a connection."""
        self._listening = listening
        self._protocol = protocol
        self._pace = SharedPace(BEGUN)
        self._waiting: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self._pause: asyncio.TimerHandle | None = None
        self._is_accepting = self._is_closed = False
        listening.setblocking(False)
        self._resume()

    async def close(self) -> None:
        """Accept nobody any more, and begin to serve those who were accepted; the socket stays open."""
        self._is_closed = True
        self._stop()
        if self._waiting:
            await asyncio.wait(self._waiting)

    def _accept(self) -> None:
        for _ in range(ACCEPTED):
            if len(self._waiting) >= WAITING:
                self._stop()
                return
            try:
                connection, address = self._listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError:
                self._stop()
                self._pause = self._loop.call_later(PAUSE_SECONDS, self._resume)
                return
            task = self._loop.create_task(self._begin(connection, address[0]))
            self._waiting.add(task)
            task.add_done_callback(self._leave)

    async def _begin(self, connection: socket.socket, address: str) -> None:
        await self._pace.enter(address)
        try:
            connection.setblocking(False)
            await self._loop.connect_accepted_socket(self._protocol, connection)
        except OSError:
            # It has gone meanwhile.
            connection.close()

    def _leave(self, task: asyncio.Task[None]) -> None:
        self._waiting.discard(task)
        if len(self._waiting) < WAITING and self._pause is None:
            self._resume()

    def _stop(self) -> None:
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None
        if self._is_accepting:
            self._is_accepting = False
            self._loop.remove_reader(self._listening)

    def _resume(self) -> None:
        self._pause = None
        if not (self._is_accepting or self._is_closed):
            self._is_accepting = True
            self._loop.add_reader(self._listening, self._accept)
