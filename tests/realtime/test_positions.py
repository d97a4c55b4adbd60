"""The positions of docs/protocol.md, by example: what the page says is what the live state does."""

import re

import pytest

from realtime.state import State
from storage.model.changes import NO_TAG, Change, Position, Snapshot
from storage.model.clock import Days
from tests.repository import ROOT
from web.settings import Settings

TEXT = (ROOT / "docs" / "protocol.md").read_text().partition("## Positions, by example")[2].partition("\n## ")[0]
_POSITION = r"`(\w+\.\d+\.\w+)`"
CASES = re.findall(rf"^\| ([\w, ]+) \| {_POSITION} \| {_POSITION} \| (delta|snapshot) \|$", TEXT, re.MULTILINE)
LOGS = re.findall(rf"((?:^\| {_POSITION} \| [^|]+ \|\n)+)", TEXT, re.MULTILINE)
WINDOW = Settings.read({}).change_log_entries
DAY, AT = "2026-11-29", "2026-11-29T12:00:00.000Z"


def parsed(written: str) -> Position:
    position = Position.parse(written)
    assert position is not None
    return position


def tags_before(head: Position) -> dict[int, str]:
    """The tags of the page's log that ends at *head*, or would, if its last commits had not been made yet."""
    for rows, _ in LOGS:
        log = [parsed(written) for written in re.findall(_POSITION, rows)]
        if head in log:
            return {position.sequence: position.tag for position in log if position.sequence <= head.sequence}
    return {head.sequence: head.tag}


def state_at(head: Position) -> State:
    """The state of a tenant that stands at *head*, with as much of the change log as is kept by default."""
    tags = tags_before(head)
    first = max(1, head.sequence - WINDOW + 1)
    log = [
        Change.unmoved("acme", head.epoch, sequence, tags.get(sequence, NO_TAG), AT, reset=False)
        for sequence in range(first, head.sequence + 1)
    ]
    return State(Snapshot(head, DAY, {}, {}, [], [], {}), log, Days("UTC"), WINDOW)


def test_the_examples_are_found() -> None:
    """The page has both logs, and a row for each situation."""
    assert (len(LOGS), len(CASES)) == (2, 6)


@pytest.mark.parametrize(("situation", "held", "head", "first_frame"), CASES)
def test_positions_by_example(situation: str, held: str, head: str, first_frame: str) -> None:
    """A subscriber that returns with a position of the page gets the first frame that the page names."""
    assert situation
    resumed = state_at(parsed(head)).resume(parsed(held))
    assert ("snapshot" if resumed is None else "delta") == first_frame
