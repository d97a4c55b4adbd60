"""Frames: a text that is encoded once for every client that gets it, as WebSocket frame, event and chunk; pure."""

import struct

from realtime.transports.deflate import deflate

TEXT, DEFLATED_TEXT = 0x81, 0xC1
"""First bytes of a frame on the wire: final, text; with RSV1 it is deflated."""


class Frame:
    """A text frame, made once for all subscribers that get it."""

    __slots__ = (
        "_after",
        "_before",
        "_chunk",
        "_deflated",
        "_event",
        "_kind",
        "_position",
        "_retry",
        "payload",
        "wire",
    )

    def __init__(self, payload: bytes, kind: str, position: str | None = None, retry: float | None = None) -> None:
        """Take the text as UTF-8; ``wire`` is how it goes over the wire (RFC 6455, 5.2; final, text, not masked).

        *kind* is the frame's type, *position* what a stream resumes by, *retry* the seconds until it is to come back.
        """
        self.payload = payload
        self.wire = _header(TEXT, len(payload)) + payload
        self._kind = kind
        self._position = position
        self._retry = retry
        self._event: bytes | None = None
        self._chunk: bytes | None = None
        self._deflated: bytes | None = None
        self._before: bytes | None = None
        self._after = b""

    @property
    def deflated(self) -> bytes:
        """The frame on the wire for subscribers that agreed to permessage-deflate (RFC 7692); made once, too.

        It is ``wire`` where deflating is not worth it: such a message is sent as it is.
        """
        if self._deflated is None:
            self._deflated = self._deflate(b"")
        return self._deflated

    def deflated_after(self, last: bytes | None) -> bytes:
        """The same for those who keep what they inflate, *last* this message (None: another than others).

        Nearly all were sent the same one before, and get the same bytes; the others get ``deflated``.
        """
        if last is None:
            return self.deflated
        if self._before is None:
            self._before, self._after = last, self._deflate(last)
        return self._after if last is self._before else self.deflated

    def _deflate(self, before: bytes) -> bytes:
        made = deflate(self.payload, before)
        return self.wire if made is None else _header(DEFLATED_TEXT, len(made)) + made

    @property
    def event(self) -> bytes:
        """The frame as a server-sent event (HTML standard, 9.2); made once, when the first stream needs it."""
        if self._event is None:
            self._event = self._as_event()
        return self._event

    def _as_event(self) -> bytes:
        fields = [f"event: {self._kind}"]
        if self._position is not None:
            fields.append(f"id: {self._position}")
        if self._retry is not None:
            fields.append(f"retry: {self._retry * 1000:.0f}")
        # JSON has no line ends of its own.
        return b"%s\ndata: %s\n\n" % ("\n".join(fields).encode(), self.payload)

    @property
    def chunk(self) -> bytes:
        """The event as a chunk of an HTTP body; made once, too."""
        if self._chunk is None:
            self._chunk = as_chunk(self.event)
        return self._chunk


def as_chunk(data: bytes) -> bytes:
    """Write *data* as a chunk of an HTTP body (RFC 9112, 7.1)."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def _header(first: int, length: int) -> bytes:
    if length < 126:
        return struct.pack("!BB", first, length)
    if length < 1 << 16:
        return struct.pack("!BBH", first, 126, length)
    return struct.pack("!BBQ", first, 127, length)
