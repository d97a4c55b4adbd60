"""The node: the one place where broker, feeds and hub meet.

It opens a tenant's feed when the first panel comes, drops it a while after the last one left, and follows the database:
every second all feeds are compared with their heads, so that whatever the broker lost, or a crash between a commit and
its publication, is mended within that second.
"""

import asyncio
import contextlib
from functools import partial

from realtime.brokers.broker import Broker
from realtime.feed import Feed
from realtime.follower import Follower
from realtime.hub import Audience, Hub
from storage.engine.database import Database
from storage.fairness.slicing import Pace
from storage.model.changes import Change
from storage.model.clock import Days

FOLLOW_SECONDS = 1.0
"""How often each feed is compared with the database."""
ALONE_SECONDS = 0.5
"""How often, while the broker does not deliver: panels then lag by no more than a second, their tick included."""
WATCHED = 500
"""Feeds for which it is looked what time changes in one go: 1 ms."""
LINGER_SECONDS = 30.0
"""How long a feed stays after its last panel left, so that a reload of the page finds it warm."""


class Node:
    """Joins the *broker* and the *hub*; *window* is how many changes back a panel may resume."""

    def __init__(self, database: Database, broker: Broker, hub: Hub, window: int) -> None:
        self._database = database
        self._broker = broker
        self._hub = hub
        self._window = window
        self._loading: dict[str, asyncio.Task[Audience]] = {}
        self._follower = Follower(database, self._look, self._disproved)
        self._behind: dict[Feed, None] = {}
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def days(self) -> Days:
        """The local days of the figures."""
        return self._database.days

    @property
    def delivering(self) -> bool:
        """Whether changes arrive by the broker; if not, the panels lag by up to :data:`FOLLOW_SECONDS`."""
        return self._broker.delivering

    async def start(self) -> None:
        """Begin to receive and to follow."""
        await self._broker.start(self._receive, self._miss)
        self._hub.start()
        self._tasks = [
            asyncio.create_task(self._follow(), name="follow"),
            asyncio.create_task(self._prove(), name="prove"),
            asyncio.create_task(self._watch(), name="watch"),
        ]

    async def stop(self) -> None:
        """End; panels are closed by the server."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._follower.stop()
        await self._hub.stop()
        await self._broker.stop()

    async def join(self, tenant_id: str) -> Audience:
        """Give the audience of a tenant, with its feed loaded; raises what the database raises."""
        audience = self._hub.audiences.get(tenant_id)
        if audience is not None:
            # Who comes just before an idle feed is dropped has its time again to subscribe.
            audience.touch()
            return audience
        task = self._loading.get(tenant_id)
        if task is None:
            task = self._loading[tenant_id] = asyncio.create_task(self._open(tenant_id))
            task.add_done_callback(lambda _: self._loading.pop(tenant_id, None))
        # Many panels may wait for one feed: that one of them leaves must not cancel it for the others.
        return await asyncio.shield(task)

    async def _open(self, tenant_id: str) -> Audience:
        feed = Feed(tenant_id, self._database, self._window, partial(self._hub.changed, tenant_id))
        self._broker.subscribe(tenant_id)
        try:
            await self._follower.load(feed)
        except BaseException:
            self._broker.unsubscribe(tenant_id)
            raise
        audience = self._hub.open(feed)
        audience.touch()
        # What was committed while the state was read came before there was a feed to receive it.
        feed.miss()
        self._look(feed)
        return audience

    def _receive(self, change: Change) -> None:
        """Take a change from the broker: the one way by which changes come in; the feed tells the hub."""
        audience = self._hub.audiences.get(change.tenant_id)
        if audience is not None:
            audience.feed.receive(change)
            if audience.feed.behind:
                self._look(audience.feed)

    def _miss(self) -> None:
        for feed in self._feeds():
            feed.miss()
            self._look(feed)

    async def _follow(self) -> None:
        """Compare every feed with the database each second, and those that miss something at once."""
        matched_at = _ticks()
        while True:
            # Feeds that often miss something must not keep the others from their turn.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), self._due(matched_at) - _ticks())
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

    async def _prove(self) -> None:
        """Prove the feeds that changed, over and over."""
        while True:
            await asyncio.sleep(2 * FOLLOW_SECONDS)
            await self._follower.prove(self._feeds())

    def _disproved(self, feed: Feed) -> None:
        self._hub.observer.feed_disagreed()
        audience = self._hub.audiences.get(feed.tenant_id)
        if audience is not None:
            audience.begin_anew()

    def _feeds(self) -> list[Feed]:
        return [audience.feed for audience in self._hub.audiences.values()]

    async def _watch(self) -> None:
        """Tell what time alone changes, even while the database hangs: the day, staleness, and idle feeds."""
        while True:
            await asyncio.sleep(FOLLOW_SECONDS)
            pace, audiences = Pace(), list(self._hub.audiences.values())
            for begin in range(0, len(audiences), WATCHED):
                await self._watch_some(audiences[begin : begin + WATCHED])
                await pace.give_way()

    async def _watch_some(self, audiences: list[Audience]) -> None:
        today = self.days.today()
        # In one go: whoever has taken a change of tomorrow meanwhile must not be turned back.
        for audience in audiences:
            audience.feed.turn(today)
        for audience in audiences:
            if audience.feed.freshness_changed():
                await audience.beat()
            if self._is_idle(audience):
                self._broker.unsubscribe(audience.feed.tenant_id)
                self._hub.drop(audience.feed.tenant_id)

    def _is_idle(self, audience: Audience) -> bool:
        since = audience.empty_since
        return since is not None and _ticks() - since > LINGER_SECONDS


def _ticks() -> float:
    return asyncio.get_running_loop().time()
