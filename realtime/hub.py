"""The hub: the subscribers of this process, and when they are sent what.

A change after a pause is sent at once; from then on there is at most one frame a tick. A frame is made once for all
subscribers at the same marker that want the same topics. A subscriber that does not read is skipped: what it misses is
merged by its marker alone, and past the write deadline it is closed.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from typing import Protocol

import structlog

from realtime import protocol
from realtime.breakdowns.breakdowns import Breakdowns
from realtime.breakdowns.followed import Followed
from realtime.breakdowns.shown import Shown
from realtime.feed import Feed
from realtime.protocol import BAD_MESSAGE, BREAKDOWN, TOO_SLOW, Close, Topics
from realtime.state import Marker
from realtime.transports.frames import Frame
from realtime.transports.sinks import Sink
from storage.fairness.slicing import Slicer
from storage.read.breakdowns.live import Question

log = structlog.get_logger()

NOTHING, SKIPPED = "nothing", "skipped"
"""What can become of a subscriber at a tick, besides the frame that it is sent."""
SLICE = 250
"""Frames written in one go, about 3 ms; the event loop then serves others before the next slice."""
HEARTBEAT_SLICE_SECONDS = 0.02
"""How often it is checked which tenants are due for a heartbeat."""


class Observer(Protocol):
    """Gets what the hub does; for metrics."""

    def sent(self, kind: str, frames: int) -> None:
        """Record frames of a *kind* (snapshot, delta, heartbeat) that were sent."""

    def skipped(self, subscribers: int) -> None:
        """Record subscribers that were skipped because they did not read."""

    def subscriber_disagreed(self) -> None:
        """Record a subscriber whose figures were not those of the digest."""

    def feed_disagreed(self) -> None:
        """Record a feed whose state was not that of the database."""


class Subscriber(Protocol):
    """A subscriber as the hub sees it.

    ``marker`` is what it was last sent (None: it needs a snapshot), ``due`` whether it is owed a frame even if nothing
    changed, ``behind_since`` the loop time since which it has not read (None: it reads). ``followed`` is the breakdown
    that it follows (None: none), ``shown`` what it was last sent of that (None: it needs all of it).
    """

    sink: Sink
    topics: Topics
    marker: Marker | None
    due: bool
    behind_since: float | None
    followed: Followed | None
    shown: Shown | None

    def end(self, close: Close, message: str) -> None:
        """End the connection."""


_Key = tuple[Marker | None, Topics, bool, Followed | None, Shown | None]
_Frames = dict[_Key, Frame]
"""Frames by where they lead from, what they hold, whether they are the first after a subscription, and where they lead
from in which breakdown."""


class Subscribers:
    """The subscribers of one tenant in this process."""

    def __init__(self, feed: Feed, breakdowns: Breakdowns, hub: "Hub") -> None:
        self.feed = feed
        self.breakdowns = breakdowns
        breakdowns.on_read = self._send_breakdown
        breakdowns.on_refused = self._refuse
        self._hub = hub
        self._subscribers: dict[Subscriber, None] = {}
        self._tick: asyncio.TimerHandle | None = None
        self._flushing: Iterator[None] | None = None
        self._changed = False
        self._joined = 0
        self.empty_since: float | None = None

    def __len__(self) -> int:
        return len(self._subscribers)

    def join(self, subscriber: Subscriber) -> None:
        """Add a subscriber; it is sent nothing before it is served."""
        self._subscribers[subscriber] = None
        self.empty_since = None

    def leave(self, subscriber: Subscriber) -> None:
        """Drop a subscriber."""
        self._subscribers.pop(subscriber, None)
        self.follow(subscriber, None)
        self.mark_empty()

    def follow(self, subscriber: Subscriber, question: Question | None) -> None:
        """Let a subscriber follow a breakdown instead of the one before; None: none. Raises :exc:`TooMany`."""
        before = subscriber.followed
        if before is not None and before.question == question:
            return
        subscriber.followed = subscriber.shown = None
        if before is not None:
            self.breakdowns.leave(before)
        if question is not None:
            subscriber.followed = self.breakdowns.follow(question)

    def _refuse(self, followed: Followed, why: str) -> None:
        """End those who follow a breakdown that cannot be followed."""
        for subscriber in [each for each in self._subscribers if each.followed is followed]:
            subscriber.end(BAD_MESSAGE, why)

    def reserve(self, count: int) -> None:
        """Count so many connections more (or fewer), whether they have subscribed or not."""
        self._joined += count
        self.mark_empty()

    def mark_empty(self) -> None:
        """If there is no subscriber, count the time without one from now on."""
        is_empty = not (self._joined or self._subscribers)
        self.empty_since = asyncio.get_running_loop().time() if is_empty else None

    def changed(self) -> None:
        """Handle a change of the feed's state: send at once if the last frame is a tick ago, else at the tick."""
        self.breakdowns.look()
        self._send()

    def _send_breakdown(self, followed: Followed) -> None:
        """Send those who follow a breakdown what was read, without a wait for the tick, unless they are too many.

        They were sent the figures when the change came: the tick after that would double the delay of the rows.
        """
        following = [subscriber for subscriber in self._subscribers if subscriber.followed is followed]
        if len(following) > SLICE or self.feed.state is None:
            self._send()
            return
        became, frames = Counter[str](), _Frames()
        for subscriber in following:
            try:
                became[self._advance(subscriber, frames)] += 1
            except Exception:
                self._remove_failed(subscriber)
        self._hub.count(became)
        if became[SKIPPED]:
            self._arm()

    def _send(self) -> None:
        self._changed = True
        if self._tick is None and self._subscribers:
            self._on_tick()

    def serve(self, subscriber: Subscriber) -> None:
        """Send one subscriber what it is owed, now; if it does not read, at a later tick."""
        became = self._advance(subscriber, {})
        self._hub.count({became: 1})
        if became == SKIPPED:
            self._arm()
        elif self.feed.stale_since is not None:
            # Figures that are old must not look live until the next heartbeat.
            self._send_heartbeat(subscriber, {})

    async def send_heartbeats(self) -> None:
        """Send a heartbeat to every subscriber that reads."""
        frames: dict[Marker, Frame] = {}
        sent = 0
        for number, subscriber in enumerate(list(self._subscribers), 1):
            try:
                sent += self._send_heartbeat(subscriber, frames)
            except Exception:
                self._remove_failed(subscriber)
            if number % SLICE == 0:
                frames.clear()
                await asyncio.sleep(0)
        self._hub.count({"heartbeat": sent})

    def _send_heartbeat(self, subscriber: Subscriber, frames: dict[Marker, Frame]) -> bool:
        marker = subscriber.marker
        if marker is None or subscriber.due or subscriber not in self._subscribers:
            return False
        if subscriber.sink.busy:
            # It may be sent nothing else for long: from here on the ticks watch whether it reads.
            if subscriber.behind_since is None:
                subscriber.behind_since = asyncio.get_running_loop().time()
            self._arm()
            return False
        if marker not in frames:
            frames[marker] = self._heartbeat(marker)
        return subscriber.sink.offer(frames[marker])

    def _heartbeat(self, marker: Marker) -> Frame:
        """Write the heartbeat for subscribers at *marker*; its digest is of what they show."""
        position = str(marker.position)
        payload = protocol.frame(
            "heartbeat",
            position=position,
            at=self.feed.at,
            stale_since=self.feed.stale_since,
            digest=marker.digest,
        )
        return Frame(payload, "heartbeat", position)

    def _remove_failed(self, subscriber: Subscriber) -> None:
        """Drop a subscriber to which sending failed: the others must not wait for it."""
        log.exception("panel_broken")
        self.leave(subscriber)

    def disagree(self, subscriber: Subscriber) -> None:
        """Record that a subscriber's figures were not those of the digest it was sent."""
        position = None if subscriber.marker is None else str(subscriber.marker.position)
        log.error("panel_disagrees", position=position)
        self._hub.observer.subscriber_disagreed()

    def send_snapshots(self) -> None:
        """Send every subscriber a snapshot: the figures at its position were wrong, so no delta leads from there."""
        for subscriber in self._subscribers:
            subscriber.marker = None
        self.changed()

    def close(self) -> None:
        """Stop the tick, and reading."""
        self.breakdowns.close()
        if self._tick is not None:
            self._tick.cancel()
            self._tick = None

    def _arm(self) -> None:
        if self._tick is None:
            self._tick = asyncio.get_running_loop().call_later(self._hub.tick_seconds, self._on_tick)

    def _on_tick(self) -> None:
        """Begin to send, unless there is nothing new; ticks continue while there is."""
        self._tick = None
        if self._flushing is not None:
            self._arm()
            return
        behind = any(subscriber.behind_since is not None for subscriber in self._subscribers)
        if not self._changed and not behind:
            return
        self._changed = False
        self._arm()
        self._flushing = self._flush()
        self._continue()

    def _continue(self) -> None:
        """Write one slice, and the next one after the event loop has served others."""
        if self._flushing is None or next(self._flushing, self) is self:
            self._flushing = None
        else:
            asyncio.get_running_loop().call_soon(self._continue)

    def _flush(self) -> Iterator[None]:
        """Bring every subscriber to the state of now, a slice at a time."""
        subscribers, became = list(self._subscribers), Counter[str]()
        for begin in range(0, len(subscribers), SLICE):
            if begin:
                yield
            self._flush_slice(subscribers[begin : begin + SLICE], became)
        self._hub.count(became)

    def _flush_slice(self, subscribers: list[Subscriber], became: Counter[str]) -> None:
        """Bring some subscribers to the state of now.

        Nearly all are at the marker of the one before: they get the same frame, without a look-up.
        """
        state, frames, delivered = self.feed.state, _Frames(), 0
        if state is None:
            return
        marker, frame = state.marker, None
        stood: Marker | None = None
        topics: Topics | None = None
        for subscriber in subscribers:
            try:
                steady = not (subscriber.due or subscriber.followed) and subscriber.behind_since is None
                if steady and subscriber.marker is stood and subscriber.topics is topics and frame is not None:
                    if subscriber.sink.offer(frame):
                        subscriber.marker = marker
                        delivered += 1
                        continue
                elif steady and subscriber.marker is marker:
                    continue
                stood, topics = subscriber.marker, subscriber.topics
                became[self._advance(subscriber, frames)] += 1
                frame = (
                    frames.get((stood, topics, False, None, None))
                    if stood is not None and stood is not marker
                    else None
                )
            except Exception:
                self._remove_failed(subscriber)
        became["delta"] += delivered

    def _advance(self, subscriber: Subscriber, frames: _Frames) -> str:
        """Bring one subscriber to the state of now, with a frame from *frames* or a new one; says what became of it."""
        state = self.feed.state
        if state is None or subscriber not in self._subscribers:
            return NOTHING
        marker, followed = subscriber.marker, subscriber.followed
        shown = None if followed is None else followed.shown
        if marker is state.marker and subscriber.shown is shown and not subscriber.due:
            # It was watched because it did not read.
            return self._skip(subscriber) if subscriber.sink.busy else self._reads(subscriber)
        if marker is not None and not state.knows(marker.position):
            marker = None
        key = (marker, subscriber.topics, subscriber.due, followed, subscriber.shown)
        frame = frames.get(key)
        if frame is None:
            frame = frames[key] = self._frame(*key)
        if not subscriber.sink.offer(frame):
            return self._skip(subscriber)
        subscriber.marker, subscriber.due, subscriber.behind_since = state.marker, False, None
        subscriber.shown = shown
        return "snapshot" if marker is None else "delta"

    def _reads(self, subscriber: Subscriber) -> str:
        subscriber.behind_since = None
        return NOTHING

    def _skip(self, subscriber: Subscriber) -> str:
        """Skip a subscriber that does not read, and end it past the deadline."""
        now = asyncio.get_running_loop().time()
        if subscriber.behind_since is None:
            subscriber.behind_since = now
        elif now - subscriber.behind_since > self._hub.write_deadline:
            subscriber.end(TOO_SLOW, f"nothing was read for {self._hub.write_deadline:g} s")
        return SKIPPED

    def _frame(
        self, marker: Marker | None, topics: Topics, first: bool, followed: Followed | None, shown: Shown | None
    ) -> Frame:
        """Write the frame that leads from *marker* to the state of now; from None, it is a snapshot.

        In the breakdown that is *followed* it leads from what is *shown* to what was read last.

        The *first* frame after a subscription gives the interval of heartbeats: it can have changed since the last one.
        """
        state = self.feed.state
        if state is None:
            raise RuntimeError("there is no state yet")
        position, at = str(state.position), self.feed.at
        kind, cells = ("snapshot", state.snapshot()) if marker is None else ("delta", state.delta(marker))
        held = {topic: cell for topic, cell in cells.items() if topic in topics}
        if (
            followed is not None
            and followed.shown is not None
            and (first or marker is None or followed.shown is not shown)
        ):
            # A snapshot replaces all that a subscriber holds.
            held[BREAKDOWN] = followed.shown.since(None if marker is None else shown)
        interval = {"heartbeat_seconds": self._hub.heartbeat_seconds} if first or marker is None else {}
        return Frame(protocol.frame(kind, position=position, at=at, **interval, **held), kind, position)


class Hub:
    """All subscribers of this process, by tenant. It knows feeds, but neither broker nor database."""

    def __init__(
        self, *, tick_seconds: float, heartbeat_seconds: float, write_deadline: float, observer: Observer
    ) -> None:
        self.tick_seconds = tick_seconds
        self.heartbeat_seconds = heartbeat_seconds
        self.write_deadline = write_deadline
        self.observer = observer
        self.tenants: dict[str, Subscribers] = {}
        # When each tenant's subscribers are due; the interval is the same for all, so the last in the queue is due
        # last.
        self._due: deque[tuple[float, Subscribers]] = deque()
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return sum(len(subscribers) for subscribers in self.tenants.values())

    def count(self, became: Mapping[str, int]) -> None:
        """Give the observer what became of subscribers, once for many."""
        for kind, frames in became.items():
            if kind == SKIPPED:
                self.observer.skipped(frames)
            elif kind != NOTHING:
                self.observer.sent(kind, frames)

    def start(self) -> None:
        """Begin to send heartbeats."""
        self._task = asyncio.create_task(self._run_heartbeats(), name="heartbeat")

    async def stop(self) -> None:
        """Stop heartbeats and ticks; connections end by themselves."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for subscribers in self.tenants.values():
            subscribers.close()

    def open(self, feed: Feed, breakdowns: Breakdowns) -> Subscribers:
        """Make the (empty) set of subscribers of a tenant's feed, who may follow *breakdowns*."""
        subscribers = self.tenants[feed.tenant_id] = Subscribers(feed, breakdowns, self)
        self._due.append((asyncio.get_running_loop().time() + self.heartbeat_seconds, subscribers))
        return subscribers

    def changed(self, tenant_id: str) -> None:
        """Send the subscribers of a tenant, if there are any, the changed state of its feed."""
        subscribers = self.tenants.get(tenant_id)
        if subscribers is not None:
            subscribers.changed()

    def drop(self, tenant_id: str) -> None:
        """Forget the subscribers of a tenant."""
        self.tenants.pop(tenant_id).close()

    async def _run_heartbeats(self) -> None:
        """Send heartbeats to the subscribers of each tenant, an interval after those before."""
        now = asyncio.get_running_loop().time
        while True:
            wait = self._due[0][0] - now() if self._due else self.heartbeat_seconds
            await asyncio.sleep(max(wait, HEARTBEAT_SLICE_SECONDS))
            slicer, until = Slicer(), now()
            while self._due and self._due[0][0] <= until:
                due, subscribers = self._due.popleft()
                if self.tenants.get(subscribers.feed.tenant_id) is not subscribers:
                    continue
                # Not for every interval that the machine was asleep.
                self._due.append((max(due + self.heartbeat_seconds, until), subscribers))
                await subscribers.send_heartbeats()
                await slicer.yield_if_due()
