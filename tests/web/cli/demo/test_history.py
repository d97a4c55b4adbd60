"""The made-up history of the command ``demo``."""

from collections import Counter, defaultdict
from datetime import UTC, datetime
from itertools import pairwise
from statistics import mean
from typing import Any

from web.cli.demo.history import DAY, History
from web.cli.traffic import HOUR, Timed

NOW = datetime(2026, 11, 26, 15, 20, tzinfo=UTC)
HISTORY = History(1, NOW, 30)
PAST = HISTORY.source(HISTORY.begin, HISTORY.now).events


def day(timed: Timed) -> int:
    return (timed.at - HISTORY.begin) // DAY


def of(kind: str, **fields: Any) -> list[Timed]:
    events = [timed for timed in PAST if timed.event["type"] == kind]
    return [timed for timed in events if fields.items() <= timed.event.items()]


def mean_time(model: str, begin: int, end: int) -> float:
    return mean(
        float(timed.event["response_time"]) for timed in of("message", model_used=model) if begin <= timed.at < end
    )


def failed_share(calls: list[Timed]) -> float:
    return sum(bool(timed.event["status_code"] >= 500) for timed in calls) / len(calls)


def test_a_seed_and_a_time_give_one_history() -> None:
    """The same events come out whether all are asked for at once or piece by piece, in the order of their times."""
    middle = HISTORY.begin + 17 * DAY + 5 * HOUR
    again = History(1, NOW, 30)
    pieces = again.source(HISTORY.begin, middle).events + again.source(middle, HISTORY.now).events
    assert pieces == PAST
    assert all(before.at <= after.at for before, after in pairwise(PAST))
    assert History(2, NOW, 30).source(HISTORY.begin, HISTORY.now).events != PAST


def test_it_has_some_ten_thousand_events_of_a_month() -> None:
    """There are tens of thousands of events, on each of thirty days, that end now; and things go on to happen."""
    assert 30_000 < len(PAST) < 120_000
    assert {day(timed) for timed in PAST} == set(range(30))
    assert PAST[-1].at < HISTORY.now
    coming = HISTORY.source(HISTORY.now, HISTORY.now + HOUR).events
    assert len(coming) > 600, "an event every few seconds"


def test_days_and_weeks_differ() -> None:
    """At five in the morning there is less than at eight in the evening, and on Sundays less than on Wednesdays."""
    hours, weekdays = Counter[int](), Counter[int]()
    for timed in of("message"):
        if HISTORY.begin + 9 * DAY <= timed.at < HISTORY.begin + 23 * DAY:
            hours[timed.at // HOUR % 24] += 1
            weekdays[datetime.fromtimestamp(timed.at / 1000, UTC).weekday()] += 1
    assert hours[5] < hours[20] / 2
    assert weekdays[6] < 0.7 * weekdays[2]


def test_people_come_back_and_stay_away() -> None:
    """A few people come on most days, many on few; each registers once, at first; some do not come any more."""
    days, registered = defaultdict(set), Counter[str]()
    for timed in PAST:
        user = timed.event["user_id"]
        if user not in days:
            assert timed.event.get("activity_type") == "registration"
        days[user].add(day(timed))
        registered[user] += timed.event.get("activity_type") == "registration"
    assert set(registered.values()) == {1}
    counts = sorted(map(len, days.values()))
    assert counts[-5] > 15
    assert counts[len(counts) // 2] < 12
    gone = [user for user, found in days.items() if max(found) < 20 and len(found) > 1]
    assert len(gone) > 10


def test_there_is_something_to_find() -> None:
    """One model becomes the slowest at a deploy, one endpoint fails most, and there is one incident."""
    last = HISTORY.now
    assert mean_time("lyra-2", HISTORY.begin, HISTORY.slow) < mean_time("atlas-large", HISTORY.begin, HISTORY.slow)
    assert mean_time("lyra-2", HISTORY.slow, last) > mean_time("atlas-large", HISTORY.slow, last)
    endpoints = {timed.event["endpoint"] for timed in of("api_usage")}
    shares = {endpoint: failed_share(of("api_usage", endpoint=endpoint)) for endpoint in endpoints}
    assert max(shares, key=shares.__getitem__) == "/v1/images/generations"
    answers = of("api_usage", endpoint="/v1/chat/completions")
    during = [timed for timed in answers if timed.at in HISTORY.incident]
    assert (
        failed_share(during) > 0.2 > 10 * failed_share([timed for timed in answers if timed.at not in HISTORY.incident])
    )
    costs = [float(timed.event["cost"]) for timed in of("llm_call", model="atlas-large")]
    assert len(costs) > 1000
    assert min(costs) > 0
    assert all(HISTORY.begin < mark.at < HISTORY.now for mark in HISTORY.marks)


def test_a_short_past_has_all_of_it_too() -> None:
    """One day of past, as tests have it, ends now and is no longer than its day."""
    short = History(1, NOW, 1)
    events = short.source(short.begin, short.now).events
    assert events
    assert short.begin == datetime(2026, 11, 26, tzinfo=UTC).timestamp() * 1000
