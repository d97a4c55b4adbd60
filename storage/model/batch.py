"""A posted batch: its events, read a slice at a time, so that the reader can let other tasks run between slices. Pure.

A slice is some 16 KiB and takes about a millisecond; all of it takes time in proportion to the bytes. Where a slice of
an array ends is guessed: between an object and the next one. If the text up to there is a list of events then the guess
was right, since JSON is read from left to right. If it is not, the items of the slice are cut out one by one, so that
one that breaks a rule, is too deep, or holds half of a surrogate pair, spoils no other.
"""

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

import msgspec

from storage.model.events import AnyEvent
from storage.model.parsing import Body, InvalidEvent, MalformedJson, parse_all, parse_any

MAX_EVENTS = 10_000
"""Events of a batch."""
MAX_ITEM = 1 << 20
"""Bytes of an item of an array. To find the end of a larger one costs more than the batch is worth."""
MAX_DEPTH = 50_000
"""Levels to which an item of an array is followed."""
MAX_LEADING = 4096
"""Bytes within which an array has to begin."""
SLICE = 16 << 10
"""Bytes that are read in one go, if they are good; of bad ones, half as many are cut into items."""
ITEM_COST = 128
"""Bytes that the smallest item counts for: to refuse one takes some microseconds, whatever its size."""
REFUSED_COST = 512
"""Bytes that an item which breaks a rule counts for besides: to find out which takes up to 40 us."""
MARKS = 1000
"""Brackets that are looked at in one go; each takes 0.8 us."""

_OPENING = re.compile(rb"[ \t\r\n]*+\[")
_BETWEEN = re.compile(rb"\}[ \t\r\n]*+,[ \t\r\n]*+(?=\{)")
_QUOTE = ord('"')
# All are possessive, so that each byte is looked at a few times at the most: a string without an end once, not once for
# each of its quotation marks. What is closed within three levels is passed over at once; to look at each of its
# brackets would cost 0.8 us.
_IN_STRING = r'(?:[^"\\]++|\\.)*+'
_INSIDE = re.compile(rf'{_IN_STRING}("?)'.encode(), re.DOTALL)


def _balanced(levels: int, beside: str = "") -> str:
    """Write a pattern of what nests up to so many *levels*; it ends before a character of *beside*."""
    nested = rf"|[\[{{]{_balanced(levels - 1)}[\]}}]" if levels else ""
    return rf'(?:[^"\[\]{{}}{beside}]++|"{_IN_STRING}"{nested})*+'


_WITHIN = re.compile(_balanced(3).encode(), re.DOTALL)
_UP_TO_END = re.compile(_balanced(3, ",").encode(), re.DOTALL)


class Rejected(msgspec.Struct):
    """An item of a batch that was not taken: its place, the field at fault, and the rule it broke."""

    index: int
    field: str
    error: str


class Part(NamedTuple):
    """What was read of a batch in one go; it may be empty."""

    events: list[AnyEvent]
    rejected: list[Rejected]


class BatchTooLarge(ValueError):
    """The batch, or an item of it, is larger than it may be; nothing of it was taken."""


def begins_array(body: Body) -> bool:
    """Say whether *body* begins as a JSON array does."""
    return _OPENING.match(body, 0, MAX_LEADING) is not None


Check = Callable[[AnyEvent], None]
"""What else is asked of an event: raises :exc:`InvalidEvent`."""


def read_array(body: Body, check: Check | None = None) -> Iterator[Part]:
    """Read a JSON array of events, each of which passes *check* too.

    Raises :exc:`MalformedJson` at the first place where *body* is no JSON array, :exc:`BatchTooLarge` where it goes
    beyond a limit; then nothing of it may be taken.
    """
    reader = _ArrayReader(body, _Items(check, strict=True))
    while not reader.done:
        yield reader.read()


def read_lines(body: Body, check: Check | None = None) -> Iterator[Part]:
    """Read NDJSON; blank lines are passed over, and each other line is at most as good as itself.

    Raises :exc:`BatchTooLarge` beyond the limit of events, or beyond as many blank lines.
    """
    items, part, spent = _Items(check, strict=False), Part([], []), 0
    begin = lines = 0
    while begin < len(body):
        end = body.find(b"\n", begin)
        end = len(body) if end < 0 else end
        # A long line is not even copied: 16 MB would take 12 ms.
        is_long = end - begin > MAX_ITEM
        line, begin, lines = b"" if is_long else body[begin:end].strip(), end + 1, lines + 1
        if lines > 2 * MAX_EVENTS:
            raise _too_many()
        if is_long:
            items.refuse(f"is larger than {MAX_ITEM} bytes", part)
        elif line:
            items.read(line, part)
        spent += max(len(line), ITEM_COST)
        if spent + REFUSED_COST * len(part.rejected) > SLICE:
            yield part
            part, spent = Part([], []), 0
    yield part


def _too_many() -> BatchTooLarge:
    return BatchTooLarge(f"a batch holds at most {MAX_EVENTS} events")


class _Items:
    """Counts, parses and checks items; if *strict*, one that is no JSON means that the whole is none."""

    def __init__(self, check: Check | None, *, strict: bool) -> None:
        self.count = 0
        self._check = check
        self._strict = strict

    def take(self, events: list[AnyEvent]) -> Part:
        """Take the next items, which were parsed already."""
        if self.count + len(events) > MAX_EVENTS:
            raise _too_many()
        part = Part(events, [])
        if self._check is not None:
            part = Part([], [])
            for number, event in enumerate(events, self.count):
                self._keep(event, number, part)
        self.count += len(events)
        return part

    def read(self, item: Body, part: Part) -> None:
        """Read the next item."""
        if self.count == MAX_EVENTS:
            raise _too_many()
        try:
            self._keep(parse_any(item), self.count, part)
        except InvalidEvent as error:
            part.rejected.append(Rejected(self.count, error.field, error.error))
        except MalformedJson as error:
            if self._strict:
                raise
            part.rejected.append(Rejected(self.count, "", str(error)))
        self.count += 1

    def refuse(self, error: str, part: Part) -> None:
        """Refuse the next item, whatever it is."""
        if self.count == MAX_EVENTS:
            raise _too_many()
        part.rejected.append(Rejected(self.count, "", error))
        self.count += 1

    def _keep(self, event: AnyEvent, number: int, part: Part) -> None:
        try:
            if self._check is not None:
                self._check(event)
        except InvalidEvent as error:
            part.rejected.append(Rejected(number, error.field, error.error))
        else:
            part.events.append(event)


class _ArrayReader:
    """Where the reading of an array stands: before the item at ``_begin``, or behind the last one."""

    def __init__(self, body: Body, items: _Items) -> None:
        opening = _OPENING.match(body, 0, MAX_LEADING)
        if opening is None:
            raise MalformedJson("expected a JSON array of events")
        self.done = False
        self._body = body
        self._begin = opening.end()
        self._items = items
        self._item: _Item | None = None
        self._closed = False

    def read(self) -> Part:
        """Read on for one slice."""
        if self._closed:
            self._skip_blanks()
            return Part([], [])
        return self._read_slice() or self._read_items()

    def _read_slice(self) -> Part | None:
        """Read a slice of good events at once; None if it has to be looked at item by item."""
        if self._item is not None:
            return None
        body, begin = self._body, self._begin
        between = None
        if len(body) - begin > 2 * SLICE:
            between = _BETWEEN.search(body, begin + SLICE, begin + 2 * SLICE)
            if between is None:
                return None
        text = b"[" + (body[begin:] if between is None else body[begin : between.start() + 1] + b"]")
        events = parse_all(text)
        # Behind a comma there has to be an item.
        if events is None or (not events and self._items.count):
            return None
        self.done = between is None
        self._begin = len(body) if between is None else between.end()
        return self._items.take(events)

    def _read_items(self) -> Part:
        """Cut items out, one by one, until they make a slice."""
        part, spent = Part([], []), 0
        while spent + REFUSED_COST * len(part.rejected) < SLICE // 2 and not self._closed:
            item = self._item = self._item or _Item(self._body, self._begin)
            before = item.at
            end = item.find_end(SLICE // 2 - spent)
            # What ended early looked at as many brackets as it may.
            spent = SLICE if end is None else spent + max(item.at - before, ITEM_COST)
            if end is not None:
                self._take(item, end, part)
            elif item.at - item.begin > MAX_ITEM:
                raise BatchTooLarge(f"item {self._items.count} is larger than {MAX_ITEM} bytes")
        return part

    def _take(self, item: "_Item", end: int, part: Part) -> None:
        text = self._body[item.begin : end].strip()
        self._closed = self._body[end : end + 1] == b"]"
        self._begin, self._item = end + 1, None
        # An array without items is one; a comma without an item behind it is none.
        if text or self._items.count or not self._closed:
            self._items.read(text, part)

    def _skip_blanks(self) -> None:
        """See that nothing but blanks follows."""
        if self._body[self._begin : self._begin + SLICE].strip():
            raise MalformedJson("the body is not valid JSON")
        self._begin += SLICE
        self.done = self._begin >= len(self._body)


class _Item:
    """An item whose end is looked for: only brackets, commas and strings are looked at."""

    def __init__(self, body: Body, begin: int) -> None:
        self.begin = self.at = begin
        self._body = body
        self._depth = 0
        self._is_in_string = False

    def find_end(self, most: int) -> int | None:
        """Look through at most so many bytes and :data:`MARKS` more; gives the place that ends the item, None: not yet.

        Raises :exc:`MalformedJson` if the body ends first, nests too deep, or has a bracket that closes nothing.
        """
        body, stop = self._body, min(self.at + max(most, 2), len(self._body))
        if self.at == len(body):
            raise MalformedJson("the body is not valid JSON")
        if self._is_in_string:
            self._leave_string(stop)
        for _ in range(MARKS):
            if self.at >= stop or self._is_in_string:
                break
            skip = _WITHIN.match if self._depth else _UP_TO_END.match
            skipped = skip(body, self.at, stop)
            self.at = stop if skipped is None else skipped.end()
            if self.at == stop:
                break
            mark, self.at = body[self.at], self.at + 1
            if mark == _QUOTE:
                self._leave_string(stop)
            elif self._ends_at(mark):
                return self.at - 1
        return None

    def _ends_at(self, mark: int) -> bool:
        """Go deeper or less deep by a *mark*; True: it is behind the item."""
        if mark in b"[{":
            self._depth += 1
            if self._depth > MAX_DEPTH:
                raise MalformedJson(f"the body nests deeper than {MAX_DEPTH} levels")
        elif self._depth:
            self._depth -= 1
        elif mark in b",]":
            return True
        else:
            raise MalformedJson("the body is not valid JSON")
        return False

    def _leave_string(self, stop: int) -> None:
        inside = _INSIDE.match(self._body, self.at, stop)
        self.at = stop if inside is None else inside.end()
        self._is_in_string = inside is None or not inside.group(1)
        if self._is_in_string and stop == len(self._body):
            raise MalformedJson("the body is not valid JSON")
