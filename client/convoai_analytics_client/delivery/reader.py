"""Reading the answers of a server without a lock, so that a process may be forked meanwhile.

The standard library reads a socket through a buffer with a lock of its own. A child that is forked while the parent
reads inherits that lock taken, and waits for ever when it closes its copy of the connection.
"""

from http.client import HTTPResponse
from socket import SocketIO, socket
from typing import Any


class Reader:
    """A file that reads from a socket's raw file; for one thread at a time."""

    def __init__(self, raw: SocketIO) -> None:
        self._raw = raw
        self._buffer = b""

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._raw.closed

    def readline(self, limit: int) -> bytes:
        """Read a line with its end, or as much of it as *limit* allows."""
        while b"\n" not in self._buffer and len(self._buffer) < limit and self._fill():
            pass
        end = self._buffer.find(b"\n") + 1 or len(self._buffer)
        return self._take(min(end, limit))

    def read(self, size: int | None = None) -> bytes:
        """Read so many bytes, fewer at the end; None: all until the end."""
        while (size is None or len(self._buffer) < size) and self._fill():
            pass
        return self._take(len(self._buffer) if size is None else size)

    def readinto(self, view: memoryview) -> int:
        """Read as many bytes as *view* has room for, fewer at the end."""
        read = self.read(len(view))
        view[: len(read)] = read
        return len(read)

    def flush(self) -> None:
        """Do nothing: nothing is written here."""

    def close(self) -> None:
        """Give the socket back."""
        self._raw.close()

    def _fill(self) -> bool:
        read = self._raw.read(1 << 16)
        self._buffer += read or b""
        return bool(read)

    def _take(self, size: int) -> bytes:
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        return taken


class _Readable:
    """A socket, as far as an answer needs one."""

    def __init__(self, connected: socket) -> None:
        self._connected = connected

    def makefile(self, _mode: str) -> Reader:
        return Reader(self._connected.makefile("rb", buffering=0))


class Response(HTTPResponse):
    """An answer that is read so."""

    def __init__(self, sock: socket, *arguments: Any, **options: Any) -> None:
        super().__init__(_Readable(sock), *arguments, **options)  # type: ignore[arg-type]
