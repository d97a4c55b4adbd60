"""The body of an answer whose end is observed."""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any

from convoai_analytics_client.capture.usage import CLIENT_LEFT, FAILED

End = Callable[["int | None"], None]
"""Called with how a body ended: None for well, else the status that the request has by that. It is called once."""


class Body:
    """An iterable that is handed on, with its ``close()``."""

    def __init__(self, parts: Iterable[Any], end: End) -> None:
        self._parts = parts
        self._iterator: Iterator[Any] | None = None
        self._end: End | None = end

    def __iter__(self) -> "Body":
        return self

    def __next__(self) -> Any:
        try:
            if self._iterator is None:
                self._iterator = iter(self._parts)
            return next(self._iterator)
        except StopIteration:
            self._report_end(None)
            raise
        except BaseException as error:
            self._report_end(FAILED if isinstance(error, Exception) else CLIENT_LEFT)
            raise

    def close(self) -> None:
        """Close what is iterated, if it can be; a body that is closed before its end is one whose client has left."""
        try:
            close = getattr(self._parts, "close", None)
            if close is not None:
                close()
        finally:
            self._report_end(CLIENT_LEFT)

    def _report_end(self, status: int | None) -> None:
        end, self._end = self._end, None
        if end is not None:
            end(status)


class SizedBody(Body):
    """One whose number of parts is known: servers make a ``Content-Length`` of a single part (PEP 3333)."""

    def __len__(self) -> int:
        return len(self._parts)  # type: ignore[arg-type]


class AsyncBody:
    """An asynchronous iterable that is handed on."""

    def __init__(self, parts: AsyncIterator[Any], end: End) -> None:
        self._parts = parts
        self._end: End | None = end

    def __aiter__(self) -> "AsyncBody":
        return self

    async def __anext__(self) -> Any:
        try:
            return await self._parts.__anext__()
        except StopAsyncIteration:
            self._report_end(None)
            raise
        except BaseException as error:
            self._report_end(FAILED if isinstance(error, Exception) else CLIENT_LEFT)
            raise

    def close(self) -> None:
        """Record that the body is not iterated any more."""
        self._report_end(CLIENT_LEFT)

    def _report_end(self, status: int | None) -> None:
        end, self._end = self._end, None
        if end is not None:
            end(status)
