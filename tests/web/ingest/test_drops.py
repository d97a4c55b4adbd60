"""What clients tell of events that they dropped."""

import pytest

from tests.paths import TRACK
from tests.servers.service import Running
from web.ingest.drops import read_drops


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("", []),
        ("queue_full=3, refused=12", [("queue_full", 3), ("refused", 12)]),
        ("invented=1", [("other", 1)]),
        ("queue_full=-1, refused=, =, closed, invalid=x, sampled=²", []),
        ("unsent=1" + "0" * 12, []),
    ],
)
def test_drops_are_read_by_reason(header: str, found: list[tuple[str, int]]) -> None:
    """Reasons come from a fixed set, and what makes no sense is passed over."""
    assert list(read_drops(header)) == found


async def test_drops_are_counted_with_their_batch(running: Running) -> None:
    """What a client tells is in /metrics, also if it has no events to post, and only if it may post."""
    headers = {"Analytics-Client-Dropped": "queue_full=3, gone=2", "Content-Type": "application/x-ndjson"}
    assert (await running.http.post(f"{TRACK}/batch", content=b"", headers=headers)).status_code == 201
    wrong = {**headers, "X-Tracking-Key": "no-key-of-this-service"}
    assert (await running.http.post(f"{TRACK}/batch", content=b"", headers=wrong)).status_code == 401
    text = (await running.http.get("/metrics")).text
    assert 'convoai_client_dropped_events_total{reason="queue_full"} 3.0' in text
    assert 'convoai_client_dropped_events_total{reason="other"} 2.0' in text
