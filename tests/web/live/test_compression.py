"""permessage-deflate (RFC 7692) between the service and its subscribers: what is agreed on, sent, and taken."""

import contextlib
import itertools
import json
import random
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from websockets.frames import Opcode

from realtime.protocol import TOPICS
from realtime.transports.deflate import deflate
from tests.samples.events import ACTIVITY
from tests.servers.service import Running, start
from tests.subscribers.backlog import flood
from tests.subscribers.bare import TAIL, BareSubscriber, bare, squeeze, tables
from tests.subscribers.snapshots import equals_snapshot

OFFER = "permessage-deflate"
AGREED = "permessage-deflate; client_no_context_takeover"
WITHOUT = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
SUBSCRIBE = json.dumps({"type": "subscribe", "topics": TOPICS, "position": None}).encode()
LIMIT = 16 * 1024
"""Bytes of a message, as documented."""
ANSWERS: tuple[tuple[tuple[str, ...], str | None], ...] = (
    ((), None),
    ((OFFER,), AGREED),
    ((f"{OFFER}; client_max_window_bits",), AGREED),
    ((f"{OFFER}; client_max_window_bits=8",), f"{AGREED}; client_max_window_bits=8"),
    ((f"{OFFER}; server_no_context_takeover; client_no_context_takeover",), WITHOUT),
    ((f"{OFFER}; server_no_context_takeover; server_max_window_bits=13",), f"{WITHOUT}; server_max_window_bits=13"),
    ((f"{OFFER}; server_max_window_bits=15",), f"{AGREED}; server_max_window_bits=15"),
    ((f'{OFFER}; server_max_window_bits="12"',), f"{AGREED}; server_max_window_bits=12"),
    ((f"{OFFER}; server_max_window_bits=11",), None),
    ((f"{OFFER}; server_max_window_bits=8",), None),
    ((f"{OFFER}; server_max_window_bits=9, {OFFER}",), AGREED),
    ((f"{OFFER}; server_max_window_bits=9", OFFER), AGREED),
    ((f"{OFFER}, {OFFER}; client_max_window_bits",), AGREED),
    ((f"{OFFER}; server_max_window_bits",), None),
    ((f"{OFFER}; server_max_window_bits=16",), None),
    ((f"{OFFER}; client_max_window_bits=07",), None),
    ((f"{OFFER}; server_no_context_takeover=1",), None),
    ((f"{OFFER}; client_no_context_takeover; client_no_context_takeover",), None),
    ((f"{OFFER}; level=9",), None),
    (("x-webkit-deflate-frame, permessage-bzip2",), None),
    ((f"x-other; a=b, {OFFER}",), AGREED),
    ((", ".join([f"{OFFER}; x"] * 300 + [OFFER]),), None),
    (("a," * 3_000,) * 4, None),
)
"""What is answered to the offers, each a header of its own."""
BAD = (
    (squeeze(SUBSCRIBE + b" " * (LIMIT - len(SUBSCRIBE) + 1)), 1009),
    (squeeze(b" " * (8 << 20)), 1009),
    (b"\xff\xff\xff", 1007),
    (squeeze(b"\xff"), 1007),
    (squeeze(b"{"), 4400),
    (b"", 4400),
)
"""What a subscriber must not send compressed, and the close code for it."""


@pytest.fixture(params=["prepared", "plain"])
async def either(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Running]:
    """A service on uvicorn with prepared frames, and on a server that does not know them."""
    found = await start(tmp_path, plain=request.param == "plain")
    yield found
    await found.drop()


async def test_what_is_agreed_on(running: Running) -> None:
    """An offer is taken if it can be met; what is not known, or too long, is passed over. All are served."""
    for offers, answer in ANSWERS:
        async with bare(running.url, running.token(), *offers) as subscriber:
            assert subscriber.status == 101
            assert subscriber.headers.get("sec-websocket-extensions") == answer, offers
            subscriber.send(SUBSCRIBE)
            first = await subscriber.receive()
            assert first.rsv1 == (answer is not None), offers


async def test_a_header_that_breaks_its_grammar_is_refused(running: Running) -> None:
    """Offers that cannot be read end the handshake with 400, as RFC 6455 has it."""
    async with bare(running.url, running.token(), f"{OFFER}; ; =") as subscriber:
        assert subscriber.status == 400


async def test_frames_fit_the_window(running: Running) -> None:
    """A subscriber that agreed on the smallest window reads a snapshot and deltas with no more than that."""
    async with bare(running.url, running.token(), f"{OFFER}; server_max_window_bits=12") as subscriber:
        await _fill(running)
        subscriber.send(SUBSCRIBE)
        snapshot = json.loads(await subscriber.text())
        assert snapshot["summary"] == (await running.get("snapshot"))["summary"]
        await running.post("activity-public", ACTIVITY)
        while json.loads(await subscriber.text())["type"] != "delta":
            pass


async def test_both_kinds_of_panel_are_served(either: Running) -> None:
    """A panel that offers compression and one that does not show the same, whatever serves them."""
    panels = [await either.panel(compression=how) for how in ("deflate", None, "deflate")]
    await _fill(either)
    for panel in panels:
        await equals_snapshot(either, panel)
    for panel in panels:
        await panel.send(type="subscribe", topics=list(TOPICS), position=None)
        await panel.until(lambda: panel.frames[-1]["type"] == "heartbeat")  # noqa: B023
        assert {frame["type"] for frame in panel.frames} >= {"snapshot", "delta", "heartbeat"}


async def test_a_panel_with_compression_is_closed_with_its_reason(running: Running) -> None:
    """Error frames and close codes arrive at a panel that offers compression, and at one that finds no room."""
    panel = await running.panel(compression="deflate", token=running.token(seconds=1))
    await panel.until(lambda: panel.closed is not None)
    assert panel.frames[-1]["code"] == "token_expired"
    assert panel.closed == (4401, "the token has expired")


async def test_a_full_service_refuses_a_panel_with_compression(tmp_path: Path) -> None:
    """A panel that finds no room reads why, though it agreed on compression."""
    found = await start(tmp_path, MAX_CONNECTIONS="1")
    await found.panel(compression="deflate")
    panel = await found.panel(compression="deflate")
    assert panel.frames[-1]["code"] == "over_capacity"
    assert panel.closed == (1013, "too many connections")
    await found.drop()


async def test_a_change_is_deflated_once(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many panels take compressed frames, a delta is deflated once, and not at all if none does."""
    deflated = list[Any]()

    def counted(message: bytes, before: bytes) -> bytes | None:
        deflated.append(json.loads(message))
        return deflate(message, before)

    monkeypatch.setattr("realtime.transports.frames.deflate", counted)
    panels = [await running.panel() for _ in range(3)]
    await _fill(running)
    await equals_snapshot(running, panels[0])
    assert deflated == []
    panels += [await running.panel(compression="deflate") for _ in range(5)]
    for _ in range(3):
        position = (await running.post("activity-public", ACTIVITY))["position"]
        for panel in panels:
            await panel.until_position(position)
            await equals_snapshot(running, panel)
        assert [frame["position"] for frame in deflated if frame["type"] == "delta"].count(position) == 1
    assert [frame["type"] for frame in deflated].count("snapshot") == 5


async def test_whoever_was_sent_what_before_reads_on(running: Running) -> None:
    """Panels that come in between, want other topics, resume, or keep no context, all read what follows."""
    offers = (OFFER, f"{OFFER}; server_max_window_bits=12", f"{OFFER}; server_no_context_takeover", "x")
    async with contextlib.AsyncExitStack() as opened:
        subscribers: list[BareSubscriber] = []
        position: str | None = None
        for number in range(12):
            topics = TOPICS if number % 3 else ["summary", "activities"]
            subscriber = await opened.enter_async_context(bare(running.url, running.token(), offers[number % 4]))
            message = {"type": "subscribe", "topics": topics, "position": position if number % 2 else None}
            subscriber.send(json.dumps(message).encode())
            await subscriber.text()
            subscribers.append(subscriber)
            for _ in range(3):
                position = await _fill(running, 1 + number % 2)
                assert [await _until(each, position) for each in subscribers] == [position] * len(subscribers)


async def test_a_slow_panel_with_compression_catches_up(running: Running) -> None:
    """What a panel missed while it did not read is merged, and fits what it was sent before."""
    slow = await running.panel(compression="deflate")
    await _fill(running)
    slow.freeze()
    await flood(running, 40)
    slow.thaw()
    await equals_snapshot(running, slow)
    await _fill(running)
    await equals_snapshot(running, slow)


async def test_fewer_bytes_are_on_the_wire(running: Running) -> None:
    """The same snapshot takes less than half of the bytes where compression is offered, and a delta after another a
    quarter.
    """
    async with bare(running.url, running.token(), OFFER) as small, bare(running.url, running.token()) as large:
        await _fill(running)
        for subscriber in (small, large):
            subscriber.send(SUBSCRIBE)
            await _snapshot(subscriber)
        assert 0 < small.size < large.size / 2
        for _ in range(2):
            position, small.size, large.size = await _fill(running, 1), 0, 0
            for subscriber in (small, large):
                await _until(subscriber, position)
        assert 0 < small.size < large.size / 4


async def test_compressed_messages_are_taken(running: Running) -> None:
    """A subscription may come compressed, in parts, as bytes, with a last block, or not compressed at all."""
    squeezed = squeeze(SUBSCRIBE)
    async with bare(running.url, running.token(), OFFER) as subscriber:
        subscriber.send(squeezed, compressed=True)
        assert json.loads(await subscriber.text())["type"] == "snapshot"
        subscriber.send(squeezed[:20], compressed=True, final=False)
        subscriber.send(squeezed[20:50], opcode=Opcode.CONT, final=False)
        subscriber.send(b"", opcode=Opcode.CONT, final=False)
        subscriber.send(squeezed[50:], opcode=Opcode.CONT)
        await _snapshot(subscriber)
        subscriber.send(squeezed, opcode=Opcode.BINARY, compressed=True)
        await _snapshot(subscriber)
        subscriber.send(zlib.compress(SUBSCRIBE, 9, -15) + b"\0", compressed=True)
        await _snapshot(subscriber)
        subscriber.send(SUBSCRIBE)
        await _snapshot(subscriber)
        subscriber.send(squeeze(SUBSCRIBE + b" " * (LIMIT - len(SUBSCRIBE))), compressed=True)
        await _snapshot(subscriber)


async def test_a_bad_compressed_message_ends_the_connection(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    """A bomb is 1009, and what cannot be read 1007, or 4400 like any other, in parts too, and if the subscriber closes
    behind it. Nothing of it is an error of the service's, and others are served.
    """
    for (message, code), parts, closes in itertools.product(BAD, (1, 2), (False, True)):
        token = running.token(sub=f"{code}-{parts}")
        async with bare(running.url, token, OFFER) as subscriber:
            subscriber.send(message[: len(message) // parts], compressed=True, final=parts == 1)
            if parts == 2:
                subscriber.send(message[len(message) // 2 :], opcode=Opcode.CONT)
            if closes:
                subscriber.send((1000).to_bytes(2), opcode=Opcode.CLOSE)
            assert await subscriber.code() in {code, 1000 if closes else code}, (code, parts, closes)
    await equals_snapshot(running, await running.panel())
    assert [record for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")] == []


async def test_a_bit_in_the_wrong_place_is_1002(running: Running) -> None:
    """What says that it is compressed where nothing may be breaks the protocol."""
    for offers, opcode in (
        ((), Opcode.TEXT),
        ((OFFER,), Opcode.PING),
        ((OFFER,), Opcode.CONT),
        ((OFFER,), Opcode.CLOSE),
    ):
        async with bare(running.url, running.token(), *offers) as subscriber:
            if opcode is Opcode.CONT:
                subscriber.send(squeeze(SUBSCRIBE)[:9], compressed=True, final=False)
            subscriber.send(b"", opcode=opcode, compressed=True)
            assert await subscriber.code() == 1002, opcode


async def test_large_compressed_messages_are_paid_for(running: Running) -> None:
    """What takes longest to inflate counts as many messages: a flood of it ends with 4429, and few of it are read."""
    message = squeeze(SUBSCRIBE) + TAIL + tables(LIMIT - 200)
    async with bare(running.url, running.token(), OFFER) as subscriber:
        subscriber.send(message, compressed=True)
        assert json.loads(await subscriber.text())["type"] == "snapshot"
        for _ in range(40):
            subscriber.send(message, compressed=True)
        assert await subscriber.code() == 4429


async def _snapshot(subscriber: BareSubscriber) -> None:
    while json.loads(await subscriber.text())["type"] != "snapshot":
        pass


async def _until(subscriber: BareSubscriber, position: str) -> str:
    shown = ""
    while shown != position:
        shown = json.loads(await subscriber.text())["position"]
    return shown


async def _fill(running: Running, count: int = 12) -> str:
    """Post what makes the figures of a platform; gives the position behind it."""
    draw, receipt = random.Random(1), {"position": ""}
    for number in range(count):
        receipt = await running.post("activity-public", {**ACTIVITY, "user_id": f"user-{draw.randrange(10**6)}"})
        message = {"message_id": f"{number}", "conversation_id": "a", "user_id": "u", "role": "user", "token_count": 1}
        receipt = await running.post("message-public", message)
    return str(receipt["position"])
