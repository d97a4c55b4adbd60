"""The listening socket: connections are accepted as fast as they come, and served in turn of their addresses.

The kernel queues connections in the order of their arrival. To begin to serve one takes 0.2 ms: a client that opens two
thousand at once, as subscribers do after a failure, would keep every other client's next connection waiting for half a
second and more. To accept one takes some microseconds.
"""

import asyncio
import errno
import math
import socket
from collections import Counter, defaultdict
from collections.abc import Callable
from functools import partial

import structlog

from storage.fairness.slicing import SharedSlicer
from web.http.connections import network_of

BEGUN = 2
"""Connections that begin in one turn of the event loop."""
ACCEPTED = 32
"""Connections that are accepted in one turn; processes that share the socket take as many each."""
ENDING = 64
"""Connections that begin in one turn when no connection is accepted any more."""
PAUSE_SECONDS = 0.1
"""How long nothing is accepted when the system has no descriptor or no memory left."""
LOG_SECONDS = 60.0
"""How often that is logged at most, and how often dropped connections are."""
ALWAYS = 256
"""Connections of one address that may wait in any case."""
SHARE = 3
"""Beyond these an address may have at most so many times as many waiting as there is room for others: alone it gets
three quarters (see ``storage/fairness/shares.py`` for the source). So the kernel's queue, which knows no turns,
stays short: who opens connections faster than they begin loses the newest of its own."""

log = structlog.get_logger()


class Listener:
    """Accepts from a listening socket until :meth:`close`.

    Beyond *most* connections that were accepted and have not begun, others wait in the kernel's queue, in no turn. An
    address that has its share of these waiting already is not let wait: its next connection is closed.
    """

    def __init__(
        self,
        listening: socket.socket,
        protocol: Callable[[], asyncio.BaseProtocol],
        most: int,
        dropped: Callable[[], None] = lambda: None,
    ) -> None:
        """*protocol* makes what serves a connection; *dropped* is called for each one that is closed instead."""
        self._listening = listening
        self._protocol = protocol
        self._most = most
        self._on_dropped = dropped
        self._logged_at: defaultdict[str, float] = defaultdict(lambda: -math.inf)
        self._slicer = SharedSlicer(BEGUN)
        self._waiting: set[asyncio.Task[None]] = set()
        self._networks = Counter[str]()
        self._dropped = 0
        self._loop = asyncio.get_running_loop()
        self._pause: asyncio.TimerHandle | None = None
        self._is_accepting = self._is_closed = False
        listening.setblocking(False)
        self._resume()

    async def close(self) -> None:
        """Accept no connection any more, and begin to serve those who were accepted; the socket stays open."""
        self._is_closed = True
        self._stop()
        self._slicer.each_turn = ENDING
        if self._waiting:
            await asyncio.wait(self._waiting)

    def _accept(self) -> None:
        for _ in range(ACCEPTED):
            if len(self._waiting) >= self._most:
                self._stop()
                return
            try:
                connection, address = self._listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._rest(error)
                return
            network = network_of(address[0])
            if self._has_its_share(network):
                connection.close()
                self._dropped += 1
                self._on_dropped()
                continue
            task = self._loop.create_task(self._begin(connection, network))
            self._waiting.add(task)
            self._networks[network] += 1
            task.add_done_callback(partial(self._leave, network))

    def _has_its_share(self, network: str) -> bool:
        room = self._most - len(self._waiting)
        return self._networks[network] >= max(ALWAYS, SHARE * room)

    def _rest(self, error: OSError) -> None:
        """Accept no connection for a moment: there are no descriptors left."""
        self._stop()
        self._pause = self._loop.call_later(PAUSE_SECONDS, self._resume)
        if self._is_log_due("cannot_accept"):
            log.warning("cannot_accept", error=errno.errorcode.get(error.errno or 0), advice="raise ulimit -Hn")

    def _is_log_due(self, line: str) -> bool:
        is_due = self._loop.time() - self._logged_at[line] > LOG_SECONDS
        if is_due:
            self._logged_at[line] = self._loop.time()
        return is_due

    async def _begin(self, connection: socket.socket, network: str) -> None:
        await self._slicer.enter(network)
        try:
            connection.setblocking(False)
            # asyncio sets it only for a socket that was made with the protocol's number.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await self._loop.connect_accepted_socket(self._protocol, connection)
        except Exception as error:
            connection.close()
            # One that has gone meanwhile is no fault.
            if not isinstance(error, OSError):
                log.exception("connection_not_begun")

    def _leave(self, network: str, task: asyncio.Task[None]) -> None:
        self._waiting.discard(task)
        self._networks[network] -= 1
        if not self._networks[network]:
            del self._networks[network]
        if self._dropped and self._is_log_due("connections_dropped"):
            log.warning("connections_dropped", count=self._dropped, reason="one address opened too many at once")
            self._dropped = 0
        if len(self._waiting) < self._most and self._pause is None:
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
