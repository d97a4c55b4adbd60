"""The contract of a broker: it carries each committed change to every process that shows figures.

A broker may lose, repeat or reorder changes: the feed puts them in order by sequence and refills what is missing from
the change log. What a broker owes is speed, and the truth about whether it delivers. One test suite runs on every
implementation.
"""

from collections.abc import Callable
from typing import Protocol

from storage.model.changes import Change

Receive = Callable[[Change], None]
"""Called with each change of the tenants that are subscribed."""
Missed = Callable[[], None]
"""Called when changes may have been lost, of whatever tenant."""


class Broker(Protocol):
    """Carries changes from the writers of all processes to the feeds of all processes."""

    async def start(self, receive: Receive, missed: Missed) -> None:
        """Begin to carry. A transport that is away is no error: it is retried until :meth:`stop`."""

    async def stop(self) -> None:
        """End, and give every connection back."""

    def publish(self, change: Change) -> None:
        """Hand over a committed change; returns at once and never fails."""

    def subscribe(self, tenant_id: str) -> None:
        """Begin to receive the changes of a tenant."""

    def unsubscribe(self, tenant_id: str) -> None:
        """Receive the changes of a tenant no longer."""

    @property
    def delivering(self) -> bool:
        """Whether a change published now would be received, as far as the broker knows."""
