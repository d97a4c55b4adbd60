"""What a rule about what is unusual would have fired in the past, as of what the hours have now."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from storage.alerts.figure import Figure
from storage.alerts.unusual.bounds import HISTORY_DAYS, RATIO_DAYS, threshold
from storage.alerts.unusual.detector import Detector, Reading
from storage.alerts.unusual.hours import HOURS_OF_DAY, Place, places, read_first, read_hours, shifted
from storage.alerts.unusual.verdict import quiet_until
from storage.alerts.window import HOUR
from storage.engine.database import Database
from storage.fairness.slicing import collect

MAX_DAYS = 90
"""How far back one may ask: with what is before it 161 days of hours are read."""


@dataclass(frozen=True)
class Alarm:
    """An hour of UTC that would have been an alarm: its value, whether it is too much, and what the hours like it had.

    ``until`` is the hour that would have resolved it; None: none yet.
    """

    hour: str
    value: int
    is_up: bool
    least: int
    greatest: int
    count: int
    until: str | None = None


@dataclass(frozen=True)
class Past:
    """The alarms, the oldest first, and the first hour that could be one; None: too little is known for any."""

    alarms: list[Alarm]
    since: str | None


async def read_past(database: Database, tenant_id: str, figure: Figure, false_alarms: int, back: int, at: str) -> Past:
    """Say what would have fired in the whole hours of the *back* days before a time."""
    metric, last = figure.needs[0], shifted(at[:HOUR], -1)
    begin = shifted(at[:HOUR], -back * HOURS_OF_DAY)
    async with database.read() as connection:
        first = await connection.run_sync(read_first, tenant_id, metric)
        if first is None or first > last:
            return Past([], None)
        first = max(first, shifted(begin, -HISTORY_DAYS * HOURS_OF_DAY))
        values = (await connection.run_sync(read_hours, tenant_id, [metric], first, last)).get(metric, {})
    replay = _Replay(begin, threshold(false_alarms))
    await collect(replay.steps(places(values, first, last, database.days)))
    return Past(replay.alarms, replay.since)


class _Replay:
    """Reads hours in their order, and finds the alarms from *begin* on, those before it unseen."""

    def __init__(self, begin: str, least_score: float) -> None:
        self._begin = begin
        self._least_score = least_score
        self._quiet = ""
        self._fires = False
        self.alarms: list[Alarm] = []
        self.since: str | None = None

    def steps(self, found: Iterator[Place]) -> Iterator[None]:
        """Go through all, an hour at each step."""
        detector = Detector(1, RATIO_DAYS)
        for place in found:
            if place.hour is None or place.hour < self._begin:
                detector.learn(place.value)
            else:
                self._begin_with(place.hour, detector)
                self._take(place.hour, place.value, detector.add(place.value))
            yield

    def _begin_with(self, hour: str, detector: Detector) -> None:
        """Note the first hour that could be an alarm."""
        if self.since is None:
            base = detector.base()
            self.since = hour if base is not None and base.highest >= self._least_score else None

    def _take(self, hour: str, value: int, reading: Reading | None) -> None:
        if reading is None:
            return
        is_unusual = reading.score >= self._least_score
        if self._fires and not is_unusual:
            self.alarms[-1] = replace(self.alarms[-1], until=hour)
            self._fires = False
        elif is_unusual and not self._fires and hour > self._quiet:
            alarm = Alarm(hour, value, reading.is_up, int(reading.least), int(reading.greatest), reading.count)
            self.alarms.append(alarm)
            self._fires, self._quiet = True, quiet_until(hour)
