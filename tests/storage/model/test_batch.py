"""A batch is read a slice at a time; what is read does not depend on where slices end."""

import json
from itertools import islice
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.model import batch
from storage.model.batch import BatchTooLarge, Part, read_array, read_lines
from storage.model.parsing import InvalidEvent, MalformedJson, parse_any

GOOD = '{"type":"activity","user_id":"u","username":"n","activity_type":"login"}'
GOOD_TOO = GOOD[:-1] + ',"extra_data":{"a":[{"b":"},{"},{"c":[[]]}]},"user_agent":"[\\"{,\\\\"}'
BAD = [
    "1",
    '"text"',
    "[]",
    "{}",
    "null",
    GOOD[:-1] + ',"colour":1}',
    GOOD[:-1] + ',"user_agent":"\\ud800"}',
    GOOD[:-1] + ',"extra_data":{"a":"\\u0000"}}',
    GOOD[:-1] + f',"extra_data":{"[" * 1500}{"]" * 1500}}}',
    '"},{"',
    '"' + "\\\\" * 9 + '\\""',
]
texts = st.lists(st.sampled_from([GOOD, GOOD_TOO, *BAD]), max_size=12)
blanks = st.sampled_from(["", " ", "\n\t ", " " * 40])


@pytest.fixture(params=[5, 64, batch.SLICE])
def slice_bytes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Slices so small that they end in the middle of everything, and those of the service."""
    monkeypatch.setattr(batch, "SLICE", request.param)
    found: int = request.param
    return found


def together(parts: list[Part]) -> tuple[list[Any], list[tuple[int, str]]]:
    events = [event for part in parts for event in part.events]
    return events, [(item.index, item.field) for part in parts for item in part.rejected]


def expected(items: list[str]) -> tuple[list[Any], list[tuple[int, str]]]:
    events, rejected = [], []
    for index, item in enumerate(items):
        try:
            events.append(parse_any(item.encode()))
        except InvalidEvent as error:
            rejected.append((index, error.field))
    return events, rejected


@pytest.mark.usefixtures("slice_bytes")
@settings(deadline=None)
@given(items=texts, blank=blanks)
def test_slices_change_nothing(items: list[str], blank: str) -> None:
    """An array gives the events, and the rejected places, that its items give one by one, wherever slices end."""
    body = f"{blank}[{blank}{f'{blank},{blank}'.join(items)}{blank}]{blank}".encode()
    assert together(list(read_array(body))) == expected(items)
    lines = "\n".join(item.strip() for item in items).encode()
    assert together(list(read_lines(lines))) == expected(items)


@pytest.mark.usefixtures("slice_bytes")
@settings(deadline=None)
@given(items=texts.filter(bool), cut=st.floats(0, 1), data=st.data())
def test_a_broken_array_is_never_taken(items: list[str], cut: float, data: st.DataObject) -> None:
    """An array that was cut off, or has a mark too many, is malformed as a whole, as Python's own reader says too."""
    whole = f"[{','.join(items)}]"
    place = int(cut * len(whole))
    added = data.draw(st.sampled_from(["", ",", "]", "}", '"', "[", "{", "x", "\\"]))
    body = whole[:place] if not added else whole[:place] + added + whole[place:]
    try:
        json.loads(body)
    except RecursionError:
        return
    except ValueError:
        with pytest.raises(MalformedJson):
            list(read_array(body.encode()))
    else:
        list(read_array(body.encode()))


LARGE = {
    "an open string": b'["' + b'\\"' * 3_000_000,
    "open brackets": b"[" * 3_000_000,
    "a long list": b"[[" + b"[],," * 2_000_000 + b"]]",
    "many items": b"[" + b"1," * 3_000_000 + b"1]",
    "blanks": b"[" + b" " * 3_000_000 + b"]",
}


@pytest.mark.parametrize("name", LARGE)
def test_what_cannot_be_a_batch_is_refused_early(name: str) -> None:
    """A body that goes beyond a limit is refused where it does, not at its end: in a bounded number of slices."""
    parts = read_array(LARGE[name])
    with pytest.raises((BatchTooLarge, MalformedJson)):
        list(islice(parts, 1000))


def test_a_large_item_spoils_no_other() -> None:
    """An item that is larger than an event may be is rejected, with the name of its largest field."""
    large = GOOD[:-1] + ',"extra_data":{"a":"' + "x" * 500_000 + '"}}'
    events, rejected = together(list(read_array(f"[{GOOD},{large},{GOOD}]".encode())))
    assert (len(events), rejected) == (2, [(1, "extra_data")])
    events, rejected = together(list(read_lines(f"{GOOD}\n{large}\n{GOOD}".encode())))
    assert (len(events), rejected) == (2, [(1, "extra_data")])


def test_the_number_of_events_is_bounded() -> None:
    """10,000 events are taken, one more is not, nor as many blank lines."""
    items = [GOOD] * batch.MAX_EVENTS
    assert len(together(list(read_array(f"[{','.join(items)}]".encode())))[0]) == batch.MAX_EVENTS
    assert len(together(list(read_lines("\n".join(items).encode())))[0]) == batch.MAX_EVENTS
    with pytest.raises(BatchTooLarge):
        list(read_array(f"[{','.join([*items, GOOD])}]".encode()))
    with pytest.raises(BatchTooLarge):
        list(read_lines("\n".join([*items, GOOD]).encode()))
    with pytest.raises(BatchTooLarge):
        list(read_lines(b"\n" * 3 * batch.MAX_EVENTS))
