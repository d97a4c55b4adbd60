"""The hub: who listens in this process, and when they are sent what.

A change that comes after a pause is sent at once; from then on there is at most one frame a tick. A frame is made once
for all panels that stand at the same marker and want the same topics. A panel that does not read is passed over: what
it misses is merged by its marker alone, and past the write deadline it is closed.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from typing import Protocol

import structlog

from realtime import protocol
from realtime.feed import Feed
from realtime.protocol import TOO_SLOW, Close, Topics
from realtime.state import Marker
from realtime.transports.frames import Frame
from realtime.transports.sinks import Sink
from storage.fairness.slicing import Pace

log = structlog.get_logger()

NOTHING, PASSED_OVER = "nothing", "passed over"
"""What can become of a panel at a tick, beside the frame that it is sent."""
SLICE = 250
"""Frames written in one go, about 3 ms; the event loop then serves others before the next slice."""
BEAT_SECONDS = 0.02
"""How far apart it is looked which audiences are due for a heartbeat."""


class Observer(Protocol):
    """Told of what the hub does; for metrics."""

    def sent(self, kind: str, frames: int) -> None:
        """Take note of frames of a *kind* (snapshot, delta, heartbeat) that were sent."""

    def passed_over(self, panels: int) -> None:
        """Take note of panels that were passed over because they did not read."""

    def panel_disagreed(self) -> None:
        """Take note of a panel whose figures were not those of the digest."""

    def feed_disagreed(self) -> None:
        """Take note of a feed whose state was not that of the database."""


class Listener(Protocol):
    """A panel as the hub sees it.

    ``marker`` is what it was last sent (None: it needs a snapshot), ``due`` whether it is owed a frame even if nothing
    changed, ``behind_since`` the loop time since which it has not read (None: it reads).
    """

    sink: Sink
    topics: Topics
    marker: Marker | None
    due: bool
    behind_since: float | None

    def end(self, close: Close, message: str) -> None:
        """End the connection."""


_Frames = dict[tuple[Marker | None, Topics, bool], Frame]
"""Frames by where they lead from, what they hold, and whether they are the first after a subscription."""


class Audience:
    """The panels of one tenant in this process."""

    def __init__(self, feed: Feed, hub: "Hub") -> None:
        self.feed = feed
        self._hub = hub
        self._listeners: dict[Listener, None] = {}
        self._tick: asyncio.TimerHandle | None = None
        self._flushing: Iterator[None] | None = None
        self._changed = False
        self._joined = 0
        self.empty_since: float | None = None

    def __len__(self) -> int:
        return len(self._listeners)

    def join(self, listener: Listener) -> None:
        """Add a panel; it is sent nothing before it is served."""
        self._listeners[listener] = None
        self.empty_since = None

    def leave(self, listener: Listener) -> None:
        """Drop a panel."""
        self._listeners.pop(listener, None)
        self.touch()

    def hold(self, panels: int) -> None:
        """Take note that so many *panels* more (or fewer) are connected, whether they have subscribed or not."""
        self._joined += panels
        self.touch()

    def touch(self) -> None:
        """If there is no panel, count the time without one from now on."""
        is_empty = not (self._joined or self._listeners)
        self.empty_since = asyncio.get_running_loop().time() if is_empty else None

    def changed(self) -> None:
        """Take note that the feed's state changed: send at once if the last frame is a tick ago, else at the tick."""
        self._changed = True
        if self._tick is None and self._listeners:
            self._on_tick()

    def serve(self, listener: Listener) -> None:
        """Send one panel what it is owed, now; if it does not read, at a later tick."""
        became = self._advance(listener, {})
        self._hub.count({became: 1})
        if became == PASSED_OVER:
            self._arm()
        elif self.feed.stale_since is not None:
            # Figures that are old must not look live until the next heartbeat.
            self._beat(listener, {})

    async def beat(self) -> None:
        """Send a heartbeat to every panel that reads."""
        frames: dict[Marker, Frame] = {}
        sent = 0
        for number, listener in enumerate(list(self._listeners), 1):
            try:
                sent += self._beat(listener, frames)
            except Exception:
                self._break(listener)
            if number % SLICE == 0:
                frames.clear()
                await asyncio.sleep(0)
        self._hub.count({"heartbeat": sent})

    def _beat(self, listener: Listener, frames: dict[Marker, Frame]) -> bool:
        marker = listener.marker
        if marker is None or listener.due or listener not in self._listeners:
            return False
        if listener.sink.busy:
            # Nothing else may be sent to it for long: from here on the ticks watch whether it reads.
            if listener.behind_since is None:
                listener.behind_since = asyncio.get_running_loop().time()
            self._arm()
            return False
        if marker not in frames:
            frames[marker] = self._heartbeat(marker)
        return listener.sink.offer(frames[marker])

    def _heartbeat(self, marker: Marker) -> Frame:
        """Write the heartbeat for panels at *marker*; its digest is of what they show, wherever the feed stands now."""
        position = str(marker.position)
        payload = protocol.frame(
            "heartbeat",
            position=position,
            at=self.feed.at,
            stale_since=self.feed.stale_since,
            digest=marker.digest,
        )
        return Frame(payload, "heartbeat", position)

    def _break(self, listener: Listener) -> None:
        """Drop a panel that cannot be sent to: the others must not wait for it."""
        log.exception("panel_broken")
        self.leave(listener)

    def disagree(self, listener: Listener) -> None:
        """Take note that a panel's figures were not those of the digest it was sent."""
        position = None if listener.marker is None else str(listener.marker.position)
        log.error("panel_disagrees", position=position)
        self._hub.observer.panel_disagreed()

    def begin_anew(self) -> None:
        """Send every panel a snapshot: the figures at its position were wrong, so no difference leads from there."""
        for listener in self._listeners:
            listener.marker = None
        self.changed()

    def close(self) -> None:
        """Stop the tick."""
        if self._tick is not None:
            self._tick.cancel()
            self._tick = None

    def _arm(self) -> None:
        if self._tick is None:
            self._tick = asyncio.get_running_loop().call_later(self._hub.tick_seconds, self._on_tick)

    def _on_tick(self) -> None:
        """Begin to send, unless there is nothing new; ticks go on while there is."""
        self._tick = None
        if self._flushing is not None:
            self._arm()
            return
        behind = any(listener.behind_since is not None for listener in self._listeners)
        if not self._changed and not behind:
            return
        self._changed = False
        self._arm()
        self._flushing = self._flush()
        self._go_on()

    def _go_on(self) -> None:
        """Write one slice, and the next one after the event loop has served others."""
        if self._flushing is None or next(self._flushing, self) is self:
            self._flushing = None
        else:
            asyncio.get_running_loop().call_soon(self._go_on)

    def _flush(self) -> Iterator[None]:
        """Bring every panel to the state of now, a slice at a time."""
        listeners, became = list(self._listeners), Counter[str]()
        for begin in range(0, len(listeners), SLICE):
            if begin:
                yield
            self._flush_slice(listeners[begin : begin + SLICE], became)
        self._hub.count(became)

    def _flush_slice(self, listeners: list[Listener], became: Counter[str]) -> None:
        """Bring some panels to the state of now.

        Nearly all stand where the one before stood: they are handed the frame that it got, without a look-up.
        """
        state, frames, delivered = self.feed.state, _Frames(), 0
        if state is None:
            return
        marker, frame = state.marker, None
        stood: Marker | None = None
        topics: Topics | None = None
        for listener in listeners:
            try:
                steady = not listener.due and listener.behind_since is None
                if steady and listener.marker is stood and listener.topics is topics and frame is not None:
                    if listener.sink.offer(frame):
                        listener.marker = marker
                        delivered += 1
                        continue
                elif steady and listener.marker is marker:
                    continue
                stood, topics = listener.marker, listener.topics
                became[self._advance(listener, frames)] += 1
                frame = frames.get((stood, topics, False)) if stood is not None and stood is not marker else None
            except Exception:
                self._break(listener)
        became["delta"] += delivered

    def _advance(self, listener: Listener, frames: _Frames) -> str:
        """Bring one panel to the state of now, with a frame from *frames* or a new one; says what became of it."""
        state = self.feed.state
        if state is None or listener not in self._listeners:
            return NOTHING
        marker = listener.marker
        if marker is state.marker and not listener.due:
            # It was watched because it did not read.
            return self._wait(listener) if listener.sink.busy else self._reads(listener)
        if marker is not None and not state.knows(marker.position):
            marker = None
        key = (marker, listener.topics, listener.due)
        frame = frames.get(key)
        if frame is None:
            frame = frames[key] = self._frame(marker, listener.topics, listener.due)
        if not listener.sink.offer(frame):
            return self._wait(listener)
        listener.marker, listener.due, listener.behind_since = state.marker, False, None
        return "snapshot" if marker is None else "delta"

    def _reads(self, listener: Listener) -> str:
        listener.behind_since = None
        return NOTHING

    def _wait(self, listener: Listener) -> str:
        """Pass over a panel that does not read, and end it past the deadline."""
        now = asyncio.get_running_loop().time()
        if listener.behind_since is None:
            listener.behind_since = now
        elif now - listener.behind_since > self._hub.write_deadline:
            listener.end(TOO_SLOW, f"nothing was read for {self._hub.write_deadline:g} s")
        return PASSED_OVER

    def _frame(self, marker: Marker | None, topics: Topics, first: bool) -> Frame:
        """Write the frame that leads from *marker* to the state of now; from None, it is a snapshot.

        The *first* frame after a subscription tells the pace of heartbeats: it can have changed since the last one.
        """
        state = self.feed.state
        if state is None:
            raise RuntimeError("there is no state yet")
        position, at = str(state.position), self.feed.at
        kind, cells = ("snapshot", state.snapshot()) if marker is None else ("delta", state.delta(marker))
        shown = {topic: cell for topic, cell in cells.items() if topic in topics}
        pace = {"heartbeat_seconds": self._hub.heartbeat_seconds} if first or marker is None else {}
        return Frame(protocol.frame(kind, position=position, at=at, **pace, **shown), kind, position)


class Hub:
    """All panels of this process, by tenant. It knows feeds, but neither broker nor database."""

    def __init__(
        self, *, tick_seconds: float, heartbeat_seconds: float, write_deadline: float, observer: Observer
    ) -> None:
        self.tick_seconds = tick_seconds
        self.heartbeat_seconds = heartbeat_seconds
        self.write_deadline = write_deadline
        self.observer = observer
        self.audiences: dict[str, Audience] = {}
        # When each audience is due; the interval is the same for all, so whoever is put last is due last.
        self._beats: deque[tuple[float, Audience]] = deque()
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return sum(len(audience) for audience in self.audiences.values())

    def count(self, became: Mapping[str, int]) -> None:
        """Tell the observer what became of panels, once for many."""
        for kind, panels in became.items():
            if kind == PASSED_OVER:
                self.observer.passed_over(panels)
            elif kind != NOTHING:
                self.observer.sent(kind, panels)

    def start(self) -> None:
        """Begin to send heartbeats."""
        self._task = asyncio.create_task(self._beat(), name="heartbeat")

    async def stop(self) -> None:
        """Stop heartbeats and ticks; connections end by themselves."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for audience in self.audiences.values():
            audience.close()

    def open(self, feed: Feed) -> Audience:
        """Make the audience of a tenant's feed."""
        audience = self.audiences[feed.tenant_id] = Audience(feed, self)
        self._beats.append((asyncio.get_running_loop().time() + self.heartbeat_seconds, audience))
        return audience

    def changed(self, tenant_id: str) -> None:
        """Tell the audience of a tenant, if there is one, that the state of its feed changed."""
        audience = self.audiences.get(tenant_id)
        if audience is not None:
            audience.changed()

    def drop(self, tenant_id: str) -> None:
        """Forget the audience of a tenant."""
        self.audiences.pop(tenant_id).close()

    async def _beat(self) -> None:
        """Send each audience a heartbeat an interval after the one before; those that came apart are served apart."""
        now = asyncio.get_running_loop().time
        while True:
            wait = self._beats[0][0] - now() if self._beats else self.heartbeat_seconds
            await asyncio.sleep(max(wait, BEAT_SECONDS))
            pace, until = Pace(), now()
            while self._beats and self._beats[0][0] <= until:
                due, audience = self._beats.popleft()
                if self.audiences.get(audience.feed.tenant_id) is not audience:
                    continue
                # Not for every interval that the machine was asleep.
                self._beats.append((max(due + self.heartbeat_seconds, until), audience))
                await audience.beat()
                await pace.give_way()
