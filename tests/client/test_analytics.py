"""The client's calls: at once, never raising, and every event in the accounts."""

import asyncio
import gc
import json
import logging
import math
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import convoai_analytics_client
from convoai_analytics_client import REASONS, Analytics, Stats, default, masks
from convoai_analytics_client.events import Event, event, event_line, extra_text, line
from tests.client.delivery.endpoint import Endpoint, Post, Reply, after, endpoint
from tests.servers.service import Running
from web.ingest import drops

DOWN = "http://127.0.0.1:9"
"""Nothing listens there."""


def balanced(stats: Stats) -> bool:
    settled = stats.recorded + stats.duplicates + stats.rejected + sum(stats.dropped.values())
    return stats.tracked + stats.restored == settled + stats.pending


def track_all(analytics: Analytics) -> None:
    """Track one event of each type."""
    analytics.track_user_activity("u1", "Ada", "login", "203.0.113.7", "Mozilla", {"plan": "pro"})
    analytics.track_conversation("c1", "u1", "created")
    analytics.track_message("m1", "c1", "u1", "assistant", 42, "atlas", 1.5)
    analytics.track_api_usage("/conversations/{id}", "GET", 200, 0.25, "u1")


@pytest.fixture
def made() -> Iterator[Callable[..., Analytics]]:
    """Make clients that are closed at the end of the test, whose accounts are balanced then."""
    clients: list[Analytics] = []

    def make(url: str | None, *arguments: Any, **options: Any) -> Analytics:
        clients.append(Analytics(url, *arguments, **{"flush_seconds": 0.02, **options}))
        return clients[-1]

    yield make
    for client in clients:
        client.close(0.1)
        assert balanced(client.stats())


async def test_every_type_arrives_as_it_was_tracked(running: Running, made: Callable[..., Analytics]) -> None:
    """What the four calls are given is what the service's lists show."""
    analytics = made(running.url)
    before = time.time()
    track_all(analytics)
    assert await analytics.aflush()
    assert analytics.stats() == Stats(tracked=4, recorded=4)
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


async def test_rejected_items_are_counted_and_logged_by_field(
    running: Running, made: Callable[..., Analytics], caplog: pytest.LogCaptureFixture
) -> None:
    """The good events of a batch are recorded; the log names fields, never values."""
    analytics = made(running.url)
    analytics.track_message("m1", "c1", "secret-user", "robot", 1)
    analytics.track_api_usage("/x", "GET", 7_000_007, 0.1)
    analytics.track_api_usage("/x", "GET", 200, 0.1)
    assert await analytics.aflush()
    assert analytics.stats() == Stats(tracked=3, recorded=1, rejected=2)
    analytics.close()
    assert "role" in caplog.text
    assert "status_code" in caplog.text
    assert "secret-user" not in caplog.text
    assert "7000007" not in caplog.text


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 507])
def test_a_post_that_may_be_taken_later_is_sent_again(status: int, made: Callable[..., Analytics]) -> None:
    """After 408, 429 and 5xx the same events with the same ids and times are posted until they are taken."""
    with endpoint(after(Reply(status), Reply(status))) as serving:
        analytics = made(serving.url)
        track_all(analytics)
        assert analytics.flush()
        assert analytics.stats() == Stats(tracked=4, recorded=4)
        assert len(serving.posts) == 3
        assert serving.posts[0].events == serving.posts[1].events == serving.posts[2].events


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 415, 422])
def test_a_post_that_is_refused_is_never_sent_again(
    status: int, made: Callable[..., Analytics], caplog: pytest.LogCaptureFixture
) -> None:
    """Other answers drop the events, and the log has the status but not the key."""
    with endpoint(after(Reply(status))) as serving:
        analytics = made(serving.url, "a-key-of-a-tenant-1")
        track_all(analytics)
        assert analytics.flush()
        assert analytics.stats() == Stats(tracked=4, dropped={"refused": 4})
        assert len(serving.posts) == 1
        assert str(status) in caplog.text
        assert "a-key-of" not in caplog.text + repr(analytics)


@pytest.mark.parametrize(
    "body",
    [
        b"<html>welcome</html>",
        b"[]",
        b"[" * 100_000,
        b'{"recorded":"4","duplicates":0}',
        b'{"recorded":4,"duplicates":0,"rejected":[1]}',
        b'{"recorded":4,"duplicates":0,"rejected":7}',
    ],
)
def test_an_answer_of_somebody_else_is_no_success(body: bytes, made: Callable[..., Analytics]) -> None:
    """A page that answers 200 to everything has recorded nothing."""
    with endpoint(lambda _post: Reply(200, body)) as serving:
        analytics = made(serving.url)
        track_all(analytics)
        assert analytics.flush()
        assert analytics.stats().dropped == {"refused": 4}


def test_a_name_that_cannot_be_looked_up_ends_no_thread(made: Callable[..., Analytics]) -> None:
    """A host name that is too long to be written keeps events pending, and the thread that posts goes on."""
    analytics = made(f"http://{'a' * 70}.example")
    track_all(analytics)
    assert not analytics.flush(0.3)
    track_all(analytics)
    assert not analytics.flush(0.3)
    assert analytics.stats() == Stats(tracked=8, pending=8)
    assert "analytics sender" in {thread.name for thread in threading.enumerate()}


def test_retry_after_is_obeyed(made: Callable[..., Analytics]) -> None:
    """No attempt comes before the time that the service named, also while somebody waits in flush()."""
    times: list[float] = []

    def script(_post: Post) -> Reply:
        times.append(time.monotonic())
        return Reply(429, headers=(("Retry-After", "1"),)) if len(times) == 1 else Reply()

    with endpoint(script) as serving:
        analytics = made(serving.url)
        track_all(analytics)
        assert not analytics.flush(0.1)
        assert analytics.flush()
        assert times[1] - times[0] >= 1


def test_a_batch_that_is_too_large_is_halved(made: Callable[..., Analytics]) -> None:
    """A proxy that takes no more than some events at once (413) gets them in smaller posts."""
    with endpoint(lambda post: Reply(413) if len(post.events) > 3 else Reply()) as serving:
        analytics = made(serving.url)
        for number in range(10):
            analytics.track_conversation(f"c{number}", "u1", "created")
        assert analytics.flush()
        assert analytics.stats() == Stats(tracked=10, recorded=10)


def test_the_halves_of_a_batch_are_sent_again_too(made: Callable[..., Analytics]) -> None:
    """A half that the service cannot take just now is posted until it is taken, and nothing is dropped."""
    refused = [Reply(413), Reply(503), Reply(413), Reply(429)]
    with endpoint(after(*refused)) as serving:
        analytics = made(serving.url)
        for number in range(8):
            analytics.track_conversation(f"c{number}", "u1", "created")
        assert analytics.flush()
        assert analytics.stats() == Stats(tracked=8, recorded=8)


def test_an_end_does_not_wait_for_a_far_retry_after(made: Callable[..., Analytics]) -> None:
    """Where the service asks for an hour, close() returns at once, since no attempt would come in its time."""
    with endpoint(lambda _post: Reply(503, headers=(("Retry-After", "3600"),))) as serving:
        analytics = made(serving.url)
        track_all(analytics)
        assert not analytics.flush(0.3)
        assert analytics.close(10)
        assert analytics.stats() == Stats(tracked=4, dropped={"unsent": 4})


def test_events_of_one_batch_are_posted_together(made: Callable[..., Analytics]) -> None:
    """Events make one compressed post over one connection, of at most four batches and 1 MiB."""
    with endpoint() as serving:
        analytics = made(serving.url, flush_seconds=5)
        for number in range(1200):
            analytics.track_user_activity(number, "Ada", "login", extra_data={"text": "x" * 3000})
        assert analytics.flush()
        assert 4 <= len(serving.posts) <= 8
        assert max(len(post.events) for post in serving.posts) <= (1 << 20) // 3000
        assert all(post.headers["Content-Encoding"] == "gzip" for post in serving.posts)
        assert len({event["event_id"] for event in serving.events}) == 1200


def test_batches_that_wait_are_posted_together(made: Callable[..., Analytics]) -> None:
    """What waits behind a slow post goes out as one, of four batches at most."""
    with endpoint(after(Reply(503, headers=(("Retry-After", "1"),)))) as serving:
        analytics = made(serving.url, batch_events=10)
        for number in range(75):
            analytics.track_conversation(number, "u1", "created")
        assert analytics.flush()
        assert max(len(post.events) for post in serving.posts) == 40
        assert len({event["event_id"] for event in serving.events}) == 75


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
    with endpoint() as serving:
        analytics = made(serving.url)
        track_all(analytics)
        assert analytics.close()
        track_all(analytics)
        assert analytics.stats() == Stats(tracked=8, recorded=4, dropped={"closed": 4})
        assert "analytics sender" not in {thread.name for thread in threading.enumerate()}


def test_close_gives_up_at_its_time(made: Callable[..., Analytics]) -> None:
    """Where nothing answers, close() returns, and what was not sent is in the accounts."""
    analytics = made(DOWN)
    for _ in range(1500):
        analytics.track_conversation("c1", "u1", "created")
    assert not analytics.close(0.3) or analytics.stats().dropped
    assert analytics.stats() == Stats(tracked=1500, dropped={"unsent": 1500})


def test_without_a_url_everything_is_dropped(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """The module's own client says once that it has no URL, starts no thread, and counts."""
    monkeypatch.delenv("ANALYTICS_URL", raising=False)
    monkeypatch.setattr("convoai_analytics_client.environment._client", None)
    convoai_analytics_client.track_conversation("c1", "u1", "created")
    convoai_analytics_client.track_api_usage("/x", "GET", 200, 0.1)
    assert convoai_analytics_client.stats() == Stats(tracked=2, dropped={"disabled": 2})
    assert caplog.text.count("ANALYTICS_URL") == 1
    assert convoai_analytics_client.flush()


def test_the_modules_own_client_is_made_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """ANALYTICS_URL and ANALYTICS_TRACKING_KEY are all that a program needs to set."""
    with endpoint() as serving:
        monkeypatch.setattr("convoai_analytics_client.environment._client", None)
        monkeypatch.setenv("ANALYTICS_URL", serving.url)
        monkeypatch.setenv("ANALYTICS_TRACKING_KEY", "the-key-of-the-environment")
        convoai_analytics_client.track_user_activity("u1", "Ada", "login")
        convoai_analytics_client.track_message("m1", "c1", "u1", "user", 3)
        assert convoai_analytics_client.flush()
        assert serving.posts[0].headers["Authorization"] == "Bearer the-key-of-the-environment"
        assert [event["type"] for event in serving.events] == ["activity", "message"]
        default().close()


def test_a_wrong_environment_stops_no_program(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A URL that makes no sense is logged without its password, and events are dropped."""
    monkeypatch.setattr("convoai_analytics_client.environment._client", None)
    monkeypatch.setenv("ANALYTICS_URL", "https://user:hunter2@analytics.example")
    convoai_analytics_client.track_conversation("c1", "u1", "created")
    assert convoai_analytics_client.stats().dropped == {"disabled": 1}
    assert "hunter2" not in caplog.text


@pytest.mark.parametrize(
    ("field", "arguments", "options"),
    [
        ("url", ["127.0.0.1:8002"], {}),
        ("url", ["ftp://example.org"], {}),
        ("url", ["http://user:password@example.org"], {}),
        ("key", [DOWN, "two\nlines"], {}),
        ("sample", [DOWN], {"sample": 0}),
        ("sample_by", [DOWN], {"sample_by": "moon"}),
        ("batch_events", [DOWN], {"batch_events": 0}),
        ("queue_events", [DOWN], {"queue_events": 0}),
        ("timeout", [DOWN], {"timeout": 0}),
        ("flush_seconds", [DOWN], {"flush_seconds": -1}),
    ],
)
def test_arguments_that_make_no_sense_are_named(field: str, arguments: list[Any], options: dict[str, Any]) -> None:
    """A client that cannot work is not made, and the error names the argument."""
    with pytest.raises(ValueError, match=f"^{field}: "):
        Analytics(*arguments, **options)


def test_before_send_sees_and_changes_every_event(made: Callable[..., Analytics]) -> None:
    """It may change an event or drop it; where it fails the event is not sent as it was."""

    def mask(event: Event) -> Event | None:
        if event["type"] == "conversation":
            return None
        if event["type"] == "api_usage":
            raise RuntimeError("a fault of the mask")
        event["user_id"] = "masked"
        return event

    with endpoint() as serving:
        analytics = made(serving.url, before_send=mask)
        track_all(analytics)
        assert analytics.flush()
        assert [(event["type"], event["user_id"]) for event in serving.events] == [
            ("activity", "masked"),
            ("message", "masked"),
        ]
        assert serving.events[0]["extra_data"] == {"plan": "pro"}
        assert analytics.stats().dropped == {"before_send": 2}


def test_addresses_are_hashed_with_the_key(made: Callable[..., Analytics]) -> None:
    """hash_ip gives one address one hash under one key, another under another, and never the address."""
    with endpoint() as serving:
        for key in ("key-one-0123456789", "key-one-0123456789", "key-two-0123456789"):
            analytics = made(serving.url, key, hash_ip=True)
            analytics.track_user_activity("u1", "Ada", "login", "203.0.113.7")
            assert analytics.flush()
        one, same, other = (event["ip_address"] for event in serving.events)
        assert one == same != other
        assert "203.0.113" not in one


def test_masks_may_be_joined() -> None:
    """Ready-made masks cut addresses to their network and remove fields; in turn, until one drops the event."""
    mask = masks.in_turn(masks.truncate_ip, masks.without("user_agent", "extra_data"))
    event: Event = {"ip_address": "203.0.113.7", "user_agent": "Mozilla", "user_id": "u1"}
    assert mask(event) == {"ip_address": "203.0.113.0", "user_id": "u1"}
    assert mask({"ip_address": "2001:db8:1:2::3"}) == {"ip_address": "2001:db8:1::"}
    assert mask({"ip_address": "nonsense"}) == {}
    assert masks.in_turn(lambda _event: None, mask)({}) is None


@pytest.mark.parametrize("by", ["user", "conversation"])
def test_sampling_keeps_all_of_one_or_nothing(by: str, made: Callable[..., Analytics]) -> None:
    """About the part that was asked for is kept, by whole users or conversations; the rest is counted."""
    with endpoint() as serving:
        analytics = made(serving.url, sample=0.25, sample_by=by)
        for number in range(400):
            for part in range(2):
                names = (number, part) if by == "user" else (part, number)
                analytics.track_message(f"m{number}-{part}", names[1], names[0], "user", 1)
        assert analytics.flush()
        field = "user_id" if by == "user" else "conversation_id"
        kept = [event[field] for event in serving.events]
        assert all(kept.count(name) == 2 for name in kept)
        assert 60 < len(set(kept)) < 140
        assert analytics.stats().dropped == {"sampled": 800 - len(kept)}


async def test_drops_are_told_to_the_service(running: Running, made: Callable[..., Analytics]) -> None:
    """The service counts what clients dropped, by reason, once each."""
    analytics = made(running.url, queue_events=10, batch_events=10, flush_seconds=60)
    for _ in range(12):
        analytics.track_user_activity("u1", "Ada", "login", extra_data={"x": float("inf")})
    for part in range(2):
        analytics.track_conversation(f"c{part}", "u1", "created")
        assert await analytics.aflush()
    text = (await running.http.get("/metrics")).text
    assert 'convoai_client_dropped_events_total{reason="invalid"} 12.0' in text


def test_the_service_knows_every_reason() -> None:
    """The reasons by which clients drop are those that the service counts apart."""
    assert set(REASONS) == set(drops.REASONS)


def test_trouble_is_logged_once_a_minute(made: Callable[..., Analytics], caplog: pytest.LogCaptureFixture) -> None:
    """A service that is down for long makes one line, not one for each attempt."""
    caplog.set_level(logging.DEBUG)
    analytics = made(DOWN)
    for _ in range(5):
        track_all(analytics)
        analytics.flush(0.3)
    assert caplog.text.count("cannot be reached") == 1


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
        assert analytics.stats() == Stats(tracked=16_000, recorded=16_000)
        assert len({event["event_id"] for event in serving.events}) == 16_000


def test_a_connection_that_was_closed_while_idle_is_replaced(made: Callable[..., Analytics]) -> None:
    """A keep-alive connection that the other side closed costs one attempt, no event and no line of log."""
    with endpoint() as first:
        analytics = made(first.url)
        track_all(analytics)
        assert analytics.flush()
        connection = analytics._sender._transport._connection  # type: ignore[union-attr]
        assert connection is not None
        connection.sock.shutdown(socket.SHUT_RDWR)
        track_all(analytics)
        assert analytics.flush()
        assert analytics.stats() == Stats(tracked=8, recorded=8)
        assert isinstance(first, Endpoint)
