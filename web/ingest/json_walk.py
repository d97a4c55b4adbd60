"""A walk over JSON text that finds where values end, a bounded step at a time. Pure.

What is passed over is not checked beyond its strings and brackets, and nothing is made of it.
"""

import re
from collections.abc import Iterator

from storage.model.parsing import Body, MalformedJson

STEP = 8 << 10
"""Bytes that are passed over in one go, in some 0.1 ms."""
MARKS = 500
"""Brackets that are looked at one by one in one go, in some 0.5 ms."""
MAX_MARKS = 200_000
"""Brackets of a text that are looked at one by one, each in some 3 us: two for each span, unless values nest deeper."""
MAX_DEPTH = 1000
"""Levels to which a value is followed."""
MAX_MEMBERS = 200_000
"""Members and items of a text that are looked at in all, beside those that are passed over."""
PAUSE = 256
"""Of which so many are looked at in one go."""
MAX_KEY = 100
"""Characters of the names of members that are looked at."""

_IN_STRING = r'(?:[^"\\]++|\\.)*+'
_STRING_END = re.compile(rf'{_IN_STRING}("?)'.encode(), re.DOTALL)
_BLANK = re.compile(rb"[ \t\r\n]*+")
_SCALAR = re.compile(rb"[-+.0-9A-Za-z]++")


def _balanced(levels: int) -> str:
    """Write a pattern of what holds brackets that are closed within so many *levels*; possessive, as in batch.py."""
    nested = rf"|[\[{{]{_balanced(levels - 1)}[\]}}]" if levels else ""
    return rf'(?:[^"\[\]{{}}]++|"{_IN_STRING}"{nested})*+'


_WITHIN = re.compile(_balanced(6).encode(), re.DOTALL)
"""A span nests seven deep: its attributes, each one's value, and lists of values in it."""

Pauses = Iterator[None]
"""Gives nothing: whoever runs it may let others run in between."""


class TooManyMembers(ValueError):
    """A body that holds more than can be looked at: the sender should send smaller ones."""


class Walk:
    """Where the reading of a JSON text stands: at :attr:`at`. All raise :exc:`MalformedJson`."""

    def __init__(self, text: Body) -> None:
        self.text = text
        self.at = 0
        self._marks = 0
        self._looked_at = 0

    def mark(self) -> str:
        """Give the next character that is no blank, and stand at it; "" at the end."""
        found = _BLANK.match(self.text, self.at)
        self.at = self.at if found is None else found.end()
        return chr(self.text[self.at]) if self.at < len(self.text) else ""

    def take(self, marks: str) -> str:
        """Go behind the next character, which must be one of *marks*."""
        found = self.mark()
        if not found or found not in marks:
            raise MalformedJson("the body is not valid JSON")
        self.at += 1
        return found

    def begins(self, mark: str) -> bool:
        """Go behind the next character if it is *mark*."""
        found = self.mark() == mark
        self.at += found
        return found

    def key(self) -> str:
        """Read the name of a member, and go behind its colon; a name that is too long or escaped is as good as none."""
        self.take('"')
        begin = self.at
        found = _STRING_END.match(self.text, begin, begin + STEP)
        if found is None or not found[1]:
            raise MalformedJson("the body is not valid JSON, or has too long a name")
        self.at = found.end()
        self.take(":")
        return bytes(self.text[begin : min(found.end() - 1, begin + MAX_KEY)]).decode(errors="replace")

    def members(self) -> Iterator[str]:
        """Give the names of an object's members; whoever asks for the next one has gone behind the value."""
        self.take("{")
        if self.begins("}"):
            return
        while True:
            self._count()
            yield self.key()
            if self.take(",}") == "}":
                return

    def items(self) -> Iterator[None]:
        """Stand at each item of an array; whoever asks for the next one has gone behind the item."""
        self.take("[")
        if self.begins("]"):
            return
        while True:
            self._count()
            self.mark()
            yield
            if self.take(",]") == "]":
                return

    def _count(self) -> None:
        self._looked_at += 1
        if self._looked_at > MAX_MEMBERS:
            raise TooManyMembers(f"the body holds more than {MAX_MEMBERS} members and items")

    def pause(self) -> Pauses:
        """Give something once in :data:`PAUSE` members and items."""
        if not self._looked_at % PAUSE:
            yield

    def skip(self) -> Pauses:
        """Go behind the next value."""
        mark = self.mark()
        if mark == '"':
            self.at += 1
            yield from self._leave_string()
        elif mark in ("{", "["):
            yield from self._leave_brackets()
        else:
            found = _SCALAR.match(self.text, self.at, self.at + MAX_KEY)
            if found is None:
                raise MalformedJson("the body is not valid JSON")
            self.at = found.end()

    def _leave_string(self) -> Pauses:
        while True:
            found = _STRING_END.match(self.text, self.at, self.at + STEP)
            end = self.at if found is None else found.end()
            if end == self.at and end >= len(self.text) - 1:
                raise MalformedJson("the body is not valid JSON, or cut off")
            # An escape may lie across the end of the step.
            self.at = end
            if found is not None and found[1]:
                return
            yield

    def _leave_brackets(self) -> Pauses:
        depth, marks = 0, 0
        while True:
            mark = self.text[self.at : self.at + 1]
            if mark == b'"':
                self.at += 1
                yield from self._leave_string()
            elif mark in (b"{", b"["):
                depth, self.at, marks = depth + 1, self.at + 1, marks + 1
            elif mark in (b"}", b"]"):
                depth, self.at, marks = depth - 1, self.at + 1, marks + 1
            elif not mark:
                raise MalformedJson("the body is not valid JSON, or cut off")
            if not depth:
                self._marks += marks
                return
            if depth > MAX_DEPTH or self._marks + marks > MAX_MARKS:
                raise MalformedJson("the body nests too deep")
            before = self.at
            found = _WITHIN.match(self.text, before, before + STEP)
            self.at = before if found is None else found.end()
            if marks > MARKS or self.at - before > STEP // 2:
                self._marks, marks = self._marks + marks, 0
                yield
