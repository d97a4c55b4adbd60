"""Frames: a text that is encoded once for every client that gets it, as WebSocket frame, event and chunk; pure."""

import struct


class Frame:
    """A text frame, made once for all subscribers that get it."""

    __slots__ = ("_chunk", "_event", "_kind", "_position", "_retry", "payload", "wire")

    def __init__(self, payload: bytes, kind: str, position: str | None = None, retry: float | None = None) -> None:
        """Take the text as UTF-8; ``wire`` is how it goes over the wire (RFC 6455, 5.2; final, text, not masked).

        *kind* is the frame's type, *position* what a stream resumes by, *retry* the seconds until it is to come back.
        """
        self.payload = payload
        self.wire = _header(len(payload)) + payload
        self._kind = kind
        self._position = position
        self._retry = retry
        self._event: bytes | None = None
        self._chunk: bytes | None = None

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


def _header(length: int) -> bytes:
    if length < 126:
        return struct.pack("!BB", 0x81, length)
    if length < 1 << 16:
        return struct.pack("!BBH", 0x81, 126, length)
    return struct.pack("!BBQ", 0x81, 127, length)
