"""What a subscriber holds after each frame, by sequences that every other client of the protocol can be held to."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from realtime.subscriber_state import Json, SubscriberState
from tests.repository import ROOT

SEQUENCES = json.loads((Path(__file__).parent.parent / "fixtures" / "frames.json").read_text())["sequences"]


def held(panel: SubscriberState) -> Json:
    state = {name: getattr(panel, name) for name in ("position", "at", "stale_since", "heartbeat_seconds", "agrees")}
    return {**state, **panel.shown()}


@pytest.mark.parametrize("sequence", SEQUENCES, ids=lambda sequence: sequence["title"])
def test_frames_lead_to_the_states_written_beside_them(sequence: dict[str, Any]) -> None:
    """After each frame of a sequence, a subscriber holds what the fixture says, and all else as it was."""
    panel, expected = SubscriberState(), held(SubscriberState())
    for step in sequence["steps"]:
        panel.apply(step["frame"])
        expected |= step["expect"]
        assert held(panel) == expected


def test_the_example_of_the_document_leads_to_what_it_says() -> None:
    """The frames of a breakdown in docs/protocol.md, applied one after another, agree with their digests."""
    text = (ROOT / "docs" / "protocol.md").read_text()
    frames = [json.loads(found) for found in re.findall(r"^    <- (\{.*?\})(?=\n(?:\n|    <-))", text, re.M | re.S)]
    panel = SubscriberState()
    for frame in frames:
        panel.apply(frame)
        assert panel.agrees
    assert [(item["label"], item["value"]) for item in panel.breakdown["items"]] == [
        ("large", "0.75"),
        ("small", "0.5"),
    ]
    assert panel.breakdown["total"] == "1.25"


def test_an_unknown_frame_is_refused() -> None:
    """A frame of a type that the protocol does not know is an error, and changes nothing."""
    panel = SubscriberState()
    panel.apply(SEQUENCES[0]["steps"][0]["frame"])
    before = held(panel)
    with pytest.raises(ValueError, match="unknown frame type 'patch'"):
        panel.apply({"type": "patch", "position": "x", "at": "y"})
    assert held(panel) == before
