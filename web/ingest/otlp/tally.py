"""What became of spans: in the metrics, and what was not stored in one line of the log a minute."""

import asyncio
from collections import Counter
from collections.abc import Callable

import structlog

log = structlog.get_logger()

MINUTE = 60.0
CALL, INVALID = "call", "invalid"
"""Outcomes of a span beside the reasons of :mod:`web.ingest.otlp.calls`: it became an event, or it broke a rule."""


class Tally:
    """Counts spans by outcome; *count* gets each outcome and how many spans had it."""

    def __init__(self, count: Callable[[str, int], None]) -> None:
        self._count = count
        self._untold: Counter[str] = Counter()

    def add(self, outcomes: Counter[str]) -> None:
        """Record the outcomes of a request's spans."""
        for outcome, spans in outcomes.items():
            self._count(outcome, spans)
        not_stored = Counter({outcome: spans for outcome, spans in outcomes.items() if outcome != CALL and spans})
        if not_stored and not self._untold:
            asyncio.get_running_loop().call_later(MINUTE, self.tell)
        self._untold += not_stored

    def tell(self) -> None:
        """Write the line of the last minute, if there was anything to tell."""
        if self._untold:
            log.info("spans_not_stored", **self._untold)
            self._untold = Counter()
