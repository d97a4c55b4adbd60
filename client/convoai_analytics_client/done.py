"""What a tracking call returns: an awaitable that is done already.

``asyncio.create_task`` takes coroutines only, and Python warns of a coroutine that is not awaited. This is one object
for all calls: it may be awaited, made a task of, or ignored.
"""

from collections.abc import Coroutine, Generator
from typing import Any


class Done(Coroutine[Any, Any, None]):
    """A coroutine without a state, which ends as soon as it is awaited."""

    __slots__ = ()

    __name__ = __qualname__ = "tracked"

    def send(self, _value: Any) -> Any:
        """End."""
        raise StopIteration

    def throw(self, kind: Any, value: Any = None, trace: Any = None) -> Any:
        """Raise what is thrown in, such as a cancellation."""
        raise kind if value is None else value

    def close(self) -> None:
        """Do nothing."""

    def __await__(self) -> Generator[Any, Any, None]:
        return
        yield


DONE = Done()
