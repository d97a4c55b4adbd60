"""The client's calls: at once, never raising, and every event in the accounts."""

import asyncio
import gc
import json
import math
import socket
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convoai_analytics_client import Analytics, Stats
from convoai_analytics_client.events import event, event_line, extra_text, line
from tests.client.calls import DOWN, balanced, track_all
from tests.client.delivery.endpoint import endpoint
from tests.servers.service import Running


async def test_every_type_arrives_as_it_was_tracked(running: Running, made: Callable[..., Analytics]) -> None:
    """What the five calls are given is what the service's lists show."""
    analytics = made(running.url)
    before = time.time()
    track_all(analytics)
    assert await analytics.aflush()
    assert analytics.stats() == Stats(tracked=5, recorded=5)
    activity = (await running.get("users/activities"))["items"][0]
    expected = {"user_id": "u1", "username": "Ada", "activity_type": "login", "ip_address": "203.0.113.7"}
    assert expected.items() <= activity.items()
    assert activity["user_agent"] == "Mozilla"
    assert activity["extra_data"] == {"plan": "pro"}
    message = (await running.get("messages"))["items"][0]
    stored = {"message_id": "m1", "conversation_id": "c1", "user_id": "u1", "role": "assistant", "token_count": 42}
    assert {**stored, "model_used": "atlas", "response_time": 1.5}.items() <= message.items()
    call = (await running.get("api-usage"))["items"][0]
    asked = {"endpoint": "/conversations/{id}", "method": "GET", "user_id": "u1"}
    assert {**asked, "status_code": 200, "response_time": 0.25}.items() <= call.items()
    assert (await running.get("summary"))["total_conversations"] == 1
    assert activity["timestamp"][:16] in {
        time.strftime("%Y-%m-%dT%H:%M", time.gmtime(at)) for at in (before, time.time())
    }


async def test_the_key_names_the_tenant(running: Running, made: Callable[..., Analytics]) -> None:
    """Events of a client with a key are those of the key's tenant alone."""
    analytics = made(running.url, "acme-key-0123456789")
    track_all(analytics)
    assert await analytics.aflush()
    assert (await running.get("summary", "acme"))["total_messages"] == 1
    assert (await running.get("summary"))["total_messages"] == 0


async def test_what_a_call_returns_may_be_a_task(running: Running, made: Callable[..., Analytics]) -> None:
    """It may be awaited, made a task or a group of them, run, or ignored, without a warning."""
    analytics = made(running.url)
    asyncio.get_running_loop().set_debug(True)
    task = asyncio.create_task(analytics.track_conversation("c1", "u1", "created"))
    async with asyncio.TaskGroup() as group:
        group.create_task(analytics.track_conversation("c2", "u1", "created"))
    await task
    await analytics.track_conversation("c3", "u1", "created")
    await asyncio.gather(analytics.track_conversation("c4", "u1", "created"), asyncio.sleep(0))
    await asyncio.to_thread(lambda: asyncio.run(analytics.track_conversation("c5", "u1", "created")))
    analytics.track_conversation("c6", "u1", "created")
    gc.collect()
    assert await analytics.aflush()
    assert (await running.get("summary"))["total_conversations"] == 6


async def test_identifiers_may_be_anything_that_has_a_text(running: Running, made: Callable[..., Analytics]) -> None:
    """Numbers and UUIDs become texts at the call, in the thread of the caller."""
    analytics, name = made(running.url), uuid.uuid4()
    analytics.track_message(7, name, 12, "user", 1)
    assert await analytics.aflush()
    message = (await running.get("messages"))["items"][0]
    assert (message["message_id"], message["conversation_id"], message["user_id"]) == ("7", str(name), "12")


@pytest.mark.parametrize("extra", [{"when": object()}, {"value": float("nan")}, {1: [2, {3, 4}]}])
def test_what_cannot_be_written_is_dropped(extra: Any, made: Callable[..., Analytics]) -> None:
    """Free data that is no JSON, or a text that fails, raises nothing into the caller, and is counted."""

    class Failing:
        def __str__(self) -> str:
            raise RuntimeError("no text")

    analytics = made(DOWN)
    analytics.track_user_activity("u1", "Ada", "login", extra_data=extra)
    analytics.track_message(Failing(), "c1", "u1", "user", 1)
    assert analytics.stats().dropped == {"invalid": 2}


def test_free_data_is_copied_at_the_call(made: Callable[..., Analytics]) -> None:
    """What the caller changes afterwards is not what is posted."""
    with endpoint() as serving:
        analytics, extra = made(serving.url), {"step": 1}
        analytics.track_user_activity("u1", "Ada", "login", extra_data=extra)
        extra["step"] = 2
        assert analytics.flush()
        assert serving.events[0]["extra_data"] == {"step": 1}


@given(
    at=st.floats(0, 4e9),
    values=st.tuples(*[st.text()] * 4, st.integers(), st.none() | st.text(), st.none() | st.floats(allow_nan=False)),
    extra=st.none() | st.dictionaries(st.text(), st.integers() | st.text()),
)
def test_a_line_is_the_event_as_json(at: float, values: tuple[Any, ...], extra: dict[str, Any] | None) -> None:
    """The text that is posted and the event that before_send sees are the same."""
    record = (0, "message", at, 7, values, extra_text(extra))
    if math.inf in map(abs, values[-1:] if values[-1] is not None else ()):
        with pytest.raises(ValueError, match="not JSON compliant"):
            line(record, "prefix")
    else:
        made = event(record, "prefix")
        assert json.loads(line(record, "prefix")) == json.loads(event_line(made)) == made


def test_the_queue_is_bounded_by_count_and_bytes(made: Callable[..., Analytics]) -> None:
    """While the service is down, newer events are dropped beyond so many, and beyond so much memory."""
    few, small = made(DOWN, queue_events=10), made(DOWN, queue_bytes=100_000)
    for _ in range(15):
        few.track_conversation("c", "u1", "created")
        small.track_conversation("c" * 10_000, "u1", "created")
    assert few.stats().dropped["queue_full"] == 5
    assert small.stats().dropped["queue_full"] == 15 - 100_000 // 10_500


def test_a_call_does_not_wait_while_the_service_hangs(made: Callable[..., Analytics]) -> None:
    """A service that accepts and says nothing keeps no caller waiting, and flush() returns at its time."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        analytics = made(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout=1)
        began = time.monotonic()
        for _ in range(20_000):
            analytics.track_conversation("c1", "u1", "created")
        assert time.monotonic() - began < 5
        assert not analytics.flush(0.2)
        stats = analytics.stats()
        assert stats.pending == 10_000
        assert stats.dropped == {"queue_full": 10_000}


def test_after_close_events_are_dropped(made: Callable[..., Analytics]) -> None:
    """close() posts what waits and ends; what comes later is counted as closed."""
    before = set(threading.enumerate())
    with endpoint() as serving:
        analytics = made(serving.url)
        track_all(analytics)
        (sender,) = (each for each in set(threading.enumerate()) - before if each.name == "analytics sender")
        assert analytics.close()
        track_all(analytics)
        assert analytics.stats() == Stats(tracked=10, recorded=5, dropped={"closed": 5})
        assert not sender.is_alive()


def test_close_gives_up_at_its_time(made: Callable[..., Analytics]) -> None:
    """Where nothing answers, close() returns, and what was not sent is in the accounts."""
    analytics = made(DOWN)
    for _ in range(1500):
        analytics.track_conversation("c1", "u1", "created")
    assert not analytics.close(0.3) or analytics.stats().dropped
    assert analytics.stats() == Stats(tracked=1500, dropped={"unsent": 1500})


def test_a_call_may_interrupt_a_call(made: Callable[..., Analytics]) -> None:
    """A finalizer that tracks while the same thread holds the queue's lock neither hangs nor is lost."""
    with endpoint() as serving:
        analytics = made(serving.url)
        with analytics._queue._lock:
            analytics.track_conversation("c1", "u1", "created")
        assert analytics.flush()
        assert analytics.stats().recorded == 1


def test_many_threads_are_counted_exactly(made: Callable[..., Analytics]) -> None:
    """Calls from many threads at once are all in the accounts, each with an id of its own."""
    with endpoint() as serving:
        analytics = made(serving.url, queue_events=100_000)

        def track_many() -> None:
            for _ in range(500):
                track_all(analytics)

        threads = [threading.Thread(target=track_many) for _ in range(8)]
        for thread in threads:
            thread.start()
        seen = [analytics.stats() for _ in range(50)]
        for thread in threads:
            thread.join()
        assert analytics.flush()
        assert all(map(balanced, seen))
        assert analytics.stats() == Stats(tracked=20_000, recorded=20_000)
        assert len({event["event_id"] for event in serving.events}) == 20_000
