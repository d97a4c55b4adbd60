"""The run of the command ``demo``: the service on a database of its own, its past, and traffic until the end."""

import asyncio
import json
import os
import signal
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from zoneinfo import ZoneInfo

import httpx2

from storage.engine.sqlite import writer_of
from storage.model import clock
from web.annotations import PATH
from web.auth.tokens import own_token, shared_secret
from web.cli.demo.history import DAY, History, Mark
from web.cli.replay import Player, connect
from web.cli.traffic import Source
from web.http.documents import JSON
from web.server.runner import CannotListen, run
from web.settings import DEFAULT_TENANT, PREFIX, Settings, own_url

FILE = "analytics.db"
LINK_HOURS = 12
LOOPBACK = "127.0.0.0/8,::1/128"
KEPT = ("HOST", "PORT", "TIMEZONE", "LOG_LEVEL", "LOG_FORMAT")
"""The settings that a demo takes from the environment: none that leads to a real database, or to its keys."""


class DemoError(Exception):
    """The demo cannot begin or continue; the text says what to do."""


def demo_settings(environment: Mapping[str, str], folder: Path) -> Settings:
    """Read the settings of a demo whose database is in *folder*; raises :exc:`InvalidSetting`."""
    kept = {name: environment[name] for name in (f"{PREFIX}{each}" for each in KEPT) if name in environment}
    return Settings.read(
        {
            # On a terminal the lines of the log would bury the link.
            f"{PREFIX}LOG_LEVEL": "warning",
            **kept,
            f"{PREFIX}DATABASE_URL": f"sqlite+aiosqlite:///{folder / FILE}",
            f"{PREFIX}TRUSTED_NETWORKS": LOOPBACK,
            # Who tries alerts out receives them with a program of this machine.
            f"{PREFIX}ALERTS_NETWORKS": LOOPBACK,
            f"{PREFIX}AUDIT_LOG": "off",
        }
    )


def demo(settings: Settings, folder: Path, seed: int, days: int) -> None:
    """Serve a made-up platform until SIGINT or SIGTERM: its past of so many *days*, and what goes on to happen.

    The database of the demo before, in *folder*, is removed. Raises :exc:`DemoError`, and what opening raises.
    """
    remove_database(folder)
    print(f"ConvoAI Analytics with made-up events, in a database of their own: {folder / FILE}", flush=True)
    crowd = Crowd(settings, seed, days)
    try:
        run(settings, serving=crowd.start)
    except CannotListen as error:
        raise DemoError(f"{error}: end what listens there, or choose another port with {PREFIX}PORT") from None
    crowd.check()


def remove_database(folder: Path) -> None:
    """Remove the database of the demo before. Its secret stays, so that open pages stay signed in.

    Raises :exc:`DemoError` if a demo runs on it.
    """
    file = folder / FILE
    address = writer_of(file)
    if address is not None:
        where = f" at {address}/analytics" if address else ""
        raise DemoError(f"a demo already runs{where}: open it, or end it first")
    folder.mkdir(parents=True, exist_ok=True)
    for suffix in ("", "-wal", "-shm"):
        (folder / f"{FILE}{suffix}").unlink(missing_ok=True)


class Crowd:
    """Posts the past to the service, prints the link, and posts what goes on to happen."""

    def __init__(self, settings: Settings, seed: int, days: int) -> None:
        self._settings = settings
        self._seed = seed
        self._days = days
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin as a task of the running loop, which ends it when it ends. If it fails, the service stops."""
        self._task = asyncio.create_task(self._run())
        self._task.add_done_callback(_stop_after_failure)

    def check(self) -> None:
        """Raise :exc:`DemoError` if it failed."""
        if self._task is not None and self._task.done() and not self._task.cancelled():
            failure = self._task.exception()
            if failure is not None:
                raise DemoError(f"the events could not be posted: {_first(failure)}") from None

    async def _run(self) -> None:
        began = monotonic()
        history = History(self._seed, datetime.now(ZoneInfo(self._settings.timezone)), self._days)
        past = await asyncio.to_thread(history.source, history.begin, history.now)
        async with connect(own_url(self._settings), None) as client:
            await _play(past, client, 0.0)
            await _annotate([mark for mark in history.marks if mark.at <= history.now], client, self._settings)
            print(_greeting(self._settings, len(past.events), self._days, monotonic() - began), flush=True)
            begin = history.now
            while True:
                coming = await asyncio.to_thread(history.source, begin, begin + DAY)
                await _play(coming, client, 1.0)
                begin += DAY


async def _play(source: Source, client: httpx2.AsyncClient, speed: float) -> None:
    if source.events:
        await Player(source, client, 0).play(speed)


async def _annotate(marks: list[Mark], client: httpx2.AsyncClient, settings: Settings) -> None:
    headers = {"Authorization": f"Bearer {_token(settings, 300)}"}
    for mark in marks:
        times = {"at": _written(mark.at)} | ({} if mark.end is None else {"until": _written(mark.end)})
        body = json.dumps({"kind": mark.kind, "text": mark.text, **times})
        answer = await client.post(PATH, content=body, headers={**headers, "Content-Type": JSON})
        answer.raise_for_status()


def _written(milliseconds: int) -> str:
    return clock.text(datetime.fromtimestamp(milliseconds / 1000, UTC))


def _token(settings: Settings, seconds: float) -> str:
    # There always is a secret: a demo has a database in a file, and takes no key set from the environment.
    return own_token(settings, shared_secret(settings) or "", "admin", DEFAULT_TENANT, seconds)


def _stop_after_failure(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and task.exception() is not None:
        os.kill(os.getpid(), signal.SIGTERM)


def _first(failure: BaseException) -> BaseException:
    """Give the first failure of a group."""
    return _first(failure.exceptions[0]) if isinstance(failure, BaseExceptionGroup) else failure


def _greeting(settings: Settings, events: int, days: int, seconds: float) -> str:
    token = _token(settings, LINK_HOURS * 3600)
    return f"""
  {events:,} events of {days} day{"s" * (days > 1)}, posted in {seconds:.1f} s; traffic goes on. Ctrl-C ends all.

  Dashboard (an admin's link, valid for {LINK_HOURS} hours):
    {own_url(settings)}/analytics#token={token}
"""
