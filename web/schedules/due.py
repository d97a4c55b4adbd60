"""When a schedule is due, and which days its report has. Pure.

A time of day is one of the zone's clock. Where it is skipped as the clock is set forward, the schedule is due as much
later as the clock was set (PEP 495, fold 0); where it comes twice, the first time counts. So each day has one.
"""

from calendar import monthrange
from datetime import date, datetime, time, timedelta

from storage.model import clock
from storage.model.clock import Days
from storage.report_schedules import Schedule


def next_time(days: Days, schedule: Schedule, after: str) -> str:
    """Say when a schedule is due for the first time after the timestamp *after*."""
    day = date.fromisoformat(days.of(after)) - timedelta(days=1)
    while True:
        if _is_due(schedule, day) and (at := _at(days, day, schedule.at_time)) > after:
            return at
        day += timedelta(days=1)


def _is_due(schedule: Schedule, day: date) -> bool:
    if schedule.every == "weekly":
        return day.isoweekday() == schedule.on_day
    if schedule.every == "monthly":
        last = monthrange(day.year, day.month)[1]
        return day.day == min(schedule.on_day or 1, last)
    return True


def _at(days: Days, day: date, at_time: str) -> str:
    return clock.text(datetime.combine(day, time.fromisoformat(at_time), days.zone))


def covered(days: Days, schedule: Schedule, due_at: str) -> tuple[str, str]:
    """Give the range of a report: the day before, the seven days before, or the calendar month before it is due."""
    day = date.fromisoformat(days.of(due_at))
    first, end = day - timedelta(days=1), day
    if schedule.every == "weekly":
        first = day - timedelta(days=7)
    elif schedule.every == "monthly":
        end = day.replace(day=1)
        first = (end - timedelta(days=1)).replace(day=1)
    return days.start(first.isoformat()), days.start(end.isoformat())
