"""What the client posts, and when it posts that again: every event ends in the accounts."""

import logging
import socket
import threading
import time
from collections.abc import Callable

import pytest

from convoai_analytics_client import REASONS, Analytics, Stats
from tests.client.calls import DOWN, track_all
from tests.client.delivery.endpoint import Endpoint, Post, Reply, after, endpoint
from tests.servers.service import Running
from web.ingest import drops


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
        assert analytics.stats() == Stats(tracked=5, recorded=5)
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
        assert analytics.stats() == Stats(tracked=5, dropped={"refused": 5})
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
        assert analytics.stats().dropped == {"refused": 5}


def test_a_name_that_cannot_be_looked_up_ends_no_thread(made: Callable[..., Analytics]) -> None:
    """A host name that is too long to be written keeps events pending, and the thread that posts goes on."""
    analytics = made(f"http://{'a' * 70}.example")
    track_all(analytics)
    assert not analytics.flush(0.3)
    track_all(analytics)
    assert not analytics.flush(0.3)
    assert analytics.stats() == Stats(tracked=10, pending=10)
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
        assert analytics.stats() == Stats(tracked=5, dropped={"unsent": 5})


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


async def test_drops_are_reported_to_the_service(running: Running, made: Callable[..., Analytics]) -> None:
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
        assert analytics.stats() == Stats(tracked=10, recorded=10)
        assert isinstance(first, Endpoint)
