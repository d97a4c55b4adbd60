"""Messages that are deflated each for itself, as frames on the wire too."""

import base64
import contextlib
import random
import zlib
from collections.abc import Generator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame as WireFrame

from realtime.transports.deflate import LONGEST, SHORTEST, WINDOW_BITS, NotDeflated, TooLarge, deflate, inflate
from realtime.transports.frames import Frame


def text(length: int) -> bytes:
    """Draw a text that is hard to compress, and the same for a length."""
    return base64.b64encode(random.Random(length).randbytes(length))[:length]


def read(wire: bytes, window_bits: int = WINDOW_BITS) -> bytes:
    """Read a frame as websockets does for a client that agreed on a window, and on no context."""
    place = 0

    def read_exact(length: int) -> Generator[None, None, bytes]:
        nonlocal place
        place += length
        yield from ()
        return wire[place - length : place]

    reading = WireFrame.parse(read_exact, mask=False, extensions=[PerMessageDeflate(True, True, window_bits, 15)])
    try:
        while True:
            next(reading)
    except StopIteration as end:
        assert place == len(wire)
        return bytes(end.value.data)


@given(st.sampled_from([0, 1, 125, 126, 255, 256, 257, 4095, 4096, 30_000, 65_535, 65_536, 65_537, 100_000]))
def test_a_library_reads_a_deflated_frame(length: int) -> None:
    """A client that follows RFC 7692 reads the text of any length, with the smallest window that is agreed on."""
    assert read(Frame(text(length), "delta").deflated) == text(length)
    assert read(Frame(b"ab" * (length // 2), "delta").deflated) == b"ab" * (length // 2)


@pytest.mark.parametrize(
    ("payload", "first", "length"),
    [(b"a" * 100, 0x81, 100), (b"a" * 300, 0xC1, 8), (text(1000), 0xC1, 126), (text(90_000), 0x81, 127)],
)
def test_the_bit_is_set_on_what_is_deflated(payload: bytes, first: int, length: int) -> None:
    """RSV1 says which frames are deflated, and the length that follows is that of the bytes sent."""
    wire = Frame(payload, "delta").deflated
    assert (wire[0], wire[1]) == (first, length)
    assert read(wire) == payload


def test_a_frame_is_deflated_once() -> None:
    """All subscribers get the same bytes."""
    frame = Frame(b"a" * 1000, "delta")
    assert frame.deflated is frame.deflated
    assert len(frame.deflated) < 100


@pytest.mark.parametrize("length", [0, SHORTEST - 1, LONGEST + 1])
def test_what_is_not_worth_it_is_left(length: int) -> None:
    """Short messages would hardly be shorter, and long ones would take long: they are sent as they are."""
    frame = Frame(b"a" * length, "delta")
    assert deflate(frame.payload) is None
    assert frame.deflated is frame.wire


def test_what_cannot_be_smaller_is_left() -> None:
    """A message that deflating makes longer is sent as it is."""
    assert deflate(random.Random(1).randbytes(500)) is None


@given(st.binary(min_size=SHORTEST, max_size=3000).map(lambda drawn: drawn[:50] * 9 + drawn))
def test_it_comes_back(message: bytes) -> None:
    """What was deflated is inflated to the same bytes."""
    made = deflate(message)
    assert made is None or inflate(made, len(message)) == message


@given(st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 9)), max_size=12), st.integers(0, 3))
def test_a_frame_may_repeat_the_one_before(drawn: list[tuple[int, int]], known: int) -> None:
    """A client that keeps what it inflates reads frames that were made for those who had the one before."""
    inflater, last = zlib.decompressobj(-WINDOW_BITS), None
    for length, number in drawn:
        frame = Frame(text(length) + b"%d" % number, "delta")
        # Others, who were sent something else before, may come first.
        frame.deflated_after(text(300 + known) if number % 4 == known else last)
        wire = frame.deflated_after(last)
        if wire is not frame.wire:
            start = 2 if wire[1] < 126 else 4
            assert inflater.decompress(wire[start:] + b"\x00\x00\xff\xff") == frame.payload
            last = frame.payload


def test_a_bomb_costs_no_more_than_the_limit() -> None:
    """A message that would be larger than it may be is given up at the limit, and one as large as that is not."""
    bomb = zlib.compress(bytes(50 << 20), 9, -15)
    with pytest.raises(TooLarge):
        inflate(bomb, 16_384)
    exact = deflate(b"a" * 16_384)
    assert exact is not None
    assert len(inflate(exact, 16_384)) == 16_384
    with pytest.raises(TooLarge):
        inflate(exact, 16_383)


@given(st.binary(max_size=200))
def test_nonsense_is_refused_by_name(data: bytes) -> None:
    """Whatever a client sends is inflated, or refused by one of two errors."""
    with contextlib.suppress(TooLarge, NotDeflated):
        assert len(inflate(data, 1000)) <= 1000
