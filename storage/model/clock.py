"""Time as this service writes it: UTC text with milliseconds, and the days of a tenant's zone."""

import math
import time
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo


def unix() -> float:
    """Say the time of the service's own clock, in seconds since 1970; all else here asks this."""
    return time.time()


def text(moment: datetime) -> str:
    """Write an aware *moment* as ``2026-11-22T11:14:07.123Z``; what is finer than a millisecond is cut off."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")[:23] + "Z"


def moment(written: str) -> datetime:
    """Read what :func:`text` wrote."""
    return datetime.fromisoformat(written)


def now() -> str:
    """Say the time of the service's own clock, as :func:`text` writes it."""
    return text(datetime.fromtimestamp(unix(), UTC))


class Days:
    """The calendar days of one time zone, as ISO dates (``2026-11-22``)."""

    def __init__(self, zone: str) -> None:
        """Take the IANA name of the *zone*; raises ``ZoneInfoNotFoundError`` or ``ValueError`` if there is none."""
        self.zone = ZoneInfo(zone)
        # Offsets of real zones change on whole minutes, so one look a minute serves every event of that minute.
        self._of_minute = lru_cache(maxsize=4096)(self._look_up)
        # Every feed asks every second: 2 us each time it is worked out.
        self._of_second = lru_cache(maxsize=1)(self._look_up_second)

    def of(self, written: str) -> str:
        """Name the local day of a timestamp written by :func:`text`."""
        return self._of_minute(written[:16])

    def _look_up(self, minute: str) -> str:
        return datetime.fromisoformat(minute).replace(tzinfo=UTC).astimezone(self.zone).date().isoformat()

    def today(self) -> str:
        """Name the local day it is now."""
        return self._of_second(math.floor(unix()))

    def _look_up_second(self, second: int) -> str:
        return datetime.fromtimestamp(second, self.zone).date().isoformat()

    def start(self, day: str) -> str:
        """Write the first moment of a local *day* as a UTC timestamp."""
        return text(datetime.fromisoformat(day).replace(tzinfo=self.zone))

    def last_before(self, end: str) -> str:
        """Name the local day of the last moment before the timestamp *end*."""
        # Taken off in UTC: where clocks jump at midnight, a millisecond of local time is another moment.
        return (moment(end) - timedelta(milliseconds=1)).astimezone(self.zone).date().isoformat()

    @staticmethod
    def shift(day: str, days: int) -> str:
        """Name the day that is so many *days* after (or, below zero, before) *day*."""
        return (date.fromisoformat(day) + timedelta(days=days)).isoformat()
