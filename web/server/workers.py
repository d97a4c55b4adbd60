"""Several processes behind one listening socket, on one machine: ``serve --workers N``.

The parent binds the socket, and serves nothing itself. All workers accept from that one socket: a connection that waits
for one that ends is taken by another; with a socket for each (``SO_REUSEPORT``) it would be reset. A pair of sockets
joins the parent to each worker: it tells the parent that the worker serves, and the worker that the parent is gone,
however that came about; then the worker ends too.
"""

import asyncio
import itertools
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

import structlog

from storage.engine.urls import file_of
from storage.errors import StorageError
from web.ops import logs
from web.ops.log_stream import STDERR
from web.server.runner import listen, run
from web.settings import InvalidSetting, Settings

log = structlog.get_logger()

BACKOFF_SECONDS = (0.1, 5.0)
"""The shortest and the longest wait before a worker that ended is replaced; it grows while they end soon."""
STEADY_SECONDS = 10.0
"""How long a worker must have lived for its end to be the first of a new series."""
GRACE_SECONDS = 5.0
"""How much longer than ``ANALYTICS_STOP_SECONDS`` a worker may take to end before it is killed."""
METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The variable by which the workers' metrics find the folder that they share."""


def serve(settings: Settings, count: int) -> int:
    """Serve with *count* workers until SIGTERM or SIGINT, and give the exit code.

    SIGHUP replaces the workers one after the other. Raises :exc:`InvalidSetting` and :exc:`CannotListen`.
    """
    if not settings.redis_url:
        raise InvalidSetting(
            "--workers needs ANALYTICS_REDIS_URL: by Redis or Valkey, workers hear of each other's events"
        )
    if file_of(settings.database_url) is not None:
        raise InvalidSetting("--workers needs PostgreSQL in ANALYTICS_DATABASE_URL: an SQLite file has one writer")
    with listen(settings) as listening, tempfile.TemporaryDirectory(prefix="convoai-analytics-") as folder:
        return asyncio.run(Workers(settings, count, listening, Path(folder)).run())


class Worker:
    """A worker, seen from its parent. Its *number* is its own as long as it lives."""

    def __init__(self, number: int, process: asyncio.subprocess.Process, control: socket.socket) -> None:
        self.number = number
        self.began = time.monotonic()
        self._process = process
        self._control = control

    @classmethod
    async def start(cls, number: int, listening: socket.socket, folder: Path) -> Self:
        """Start the process."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with theirs:
            given = (listening.fileno(), theirs.fileno())
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "web.server.workers", *map(str, given), str(number)),
                pass_fds=given,
                env={**os.environ, METRICS_FOLDER: str(folder)},
                # The terminal's Ctrl-C is for the parent, which passes it on.
                process_group=0,
            )
        return cls(number, process, ours)

    async def serves(self) -> bool:
        """Wait until it serves; False: it ended before."""
        try:
            return bool(await asyncio.get_running_loop().sock_recv(self._control, 1))
        except OSError:
            return False

    async def ended(self) -> int:
        """Wait until it has ended, and give its exit code; one that was asked to end before it could read that: 0."""
        code = await self._process.wait()
        self._control.close()
        return 0 if code == -signal.SIGTERM else code

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        with suppress(ProcessLookupError):
            self._process.send_signal(number)


class Workers:
    """The workers of one parent."""

    def __init__(self, settings: Settings, count: int, listening: socket.socket, folder: Path) -> None:
        self._settings = settings
        self._count = count
        self._listening = listening
        self._folder = folder
        self._alive: dict[int, Worker] = {}
        self._serving: list[Worker] = []
        self._slot_lock, self._starting = asyncio.Lock(), asyncio.Lock()
        self._stopping = False
        self._failed = False
        self._rolling: asyncio.Task[None] | None = None

    async def run(self) -> int:
        """Keep the workers until the stop, and give the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        loop.add_signal_handler(signal.SIGHUP, self._roll)
        # The first one alone: it brings the database to this version, and what keeps it from serving is said once.
        first = await self._start()
        if not await first.serves():
            code = await self._end(first)
            return code if code >= 0 else 1
        self._serving = [first, *[await self._start() for _ in range(self._count - 1)]]
        log.info("workers_started", workers=self._count, pid=os.getpid())
        await asyncio.gather(*(self._keep(slot) for slot in range(self._count)))
        if self._rolling is not None:
            await self._rolling
        # Those that the stop met while they took the place of others.
        codes = [await self._end(worker) for worker in list(self._alive.values())]
        self._failed |= any(codes)
        log.info("workers_stopped")
        return int(self._failed)

    async def _start(self) -> Worker:
        async with self._starting:
            number = next(number for number in itertools.count() if number not in self._alive)
            worker = self._alive[number] = await Worker.start(number, self._listening, self._folder)
        if self._stopping:
            worker.signal(signal.SIGTERM)
        return worker

    async def _end(self, worker: Worker) -> int:
        """Wait for the end of a worker. What it counted stays, and is gone on from there; its levels go with it."""
        code = await worker.ended()
        for file in self._folder.glob(f"gauge_live*_{worker.number}.db"):
            file.unlink()
        del self._alive[worker.number]
        return code

    async def _keep(self, slot: int) -> None:
        """Have one worker serve, another one whenever it ends, until the stop."""
        wait = BACKOFF_SECONDS[0]
        while True:
            worker = self._serving[slot]
            code = await self._end(worker)
            if self._stopping:
                self._failed |= code != 0
                return
            if self._serving[slot] is not worker:
                # It was replaced, and asked to end.
                continue
            log.error("worker_ended", worker=worker.number, code=code)
            lived = time.monotonic() - worker.began
            wait = BACKOFF_SECONDS[0] if lived > STEADY_SECONDS else min(wait * 2, BACKOFF_SECONDS[1])
            await asyncio.sleep(wait)
            async with self._slot_lock:
                if self._serving[slot] is worker:
                    self._serving[slot] = await self._start()

    def _stop(self) -> None:
        self._stopping = True
        for worker in self._alive.values():
            worker.signal(signal.SIGTERM)
        asyncio.get_running_loop().call_later(self._settings.stop_seconds + GRACE_SECONDS, self._kill)

    def _kill(self) -> None:
        for worker in self._alive.values():
            log.error("worker_killed", worker=worker.number)
            worker.signal(signal.SIGKILL)

    def _roll(self) -> None:
        if self._rolling is None or self._rolling.done():
            self._rolling = asyncio.create_task(self._replace_all(), name="rolling")

    async def _replace_all(self) -> None:
        """Replace the workers one after the other, each by one that serves already."""
        for slot in range(len(self._serving)):
            new = await self._start()
            if not await new.serves():
                await self._end(new)
                if not self._stopping:
                    log.error("workers_not_replaced", worker=self._serving[slot].number)
                return
            async with self._slot_lock:
                # The old one may have ended, and may have been replaced, meanwhile.
                old, self._serving[slot] = self._serving[slot], new
            old.signal(signal.SIGTERM)
            while self._alive.get(old.number) is old:  # noqa: ASYNC110 - its keeper waits for it
                await asyncio.sleep(0.05)
        log.info("workers_replaced")


def work(listening: int, line: int, number: int) -> None:
    """Be a worker: serve on the socket *listening*, until the signal or the parent's end."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    settings = Settings.read(os.environ)
    logs.configure(settings.log_level, settings.log_format, worker=number)
    from prometheus_client import values

    # By number, not by process: who takes the place of another counts on, and the folder does not grow.
    values.ValueClass = values.MultiProcessValue(lambda: number)  # type: ignore[no-untyped-call]
    parent = socket.socket(fileno=line)
    orphaned = threading.Event()
    threading.Thread(target=_outlive, args=(parent, orphaned, settings.stop_seconds), daemon=True).start()
    try:
        run(settings, socket.socket(fileno=listening), lambda: parent.send(b"\n"))
    except (StorageError, InvalidSetting) as error:
        STDERR.write(f"convoai-analytics: {error}\n")
        sys.exit(2)
    finally:
        if orphaned.is_set():
            shutil.rmtree(os.environ[METRICS_FOLDER], ignore_errors=True)


def _outlive(parent: socket.socket, orphaned: threading.Event, seconds: float) -> None:
    """Stop this process when its parent has gone, even if its event loop hangs."""
    with suppress(OSError):
        parent.recv(1)
    orphaned.set()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(seconds + GRACE_SECONDS)
    os._exit(1)


if __name__ == "__main__":
    work(*map(int, sys.argv[1:]))
