"""How a client is made: by arguments or by the environment, and what its options do to events."""

from collections.abc import Callable
from typing import Any

import pytest

import convoai_analytics_client
from convoai_analytics_client import Analytics, Stats, default, masks
from convoai_analytics_client.events import Event
from tests.client.calls import DOWN, track_all
from tests.client.delivery.endpoint import endpoint


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
            ("llm_call", "masked"),
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
