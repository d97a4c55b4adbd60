"""Many subscribers, in a process of their own."""

import time

import msgspec

from bench.panels import Take
from bench.process import Process, python

SETTLE_SECONDS = 0.3
"""After this long without load, every frame has arrived."""


class SubscriberGroup(Process):
    """*count* panels of the service on *port*; without a *token*, bare connections that are only sent frames.

    *offer*: an extension of WebSocket that the panels offer.
    """

    def __init__(self, port: int, count: int, token: str = "", offer: str = "") -> None:
        super().__init__(python("bench.panels", str(port), str(count), *filter(None, [offer])))
        try:
            self.ask(token)
        except BaseException:
            self.end()
            raise

    def take(self) -> Take:
        """Collect what arrived since the last time."""
        time.sleep(SETTLE_SECONDS)
        return msgspec.json.decode(self.ask("take"), type=Take)
