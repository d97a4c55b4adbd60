"""The node: it connects broker, feeds and hub.

It opens a tenant's feed for the first subscriber, drops it a while after the last one left, and follows the database:
every second all feeds are compared with their heads, so that a change that the broker lost, or that a crash kept from
being published, is read within that second.
"""

import asyncio
import contextlib
from functools import partial

from realtime.breakdowns.breakdowns import Breakdowns, Budget
from realtime.brokers.broker import Broker
from realtime.feed import Feed
from realtime.follower import Follower
from realtime.hub import Hub, Subscribers
from storage.engine.database import Database
from storage.fairness.slicing import Slicer
from storage.model.changes import Change
from storage.model.clock import Days

FOLLOW_SECONDS = 1.0
"""How often each feed is compared with the database."""
ALONE_SECONDS = 0.5
"""How often, while the broker does not deliver: subscribers then lag by no more than a second, their tick included."""
WATCHED = 500
"""Feeds that are checked in one go for what time changes: 1 ms."""
LINGER_SECONDS = 30.0
"""How long a feed stays after its last subscriber left, so that a reload of the page finds it loaded."""


class Node:
    """Joins the *broker* and the *hub*; *window* is how many changes back a subscriber may resume."""

    def __init__(self, database: Database, broker: Broker, hub: Hub, window: int) -> None:
        self._database = database
        self._broker = broker
        self._hub = hub
        self._window = window
        self._loading: dict[str, asyncio.Task[Subscribers]] = {}
        self._follower = Follower(database, self._look, self._on_mismatch)
        self.breakdowns = Budget()
        """What the live breakdowns of all tenants share."""
        self._behind: dict[Feed, None] = {}
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def days(self) -> Days:
        """The local days of the figures."""
        return self._database.days

    @property
    def delivering(self) -> bool:
        """Whether changes arrive by the broker; if not, subscribers lag by up to :data:`FOLLOW_SECONDS`."""
        return self._broker.delivering

    async def start(self) -> None:
        """Begin to receive and to follow."""
        await self._broker.start(self._receive, self._on_missed)
        self._hub.start()
        self._tasks = [
            asyncio.create_task(self._follow(), name="follow"),
            asyncio.create_task(self._verify(), name="verify"),
            asyncio.create_task(self._watch(), name="watch"),
        ]

    async def stop(self) -> None:
        """End; subscribers are closed by the server."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._follower.stop()
        await self._hub.stop()
        await self._broker.stop()

    async def join(self, tenant_id: str) -> Subscribers:
        """Give the subscribers of a tenant, with its feed loaded; raises what the database raises."""
        subscribers = self._hub.tenants.get(tenant_id)
        if subscribers is not None:
            # A subscriber that joins just before an idle feed is dropped has the full time again to subscribe.
            subscribers.mark_empty()
            return subscribers
        task = self._loading.get(tenant_id)
        if task is None:
            task = self._loading[tenant_id] = asyncio.create_task(self._open(tenant_id))
            task.add_done_callback(lambda _: self._loading.pop(tenant_id, None))
        # Many subscribers may wait for one feed: that one of them leaves must not cancel it for the others.
        return await asyncio.shield(task)

    async def _open(self, tenant_id: str) -> Subscribers:
        feed = Feed(tenant_id, self._database, self._window, partial(self._hub.changed, tenant_id))
        self._broker.subscribe(tenant_id)
        try:
            await self._follower.load(feed)
        except BaseException:
            self._broker.unsubscribe(tenant_id)
            raise
        breakdowns = Breakdowns(feed, self._database, self.breakdowns, self._hub.tick_seconds)
        subscribers = self._hub.open(feed, breakdowns)
        subscribers.mark_empty()
        # What was committed while the state was read was published before there was a feed to receive it.
        feed.mark_behind()
        self._look(feed)
        return subscribers

    def _receive(self, change: Change) -> None:
        """Take a change from the broker, the only source of changes; the feed calls the hub."""
        subscribers = self._hub.tenants.get(change.tenant_id)
        if subscribers is not None:
            subscribers.feed.receive(change)
            if subscribers.feed.is_behind:
                self._look(subscribers.feed)

    def _on_missed(self) -> None:
        for feed in self._feeds():
            feed.mark_behind()
            self._look(feed)

    async def _follow(self) -> None:
        """Compare every feed with the database each second, and those that miss something at once."""
        matched_at = _ticks()
        while True:
            # Feeds that often miss something must not keep the others from their turn.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._due(matched_at) - _ticks()):
                    await self._wake.wait()
            self._wake.clear()
            behind, self._behind = self._behind, {}
            if _ticks() >= self._due(matched_at):
                matched_at = _ticks()
                await self._follower.compare(self._feeds())
            else:
                await self._follower.compare(behind)

    def _due(self, matched_at: float) -> float:
        """When all feeds are to be compared again, if they last were at *matched_at*."""
        return matched_at + (FOLLOW_SECONDS if self.delivering else min(ALONE_SECONDS, FOLLOW_SECONDS))

    def _look(self, feed: Feed) -> None:
        """Have a feed compared with the database at once."""
        self._behind[feed] = None
        self._wake.set()

    async def _verify(self) -> None:
        """Verify the feeds that changed, over and over."""
        while True:
            await asyncio.sleep(2 * FOLLOW_SECONDS)
            await self._follower.verify(self._feeds())

    def _on_mismatch(self, feed: Feed) -> None:
        self._hub.observer.feed_disagreed()
        subscribers = self._hub.tenants.get(feed.tenant_id)
        if subscribers is not None:
            subscribers.send_snapshots()

    def _feeds(self) -> list[Feed]:
        return [subscribers.feed for subscribers in self._hub.tenants.values()]

    async def _watch(self) -> None:
        """Handle what time alone changes, even while the database hangs: the day, staleness, and idle feeds."""
        while True:
            await asyncio.sleep(FOLLOW_SECONDS)
            slicer, tenants = Slicer(), list(self._hub.tenants.values())
            for begin in range(0, len(tenants), WATCHED):
                await self._watch_some(tenants[begin : begin + WATCHED])
                await slicer.yield_if_due()

    async def _watch_some(self, tenants: list[Subscribers]) -> None:
        today = self.days.today()
        # In one go: a feed that has applied a change of tomorrow meanwhile must not go back a day.
        for subscribers in tenants:
            subscribers.feed.change_day(today)
        for subscribers in tenants:
            if subscribers.feed.freshness_changed():
                await subscribers.send_heartbeats()
            # For what the clock alone changes, and for what could not be read.
            subscribers.breakdowns.look()
            if self._is_idle(subscribers):
                self._broker.unsubscribe(subscribers.feed.tenant_id)
                self._hub.drop(subscribers.feed.tenant_id)

    def _is_idle(self, subscribers: Subscribers) -> bool:
        since = subscribers.empty_since
        return since is not None and _ticks() - since > LINGER_SECONDS


def _ticks() -> float:
    return asyncio.get_running_loop().time()
