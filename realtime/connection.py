"""One subscriber's connection: what it asks, when its token ends, and how it is closed."""

import asyncio
import random
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from realtime import protocol
from realtime.breakdowns.breakdowns import TooMany
from realtime.breakdowns.followed import Followed
from realtime.breakdowns.shown import Shown
from realtime.hub import Subscribers
from realtime.principal import Principal
from realtime.protocol import (
    BAD_MESSAGE,
    EXPIRED,
    NOT_ALLOWED,
    OVER_CAPACITY,
    RESTARTING,
    TOO_MANY,
    BadMessage,
    Close,
    Disagree,
    FollowBreakdown,
    Refresh,
    Subscribe,
    Topics,
)
from realtime.state import Marker
from realtime.transports.frames import Frame
from realtime.transports.sinks import ABORT_SECONDS, RETRY_SECONDS, AsgiSend, Sink
from realtime.transports.websocket import TOO_MUCH, UNANSWERED, AsgiReceive
from storage.model.changes import Position

CHECK_SECONDS = 4.0
"""How often at least it is checked whether a token has ended: timers do not follow the clock when it is set, or when
the machine was asleep. A check costs 5 us, for 10,000 subscribers 1.2 % of a core."""
DISAGREE_SECONDS = 60.0
"""A subscriber that reports wrong figures more often is counted once in this time."""


class Refused(Exception):
    """A token that a refresh brought was not taken; ``close`` says how the connection ends.

    None: it could not be verified just now, and the connection continues with the token it has.
    """

    def __init__(self, close: Close | None, message: str) -> None:
        super().__init__(message)
        self.close = close


Authenticate = Callable[[str], Awaitable[Principal]]
"""Gives the principal of a token; raises :exc:`Refused`."""
Renewed = Callable[[Principal], Awaitable[Principal]]
"""Gives the principal of a session that was renewed since, others as they are."""


_CHOICES: dict[Topics, Topics] = {}
"""One object for each choice of topics (there are 63): the hub then finds subscribers with the same choice by
identity."""


class Connection:
    """Serves one subscriber until either side ends. It is the hub's :class:`Subscriber`."""

    __slots__ = (
        "_authenticate",
        "_disagreed",
        "_ended",
        "_expiry",
        "_now",
        "_renewal",
        "_renewed",
        "_subscribe_seconds",
        "_subscribe_timer",
        "behind_since",
        "due",
        "ended_with",
        "followed",
        "marker",
        "principal",
        "shown",
        "sink",
        "subscribed",
        "subscribers",
        "topics",
    )

    def __init__(
        self,
        principal: Principal,
        subscribers: Subscribers,
        sink: Sink,
        authenticate: Authenticate,
        renewed: Renewed,
        now: Callable[[], float],
        subscribe_seconds: float,
    ) -> None:
        """*now* gives the Unix time, as :attr:`Principal.expires` counts it.

        A client may stay silent for *subscribe_seconds* before it subscribes.
        """
        self.principal = principal
        self.subscribers = subscribers
        self.sink = sink
        self.topics: Topics = frozenset()
        self.marker: Marker | None = None
        self.due = False
        self.followed: Followed | None = None
        self.shown: Shown | None = None
        self.subscribed = False
        self.behind_since: float | None = None
        self.ended_with: int | None = None
        """The code with which it was closed from here; None while it is open, and if the subscriber closed it."""
        self._authenticate = authenticate
        self._renewed = renewed
        self._renewal: asyncio.Task[None] | None = None
        self._now = now
        self._subscribe_seconds = subscribe_seconds
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._disagreed = -DISAGREE_SECONDS
        self._expiry: asyncio.TimerHandle | None = None
        self._subscribe_timer: asyncio.TimerHandle | None = None

    async def run(self, receive: AsgiReceive, subscription: Subscribe | None = None) -> None:
        """Read the subscriber's messages until it, or :meth:`end`, closes the connection.

        A *subscription* that is known already, as that of a stream, is served at once; otherwise it has to arrive in
        time.
        """
        if subscription is None:
            loop = asyncio.get_running_loop()
            self._subscribe_timer = loop.call_later(
                self._subscribe_seconds, self.end, BAD_MESSAGE, "no subscription came"
            )
        else:
            self._subscribe(subscription)
        self._watch_expiry()
        reader = asyncio.create_task(self._read(receive))
        try:
            await asyncio.wait((reader, self._ended), return_when=asyncio.FIRST_COMPLETED)
            # A subscriber that was closed has a moment to answer; the server cuts the connection when this returns.
            await asyncio.wait((reader,), timeout=ABORT_SECONDS)
            if reader.done():
                # The server logs what was not expected.
                reader.result()
        finally:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)
            self.subscribers.leave(self)
            for pending in (self._expiry, self._subscribe_timer, self._renewal):
                if pending is not None:
                    pending.cancel()

    async def _read(self, receive: AsgiReceive) -> None:
        """Take messages until the subscriber is gone. This must always run: the server reads no further by itself."""
        while (message := await receive())["type"] == "websocket.receive":
            if self.ended_with is None:
                await self._take(message)
            # A flood of messages would otherwise be taken in one go.
            await asyncio.sleep(0)
        if self.ended_with is None and message.get("unanswered"):
            self.ended_with = UNANSWERED

    def end(self, close: Close, message: str, retry: float | None = None) -> None:
        """Send the error frame and close, once; *retry* is after how many seconds the subscriber may reconnect."""
        if self.ended_with is not None:
            return
        self.ended_with = close.code
        self._ended.set_result(None)
        self.subscribers.leave(self)
        self.sink.offer(Frame(protocol.error(close, message), "error", retry=retry))
        self.sink.close(close.code, close.reason if retry is None else message)

    def close_for_restart(self) -> None:
        """End the connection because the service stops, with a delay of its own before it reconnects."""
        # In tenths of a second, as it is written: frame, close reason and stream then say the same.
        retry = round(random.uniform(*RETRY_SECONDS), 1)
        self.end(RESTARTING, f"retry after {retry:.1f} s", retry)

    async def _take(self, message: MutableMapping[str, Any]) -> None:
        if TOO_MUCH in message:
            self.end(TOO_MANY, message[TOO_MUCH])
            return
        try:
            request = protocol.parse(message.get("text") or message.get("bytes") or "")
        except BadMessage as error:
            self.end(BAD_MESSAGE, str(error))
            return
        if isinstance(request, Subscribe):
            self._subscribe(request)
        elif isinstance(request, Disagree):
            self._disagree()
        else:
            await self._refresh(request)

    def _subscribe(self, request: Subscribe) -> None:
        if self._subscribe_timer is not None:
            self._subscribe_timer.cancel()
        state = self.subscribers.feed.state
        position = None if request.position is None else Position.parse(request.position)
        self.topics = _CHOICES.setdefault(topics := frozenset(request.topics), topics)
        self.marker = None if position is None or state is None else state.resume(position)
        try:
            self._follow(request.breakdown)
        except TooMany as error:
            self.end(OVER_CAPACITY, str(error))
            return
        self.due = True
        if self.subscribed:
            # At the next tick: a client that subscribes over and over gets no more frames than another.
            self.subscribers.changed()
        else:
            self.subscribed = True
            self.subscribers.join(self)
            self.subscribers.serve(self)

    def _follow(self, wanted: FollowBreakdown | None) -> None:
        """Follow the breakdown that is *wanted*, from the position of the rows that are held, if that is current."""
        self.subscribers.follow(self, None if wanted is None else wanted.question)
        current = None if self.followed is None else self.followed.shown
        has_current = wanted is not None and current is not None and str(current.position) == wanted.position
        self.shown = current if has_current else None

    def _disagree(self) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._disagreed >= DISAGREE_SECONDS:
            self._disagreed = now
            self.subscribers.disagree(self)

    async def _refresh(self, request: Refresh) -> None:
        try:
            principal = await self._authenticate(request.token)
        except Refused as error:
            if error.close is not None:
                self.end(error.close, str(error))
            return
        if (principal.subject, principal.tenant_id) != (self.principal.subject, self.principal.tenant_id):
            self.end(NOT_ALLOWED, "the new token is of another subject or tenant")
            return
        self.principal = principal
        self._watch_expiry()

    def _watch_expiry(self) -> None:
        """Close when the token ends, without leeway."""
        if self._expiry is not None:
            self._expiry.cancel()
        left = max(0.0, self.principal.expires - self._now())
        self._expiry = asyncio.get_running_loop().call_later(min(left, CHECK_SECONDS), self._on_expiry)

    def _on_expiry(self) -> None:
        if self.principal.expires > self._now():
            self._watch_expiry()
        elif self.principal.session is None:
            self.end(EXPIRED, "the token has expired")
        else:
            self._renewal = asyncio.create_task(self._renew(), name="session renewal")

    async def _renew(self) -> None:
        """Continue with a session that was renewed, by another request than this; end with one that was not."""
        self.principal = await self._renewed(self.principal)
        if self.principal.expires > self._now():
            self._watch_expiry()
        else:
            self.end(EXPIRED, "the session has ended")


async def reject(receive: AsgiReceive, send: AsgiSend, close: Close, message: str) -> None:
    """End a connection that was accepted but cannot be served."""
    await send({"type": "websocket.send", "text": protocol.error(close, message).decode()})
    await send({"type": "websocket.close", "code": close.code, "reason": close.reason})
    while (await receive())["type"] != "websocket.disconnect":
        pass
