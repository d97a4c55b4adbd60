"""The broker of a single process: a change is received in the call that publishes it."""

from realtime.brokers.broker import Missed, Receive
from storage.model.changes import Change


class MemoryBroker:
    """Carries changes inside one process."""

    delivering = True

    def __init__(self) -> None:
        self._tenants: set[str] = set()
        self._receive: Receive | None = None

    async def start(self, receive: Receive, missed: Missed) -> None:
        """Begin to carry."""
        self._receive = receive

    async def stop(self) -> None:
        """End."""
        self._receive = None

    def publish(self, change: Change) -> None:
        """Hand over a committed change."""
        if self._receive is not None and change.tenant_id in self._tenants:
            self._receive(change)

    def subscribe(self, tenant_id: str) -> None:
        """Begin to receive the changes of a tenant."""
        self._tenants.add(tenant_id)

    def unsubscribe(self, tenant_id: str) -> None:
        """Receive the changes of a tenant no longer."""
        self._tenants.discard(tenant_id)
