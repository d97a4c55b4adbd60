"""Protobuf's wire format (protobuf.dev/programming-guides/encoding), as far as it takes to cut a message into parts.

A whole request is never handed to the protobuf library: from 16 MB of empty parts that would make 450 MB of objects.
"""

from collections.abc import Iterator
from typing import NamedTuple

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_FIXED = {FIXED64: 8, FIXED32: 4}
MAX_VARINT = 10
"""Bytes of the longest varint."""


class MalformedProtobuf(ValueError):
    """The message is cut off, or a length in it is a lie."""


class Part(NamedTuple):
    """One field of a message: its number, its type, where it begins, and from where to where its content reaches."""

    number: int
    kind: int
    begin: int
    content: int
    end: int


def parts(message: bytes | bytearray, at: int, end: int) -> Iterator[Part]:
    """Give the fields of the message between *at* and *end*; raises :exc:`MalformedProtobuf`. Each takes some 1 us."""
    while at < end:
        begin = at
        tag, at = _varint(message, at, end)
        kind = tag & 7
        content = at
        if kind == BYTES:
            length, content = _varint(message, at, end)
            at = content + length
        elif kind == VARINT:
            _, at = _varint(message, at, end)
        elif kind in _FIXED:
            at += _FIXED[kind]
        else:
            raise MalformedProtobuf("the body is not valid protobuf")
        if at > end or not tag >> 3:
            raise MalformedProtobuf("the body is not valid protobuf, or cut off")
        yield Part(tag >> 3, kind, begin, content, at)


def _varint(message: bytes | bytearray, at: int, end: int) -> tuple[int, int]:
    """Read a varint; gives it, and the place behind it."""
    if at < end and message[at] < 0x80:
        return message[at], at + 1
    value = shift = 0
    for place in range(at, min(at + MAX_VARINT, end)):
        value |= (message[place] & 0x7F) << shift
        if message[place] < 0x80:
            return value, place + 1
        shift += 7
    raise MalformedProtobuf("the body is not valid protobuf, or cut off")
