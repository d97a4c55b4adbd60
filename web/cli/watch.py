"""The command ``watch``: the live figures in a terminal.

First the :class:`Follower`, which keeps a subscriber's state up to date whatever becomes of its connection; then the
two ways to show it.
"""

import asyncio
import contextlib
import random
import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn

import jwt
import msgspec
from rich.console import Console
from rich.live import Live
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI
from websockets.frames import Close
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from realtime.protocol import BAD_MESSAGE, CLOSES, NOT_ALLOWED, RESTARTING, SUBPROTOCOL, Topic
from realtime.subscriber_state import SubscriberState
from web.cli.terminal import Link, line, printable, render, silence, status
from web.live.endpoints import PATH

FIRST_SECONDS, LAST_SECONDS = 0.5, 20.0
"""The bounds of the delay before a reconnect: at first, and at most."""
STABLE_SECONDS = 60.0
"""A connection that lasted so long begins again with the first delay."""
SHOWN: tuple[Topic, ...] = ("summary", "activities", "top_users")
"""What a terminal has room for."""
RESYNC_SECONDS = 60.0
"""How often figures that are found wrong are replaced by a snapshot at the most."""
OPEN_SECONDS, CLOSE_SECONDS = 10.0, 1.0
"""How long a handshake, and closing, may take."""

_BY_CODE = {close.code: close for close in CLOSES}
_HINT = re.compile(r"retry after ([0-9]+(?:\.[0-9]+)?) s", re.ASCII)


class Refused(Exception):
    """The service refuses this subscriber, and reconnecting would not help; the text says what to do."""


Show = Callable[[SubscriberState, Link], None]
"""Called for every frame that was applied, and whenever the connection changes."""


def backoff(attempt: int) -> float:
    """Draw the delay in seconds before a reconnect: full jitter under a bound that doubles with each *attempt*."""
    return random.uniform(0.0, min(LAST_SECONDS, FIRST_SECONDS * 2 ** min(attempt, 10)))


@dataclass(frozen=True)
class Ended:
    """Why a connection ended, and the delay in seconds that the service asks for (None: it asks for none)."""

    reason: str
    delay: float | None = None


def ended(close: Close | None, said: str) -> Ended:
    """Follow the advice of a *close* frame (None: none came); raises :exc:`Refused` if it is to stay away.

    *said* is the message of the error frame before it.
    """
    known = _BY_CODE.get(close.code) if close else None
    if known is BAD_MESSAGE or known is NOT_ALLOWED:
        raise Refused(f"the service closed the connection: {printable(said) or known.reason} ({known.advice})")
    hint = _HINT.search(close.reason) if close and known is RESTARTING else None
    return Ended(known.reason if known else "the connection was lost", float(hint[1]) if hint else None)


def rejected(status: int, body: bytes) -> Ended:
    """Judge a handshake that was answered with an HTTP *status*; raises :exc:`Refused` if another token is needed."""
    try:
        detail = f": {printable(str(msgspec.json.decode(body)['detail']))}"
    except (ValueError, KeyError, TypeError):
        detail = ""
    if status == 401:
        raise Refused(
            f"the service refused the token{detail}. Get one from `convoai-analytics token` with the service's own "
            "settings, or from your auth service, and give it with --token-file"
        )
    if status == 403:
        raise Refused(f"the token may not read the figures{detail}. Use one that has the role admin")
    return Ended(f"the service answered {status}{detail}")


def expiry(token: str) -> float | None:
    """Read from a token, without verifying it, the Unix time at which it ends; None if it does not say."""
    try:
        return float(jwt.decode(token, options={"verify_signature": False})["exp"])
    except (jwt.PyJWTError, KeyError, TypeError, ValueError):
        return None


def live_url(url: str) -> str:
    """Tell the live endpoint of the service at *url*; raises :exc:`Refused` if that is no HTTP address."""
    address = re.sub("^http", "ws", url.rstrip("/")) + PATH
    try:
        parse_uri(address)
    except (InvalidURI, ValueError):
        raise Refused("the URL of the service begins with http:// or https:// and names a host") from None
    return address


class Follower:
    """Keeps ``state`` at the service's newest position, over as many connections as that takes."""

    def __init__(
        self, url: str, supply: Callable[[], str], show: Show, delay: Callable[[int], float] = backoff
    ) -> None:
        """*url* is the live endpoint, *supply* gives a token, *delay* the seconds to wait after an attempt."""
        self.state = SubscriberState()
        self._url = url
        self._supply = supply
        self._show = show
        self._delay = delay
        self._said = ""
        self._resynced = -RESYNC_SECONDS

    async def run(self) -> NoReturn:
        """Follow until cancelled; raises :exc:`Refused`."""
        attempt, reason = 0, ""
        while True:
            began = time.monotonic()
            self._show(self.state, Link(reason=reason))
            end = await self._connection()
            attempt = 0 if time.monotonic() - began >= STABLE_SECONDS else attempt
            delay = self._delay(attempt) if end.delay is None else end.delay
            attempt, reason = attempt + 1, end.reason
            self._show(self.state, Link(retry_at=_now(delay), reason=reason))
            await asyncio.sleep(delay)

    async def _connection(self) -> Ended:
        """Open one connection, and follow it to its end."""
        token, self._said = self._supply(), ""
        try:
            connection = await connect(
                self._url,
                subprotocols=[Subprotocol(SUBPROTOCOL)],
                additional_headers={"Authorization": f"Bearer {token}"},
                compression=None,
                # The service's own heartbeats tell whether it is there.
                ping_interval=None,
                open_timeout=OPEN_SECONDS,
                close_timeout=CLOSE_SECONDS,
            )
        except InvalidStatus as error:
            return rejected(error.response.status_code, bytes(error.response.body))
        except (OSError, InvalidHandshake) as error:
            return Ended(f"the service cannot be reached ({type(error).__name__})")
        async with connection:
            if connection.subprotocol != SUBPROTOCOL:
                raise Refused(f"what answers there does not speak {SUBPROTOCOL}: check the URL")
            refreshing = asyncio.create_task(self._refresh(connection, token))
            try:
                return await self._follow(connection)
            except ConnectionClosed as closed:
                return ended(closed.rcvd, self._said)
            except TimeoutError:
                return Ended(f"nothing was heard for {silence(self.state):g} s")
            finally:
                refreshing.cancel()

    async def _follow(self, connection: ClientConnection) -> NoReturn:
        subscribe = {"type": "subscribe", "topics": SHOWN, "position": self.state.position}
        await connection.send(msgspec.json.encode(subscribe).decode())
        while True:
            async with asyncio.timeout(silence(self.state)):
                received = await connection.recv()
            self._apply(received)
            if not self.state.agrees:
                await self._resync(connection)

    async def _resync(self, connection: ClientConnection) -> None:
        """Report figures that are not those of the service's digest, and take a snapshot, at most once a minute."""
        if time.monotonic() - self._resynced < RESYNC_SECONDS:
            return
        self._resynced = time.monotonic()
        await connection.send(msgspec.json.encode({"type": "disagree", "position": self.state.position}).decode())
        subscribe = {"type": "subscribe", "topics": SHOWN, "position": None}
        await connection.send(msgspec.json.encode(subscribe).decode())

    def _apply(self, received: str | bytes) -> None:
        try:
            frame = msgspec.json.decode(received)
            self.state.apply(frame)
        except (ValueError, KeyError, TypeError):
            raise Refused("what answers there speaks another protocol: check the URL, and the versions") from None
        if frame["type"] == "error":
            self._said = str(frame.get("message", ""))
        else:
            self._show(self.state, Link(heard=_now()))

    async def _refresh(self, connection: ClientConnection, token: str) -> None:
        """Bring a new token when a fifth of the old one's time is left. If there is none, 4401 ends the connection."""
        while (ends := expiry(token)) is not None:
            await asyncio.sleep(max(0.1, 0.8 * (ends - time.time())))
            before, token = token, self._supply()
            if token == before:
                return
            with contextlib.suppress(ConnectionClosed):
                await connection.send(msgspec.json.encode({"type": "refresh", "token": token}).decode())


def _now(ahead: float = 0.0) -> datetime:
    return datetime.fromtimestamp(time.time() + ahead).astimezone()


class Screen:
    """The figures on a terminal, drawn again with every frame: at most ten times a second, at least every second."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._shown = (SubscriberState(), Link())
        self._changed = asyncio.Event()

    def show(self, state: SubscriberState, link: Link) -> None:
        """Take what is to be drawn."""
        self._shown = (state, link)
        self._changed.set()

    async def run(self) -> NoReturn:
        """Draw until cancelled."""
        while True:
            self._changed.clear()
            self._live.update(render(*self._shown, _now()), refresh=True)
            await asyncio.sleep(0.1)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.9):
                    await self._changed.wait()


def print_line(state: SubscriberState, link: Link) -> None:
    """Print a line for a frame; one for a connection that ended goes to standard error."""
    if link.heard is not None:
        print(line(state), flush=True)
    elif link.retry_at is not None:
        print(f"{status(state, link, _now())}: {printable(link.reason)}", file=sys.stderr, flush=True)


async def watch(url: str, supply: Callable[[], str]) -> None:
    """Show the live figures of the service at *url* until cancelled; raises :exc:`Refused`.

    *supply* gives an admin's token: one for each connection, and a new one before the one in use expires.
    """
    endpoint, console = live_url(url), Console()
    if not sys.stdout.isatty() or console.is_dumb_terminal:
        await Follower(endpoint, supply, print_line).run()
    with Live(console=console, screen=True, auto_refresh=False) as live:
        screen = Screen(live)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(screen.run())
                tasks.create_task(Follower(endpoint, supply, screen.show).run())
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
