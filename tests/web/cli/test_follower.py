"""How the panel of a terminal follows the service: connections, tokens, and when it gives up."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, NoReturn

import msgspec
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.frames import Close

from realtime import protocol
from realtime.protocol import BAD_MESSAGE, EXPIRED, NOT_ALLOWED, OVER_CAPACITY, RESTARTING, SUBPROTOCOL, TOO_SLOW
from realtime.subscriber_state import SubscriberState
from tests.servers.service import Running
from tests.servers.settings import SECRET
from tests.web.cli.samples import LOGIN, NOW, snapshot
from web.auth.tokens import make_token
from web.cli.terminal import Link
from web.cli.watch import Ended, Follower, Refused, backoff, ended, expiry, live_url, rejected


class Shown:
    """What a follower has shown; :meth:`until` waits for something to hold of it."""

    def __init__(self) -> None:
        self.state = SubscriberState()
        self.links: list[Link] = []
        self._changed = asyncio.Event()

    def __call__(self, panel: SubscriberState, link: Link) -> None:
        self.state = panel
        self.links.append(link)
        self._changed.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not holds():
                self._changed.clear()
                await self._changed.wait()


@asynccontextmanager
async def following(url: str, supply: Callable[[], str]) -> AsyncIterator[Shown]:
    shown = Shown()
    task = asyncio.create_task(Follower(live_url(url), supply, shown, lambda _: 0.0).run())
    try:
        yield shown
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def refusal(url: str, token: str = "t") -> Coroutine[Any, Any, NoReturn]:
    return Follower(live_url(url), lambda: token, Shown()).run()


class Script:
    """A service that serves each connection by the next of *acts*, and keeps what the panel sent."""

    def __init__(self, *acts: Callable[[ServerConnection], Awaitable[None]]) -> None:
        self.sent: list[Any] = []
        self.tokens: list[str] = []
        self._acts = list(acts)

    async def __call__(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        self.tokens.append(connection.request.headers["Authorization"].removeprefix("Bearer "))
        await self.take(connection)
        await self._acts.pop(0)(connection)

    async def take(self, connection: ServerConnection) -> None:
        self.sent.append(msgspec.json.decode(await connection.recv()))

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        async with serve(self, "127.0.0.1", 0, subprotocols=[SUBPROTOCOL]) as server:  # type: ignore[list-item]
            yield f"http://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"


def says(*frames: dict[str, Any]) -> Callable[[ServerConnection], Awaitable[None]]:
    """Make an act that sends *frames* and then is silent."""

    async def act(connection: ServerConnection) -> None:
        for frame in frames:
            await connection.send(msgspec.json.encode(frame).decode())
        await connection.wait_closed()

    return act


def closes(close: protocol.Close, reason: str) -> Callable[[ServerConnection], Awaitable[None]]:
    """Make an act that sends a snapshot and an error frame, and closes."""

    async def act(connection: ServerConnection) -> None:
        await connection.send(msgspec.json.encode(snapshot()).decode())
        await connection.send(protocol.error(close, "as the test says").decode())
        await connection.close(close.code, reason)

    return act


def test_delays_grow_and_are_spread() -> None:
    """The bound of the delay doubles from half a second to twenty seconds, and the whole of it is used."""
    for attempt, bound in ((0, 0.5), (1, 1), (4, 8), (6, 20), (10_000, 20)):
        delays = [backoff(attempt) for _ in range(400)]
        assert 0 <= min(delays) < bound / 4
        assert bound * 3 / 4 < max(delays) <= bound


def test_every_close_code_is_obeyed() -> None:
    """Codes that say stay away do so with a reason; the others let the panel come back, 1012 after its hint."""
    for close in (BAD_MESSAGE, NOT_ALLOWED):
        with pytest.raises(Refused, match=f"what was said.*{close.advice}"):
            ended(Close(close.code, close.reason), "what was said")
    for close in (OVER_CAPACITY, EXPIRED, TOO_SLOW):
        assert ended(Close(close.code, "retry after 9 s"), "") == Ended(close.reason)
    assert ended(Close(RESTARTING.code, "retry after 2.5 s"), "").delay == 2.5
    assert ended(Close(RESTARTING.code, ""), "").delay is None
    assert ended(Close(1001, ""), "") == ended(None, "") == Ended("the connection was lost")


def test_a_handshake_is_refused_for_the_token_alone() -> None:
    """401 and 403 end the panel with what to do; anything else is tried again."""
    with pytest.raises(Refused, match=r"has expired.*convoai-analytics token"):
        rejected(401, b'{"detail":"the token has expired"}')
    with pytest.raises(Refused, match="role admin"):
        rejected(403, b"")
    assert rejected(503, b'{"detail":"later"}') == Ended("the service answered 503: later")
    assert rejected(502, b"<html>") == Ended("the service answered 502")


def test_a_token_tells_its_end() -> None:
    """The end of a token is read whoever signed it; what is no token has none."""
    assert expiry(make_token("another secret that is long enough here", "a", [], "t", 60)) == int(time.time() + 60)
    assert expiry("no token") is None


def test_a_url_leads_to_the_live_endpoint() -> None:
    """HTTP becomes WebSocket, with or without TLS, below the path of the URL; anything else is refused."""
    assert live_url("http://[::1]:8002/") == "ws://[::1]:8002/api/v1/analytics/live"
    assert live_url("https://example.com/stats") == "wss://example.com/stats/api/v1/analytics/live"
    for url in ("127.0.0.1:8002", "ftp://host", "http://", "http://[", "http://host:port"):
        with pytest.raises(Refused, match="begins with http"):
            live_url(url)


async def test_a_follower_shows_what_happens(running: Running) -> None:
    """The panel begins with the service's figures, and follows every event."""
    await running.post("activity-public", LOGIN)
    async with following(running.url, running.token) as shown:
        await shown.until(lambda: shown.state.summary.get("total_users") == 1)
        await running.post("activity-public", {**LOGIN, "user_id": "u2", "username": "Bea"})
        await shown.until(lambda: shown.state.summary.get("total_users") == 2)
        assert [item["username"] for item in shown.state.activities] == ["Bea", "Ada"]
    assert shown.links[0] == Link()
    assert all(link.heard is not None for link in shown.links[1:])


async def test_a_follower_takes_no_for_an_answer(running: Running) -> None:
    """A token that is wrong, expired, or without the role ends the panel with what to do."""
    for token, said in (
        ("no token", "the token is not valid.*--token-file"),
        (running.token(seconds=-5), "the token has expired"),
        (running.token(roles=["reader"]), "does not have the role admin"),
    ):
        with pytest.raises(Refused, match=said):
            await asyncio.wait_for(refusal(running.url, token), 10)


async def test_a_follower_comes_back_where_it_was() -> None:
    """After a restart it waits as long as the close reason says, and resumes from its position."""
    delta = {"type": "delta", "position": "e.2.b", "at": "2026-11-22T12:00:09.000Z", "summary": {"total_users": 1235}}
    script = Script(closes(RESTARTING, "retry after 0.1 s"), says(delta))
    async with script.serving() as url, following(url, lambda: "t") as shown:
        await shown.until(lambda: shown.state.position == "e.2.b")
    assert [message["position"] for message in script.sent] == [None, "e.1.a"]
    assert script.sent[0]["topics"] == ["summary", "activities", "top_users"]
    assert shown.state.summary["total_users"] == 1235
    assert [link.reason for link in shown.links if link.retry_at] == [RESTARTING.reason]


async def test_an_expired_token_is_replaced() -> None:
    """When the service says that the token has expired, the panel comes back with a new one."""
    script, tokens = Script(closes(EXPIRED, EXPIRED.reason), says(snapshot(position="e.2.b"))), iter(("old", "new"))
    async with script.serving() as url, following(url, lambda: next(tokens)) as shown:
        await shown.until(lambda: shown.state.position == "e.2.b")
    assert script.tokens == ["old", "new"]


async def test_a_token_is_refreshed_before_it_ends() -> None:
    """A new token is sent on the open connection while the old one is still valid."""
    tokens = [make_token(SECRET, "ada", [], "default", seconds) for seconds in (1, 3600)]

    async def act(connection: ServerConnection) -> None:
        await script.take(connection)
        await says(snapshot())(connection)

    script, supply = Script(act), iter(tokens)
    async with script.serving() as url, following(url, lambda: next(supply)) as shown:
        await shown.until(lambda: shown.state.position == "e.1.a")
    assert script.sent[1] == {"type": "refresh", "token": tokens[1]}
    assert script.tokens == tokens[:1]


async def test_wrong_figures_are_reported_and_replaced() -> None:
    """Figures that are not those of the digest are reported, and replaced by a snapshot."""
    beat = {"type": "heartbeat", "position": "e.1.a", "at": NOW.isoformat(), "stale_since": None, "digest": "00000000"}

    async def act(connection: ServerConnection) -> None:
        for frame in (snapshot(), beat):
            await connection.send(msgspec.json.encode(frame).decode())
        await script.take(connection)
        await script.take(connection)
        await says(snapshot(position="e.2.b"))(connection)

    script = Script(act)
    async with script.serving() as url, following(url, lambda: "t") as shown:
        await shown.until(lambda: shown.state.position == "e.2.b")
    assert script.sent[1] == {"type": "disagree", "position": "e.1.a"}
    assert (script.sent[2]["type"], script.sent[2]["position"]) == ("subscribe", None)


async def test_silence_is_taken_for_a_dead_connection() -> None:
    """When heartbeats fail to come, the panel says so, and connects anew."""
    silent, alive = says(snapshot(heartbeat_seconds=0.2)), says(snapshot(position="e.2.b"))
    script = Script(silent, alive)
    async with script.serving() as url, following(url, lambda: "t") as shown:
        await shown.until(lambda: shown.state.position == "e.2.b")
    assert [link.reason for link in shown.links if link.retry_at] == ["nothing was heard for 0.5 s"]


async def test_a_service_that_is_away_is_waited_for() -> None:
    """A connection that cannot be made is tried again, with a plain reason."""
    script = Script(says(snapshot()))
    async with script.serving() as url:
        pass
    async with following(url, lambda: "t") as shown:
        await shown.until(lambda: len([link for link in shown.links if link.retry_at]) >= 3)
    assert shown.links[1].reason == "the service cannot be reached (ConnectionRefusedError)"


@pytest.mark.parametrize("frame", [{"type": "news"}, {"type": "delta"}, []])
async def test_another_protocol_ends_the_panel(frame: Any) -> None:
    """Frames that the panel does not understand end it, instead of leaving it with wrong figures."""
    script = Script(says(frame))
    async with script.serving() as url:
        with pytest.raises(Refused, match="another protocol"):
            await asyncio.wait_for(refusal(url), 10)


async def test_another_endpoint_ends_the_panel() -> None:
    """A WebSocket that does not speak the subprotocol is refused at once."""

    async def greet(connection: ServerConnection) -> None:
        await connection.wait_closed()

    async with serve(greet, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        with pytest.raises(Refused, match=r"does not speak analytics\.v1"):
            await asyncio.wait_for(refusal(url), 10)
