"""One panel's connection: what it asks, when its token ends, and how it is closed."""

import asyncio
import random
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from realtime import protocol
from realtime.hub import Audience
from realtime.principal import Principal
from realtime.protocol import (
    BAD_MESSAGE,
    EXPIRED,
    NOT_ALLOWED,
    RESTARTING,
    TOO_MANY,
    BadMessage,
    Close,
    Disagree,
    Refresh,
    Subscribe,
    Topics,
)
from realtime.state import Marker
from realtime.transports.frames import Frame
from realtime.transports.sinks import ABORT_SECONDS, RETRY_SECONDS, AsgiSend, Sink
from realtime.transports.websocket import TOO_MUCH, UNANSWERED, AsgiReceive
from storage.model.changes import Position

LOOK_SECONDS = 4.0
"""How often at least it is looked whether a token has ended: timers do not follow the clock when it is set, or when the
machine was asleep. A look costs 5 us, for 10,000 panels 1.2 % of a core."""
DISAGREE_SECONDS = 60.0
"""Of a panel that says more often that its figures are wrong, the rest is not counted."""


class Refused(Exception):
    """A token that a refresh brought was not taken; ``close`` says how the connection ends.

    None: it could not be verified just now, and the connection goes on with the token it has.
    """

    def __init__(self, close: Close | None, message: str) -> None:
        super().__init__(message)
        self.close = close


Authenticate = Callable[[str], Awaitable[Principal]]
"""Says whose a token is; raises :exc:`Refused`."""


_CHOICES: dict[Topics, Topics] = {}
"""One object for each choice of topics (there are fifteen): the hub then tells panels that chose alike by identity."""


class Connection:
    """Serves one panel until either side ends. It is the hub's listener for that panel."""

    __slots__ = (
        "_authenticate",
        "_disagreed",
        "_ended",
        "_expiry",
        "_now",
        "_silence",
        "_subscribe_seconds",
        "audience",
        "behind_since",
        "due",
        "ended_with",
        "marker",
        "principal",
        "sink",
        "subscribed",
        "topics",
    )

    def __init__(
        self,
        principal: Principal,
        audience: Audience,
        sink: Sink,
        authenticate: Authenticate,
        now: Callable[[], float],
        subscribe_seconds: float,
    ) -> None:
        """*now* gives the Unix time, as :attr:`Principal.expires` counts it.

        A panel may stay silent for *subscribe_seconds* before it subscribes.
        """
        self.principal = principal
        self.audience = audience
        self.sink = sink
        self.topics: Topics = frozenset()
        self.marker: Marker | None = None
        self.due = False
        self.subscribed = False
        self.behind_since: float | None = None
        self.ended_with: int | None = None
        """The code with which it was closed from here; None while it is open, and if the panel went by itself."""
        self._authenticate = authenticate
        self._now = now
        self._subscribe_seconds = subscribe_seconds
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._disagreed = -DISAGREE_SECONDS
        self._expiry: asyncio.TimerHandle | None = None
        self._silence: asyncio.TimerHandle | None = None

    async def run(self, receive: AsgiReceive, subscription: Subscribe | None = None) -> None:
        """Read the panel's messages until it, or :meth:`end`, closes the connection.

        A *subscription* that is known already, as that of a stream, is served at once; else it has to come in time.
        """
        if subscription is None:
            loop = asyncio.get_running_loop()
            self._silence = loop.call_later(self._subscribe_seconds, self.end, BAD_MESSAGE, "no subscription came")
        else:
            self._subscribe(subscription)
        self._watch_expiry()
        reader = asyncio.create_task(self._read(receive))
        try:
            await asyncio.wait((reader, self._ended), return_when=asyncio.FIRST_COMPLETED)
            # A panel that was closed has a moment to answer; the server cuts the connection when this returns.
            await asyncio.wait((reader,), timeout=ABORT_SECONDS)
            if reader.done():
                # What nobody expected is the server's to log.
                reader.result()
        finally:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)
            self.audience.leave(self)
            for timer in (self._expiry, self._silence):
                if timer is not None:
                    timer.cancel()

    async def _read(self, receive: AsgiReceive) -> None:
        """Take messages until the panel is gone. This must always run: the server reads no further by itself."""
        while (message := await receive())["type"] == "websocket.receive":
            if self.ended_with is None:
                await self._take(message)
            # A flood of messages would else be taken in one go.
            await asyncio.sleep(0)
        if self.ended_with is None and message.get("unanswered"):
            self.ended_with = UNANSWERED

    def end(self, close: Close, message: str, retry: float | None = None) -> None:
        """Send the error frame and close, once; *retry* is after how many seconds the panel may come back."""
        if self.ended_with is not None:
            return
        self.ended_with = close.code
        self._ended.set_result(None)
        self.audience.leave(self)
        self.sink.offer(Frame(protocol.error(close, message), "error", retry=retry))
        self.sink.close(close.code, close.reason if retry is None else message)

    def send_away(self) -> None:
        """End the connection because the service stops, with a delay of its own before it comes back."""
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
        if self._silence is not None:
            self._silence.cancel()
        state = self.audience.feed.state
        position = None if request.position is None else Position.parse(request.position)
        self.topics = _CHOICES.setdefault(topics := frozenset(request.topics), topics)
        self.marker = None if position is None or state is None else state.resume(position)
        self.due = True
        if self.subscribed:
            # At the next tick: who subscribes over and over gets no more frames than another.
            self.audience.changed()
        else:
            self.subscribed = True
            self.audience.join(self)
            self.audience.serve(self)

    def _disagree(self) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._disagreed >= DISAGREE_SECONDS:
            self._disagreed = now
            self.audience.disagree(self)

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
        self._expiry = asyncio.get_running_loop().call_later(min(left, LOOK_SECONDS), self._on_expiry)

    def _on_expiry(self) -> None:
        if self.principal.expires <= self._now():
            self.end(EXPIRED, "the token has expired")
        else:
            self._watch_expiry()


async def turn_away(receive: AsgiReceive, send: AsgiSend, close: Close, message: str) -> None:
    """End a connection that was accepted but cannot be served."""
    await send({"type": "websocket.send", "text": protocol.error(close, message).decode()})
    await send({"type": "websocket.close", "code": close.code, "reason": close.reason})
    while (await receive())["type"] != "websocket.disconnect":
        pass
