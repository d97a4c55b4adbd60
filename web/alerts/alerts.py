"""Alerts as a whole: what the service starts, stops and serves of them."""

from collections.abc import Callable

from storage.engine.database import Database
from storage.model.changes import Change
from storage.retention.steps import Steps
from web.alerts.access import Access
from web.alerts.channels import Channels
from web.alerts.clock import AlertClock
from web.alerts.history import History
from web.alerts.past import PastAlarms
from web.alerts.rules import Rules
from web.alerts.sender import Sender
from web.alerts.targets import Targets
from web.http.operations import Operation
from web.reports.endpoints import Reports
from web.settings import Settings


class Alerts:
    """The clock, the sender, and the endpoints."""

    def __init__(self, database: Database, settings: Settings, publish: Callable[[Change], None]) -> None:
        self._database = database
        self._steps = Steps(database, settings.change_log_entries, publish, rest=0.0)
        self.channels = Channels(settings)
        self._anywhere = bool(settings.alerts_networks)
        self.sender = Sender(database, self.channels)
        self.clock = AlertClock(database, self._steps, self.sender.wake)

    def start(self) -> None:
        """Begin to decide what time does, and to send."""
        self.sender.start()
        self.clock.start()

    async def stop(self) -> None:
        """End both."""
        await self.clock.stop()
        await self.sender.stop()
        await self.channels.close()

    def operations(self, reports: Reports) -> list[Operation]:
        """List the endpoints."""
        access = Access(self._database, self._steps, reports, self.sender.wake)
        return [
            *Rules(access).operations(),
            *History(access).operations(),
            *PastAlarms(access).operations(),
            *Targets(access, self.channels, anywhere=self._anywhere).operations(),
        ]
