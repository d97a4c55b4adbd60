"""Windows: from which time to which one a rule looks, and the sums over it that are kept between commits. Pure.

A window is made of rows of counters: minutes or hours of UTC, or local days. Events count at their own time, also those
that arrive late; those that are up to five minutes ahead of the clock count in a window of minutes.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from storage.model import clock
from storage.model.clock import Days

END = "~"
"""Behind every start of a row."""
MINUTE, HOUR, DAY, MONTH = 16, 13, 10, 7


class Source(NamedTuple):
    """Whose sums: a counter of all, or of one user or model (``of`` is the rollup's column) on local days."""

    metric: str
    of: str = ""
    label: str = ""


class Window(NamedTuple):
    """Which window: its name, how many ``minutes`` it has if it moves, and whether it is the last whole one."""

    name: str
    minutes: int = 0
    closed: bool = False

    @property
    def grain(self) -> str:
        """Say of which rows it is made."""
        if self.minutes:
            return "minute"
        return "hour" if self.name == "hour" else "day"


class Span(NamedTuple):
    """The first and the last start of the rows of a window, both inclusive, and the ``key`` that names the window.

    The key is "" for one that moves with the clock.
    """

    first: str
    last: str
    key: str


@dataclass(frozen=True)
class Moment:
    """A time, as the keys of the rows that hold it."""

    at: str
    minute: str
    day: str

    @classmethod
    def of(cls, at: str, days: Days) -> "Moment":
        """Take a timestamp."""
        return cls(at, at[:MINUTE], days.of(at))

    @property
    def frame(self) -> tuple[str, str, str]:
        """Name the minute, the hour and the day: as long as they stay, so do all windows."""
        return self.minute, self.at[:HOUR], self.day


def span(window: Window, moment: Moment, days: Days) -> Span:
    """Say which rows make up a window at a moment."""
    if window.minutes:
        first = datetime.fromisoformat(moment.minute).replace(tzinfo=UTC) - timedelta(minutes=window.minutes - 1)
        return Span(clock.text(first)[:MINUTE], END, "")
    if window.name == "hour":
        start = moment.at[:HOUR]
        if window.closed:
            start = clock.text(clock.moment(f"{start}:00:00.000Z") - timedelta(hours=1))[:HOUR]
        return Span(start, start, start)
    if window.name == "today":
        day = days.shift(moment.day, -1) if window.closed else moment.day
        return Span(day, day, day)
    month = moment.day[:MONTH]
    if window.closed:
        month = days.shift(f"{month}-01", -1)[:MONTH]
    return Span(f"{month}-01", f"{month}-31", month)


def same_time(window: Window, moment: Moment, days: Days, back: int) -> tuple[str, str]:
    """Give the minutes of UTC, both inclusive, of the same window so many local days *back*.

    It ends with the minute of the same local time. Where clocks are set forward over it, that is the time that Python
    takes for it (PEP 495): the offset of before.
    """
    last = _shifted(moment.minute, days, back)
    if window.minutes:
        first = datetime.fromisoformat(last).replace(tzinfo=UTC) - timedelta(minutes=window.minutes - 1)
        return clock.text(first)[:MINUTE], last
    if window.name == "hour":
        return _shifted(f"{moment.minute[:HOUR]}:00", days, back), last
    return days.start(days.shift(moment.day, -back))[:MINUTE], last


def _shifted(minute: str, days: Days, back: int) -> str:
    local = datetime.fromisoformat(minute).replace(tzinfo=UTC).astimezone(days.zone)
    return clock.text(local - timedelta(days=back))[:MINUTE]


NO_SPAN = Span("", "", "")


@dataclass(slots=True, eq=False)
class WindowSum:
    """The sum of one source over one window, kept by its rows."""

    source: Source
    window: Window
    span: Span = NO_SPAN
    rows: dict[str, int] = field(default_factory=dict)
    total: int = 0

    def load(self, span: Span, rows: dict[str, int]) -> None:
        """Take what the database holds of the span."""
        self.span, self.rows, self.total = span, rows, sum(rows.values())

    def add(self, start: str, value: int) -> bool:
        """Add to a row; says whether it lies in the window."""
        if not self.span.first <= start <= self.span.last:
            return False
        self.rows[start] = self.rows.get(start, 0) + value
        self.total += value
        return True

    def put(self, start: str, part: str, value: int) -> bool:
        """Set one *part* of a row; says whether it lies in the window, and has changed."""
        if not self.span.first <= start <= self.span.last:
            return False
        key = start + part
        before = self.rows.get(key, 0)
        self.rows[key] = value
        self.total += value - before
        return value != before

    def slide(self, span: Span) -> None:
        """Leave behind the rows before a later span of a window that moves."""
        for start in [start for start in self.rows if start < span.first]:
            self.total -= self.rows.pop(start)
        self.span = span
