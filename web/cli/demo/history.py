"""The made-up history of a platform: the visits of simulated users as events. Pure: a seed and a time give one history.

All of its figures are guesses, made so that each view of the dashboard has something to find: days and weeks that
differ, people who come back and people who stay away, models of different speed, endpoints that fail, an incident, and
deploys.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate, chain

from web.cli.simulated_users import PlannedConversation, Question, SimulatedUsers, Visit
from web.cli.traffic import HOUR, MODELS, USERS, Json, Source, Timed, User, activity, call, turn_events

PEOPLE = 300
CROWD = 55
"""How many simulated users plan the visits, of which each is made by one of the people: some often, most seldom."""
DAY = 24 * HOUR
WEEK = (1.0, 1.05, 1.05, 1.0, 0.9, 0.5, 0.45)
"""How many visits each day of the week has, from Monday on, as a part of most of them."""
REGULARS = 25.0
"""The rank among people whose visits are half as many as those of the most frequent visitor."""
STAYS_DAYS = 40.0
"""For how many days people use the platform, at the mean."""
RUSH, RUSH_CROWD = HOUR, 400
"""How long before the present a newsletter went out, and how many simulated users plan visits from then on: so
something happens every few seconds while somebody looks."""
SHARES = (0.35, 0.35, 0.3)
NEW_SHARES = (0.25, 0.6, 0.15)
"""How often each of the models answers, before and after the deploy that made the second one the usual."""
PRICES = ((3.0, 15.0), (0.2, 0.8), (1.0, 4.0))
"""US dollars for a million input tokens, and for a million output tokens, of each model."""
CONTEXT_TOKENS, CACHED = 450, 0.6
"""How many tokens a model reads before the first question, and which part of the input of later ones it has cached."""
SLOW_FACTOR, INCIDENT_FACTOR = 4.0, 5.0
"""How many times slower the third model is after an update, and all of them are during the incident."""
FAILS, FAILS_IN_INCIDENT = 0.004, 0.35
"""Which part of the answers fails."""
IMAGES, IMAGE_FAILS = 0.3, 0.09
"""How many visits make an image, and how many images fail."""
SEARCHES, SEARCH_FAILS = 0.4, 0.01
TOKENS_A_WORD = 1.3


@dataclass(frozen=True)
class Mark:
    """Something that happened at a Unix time in milliseconds; *end* None: it took no time. *kind*: an annotation's."""

    at: int
    end: int | None
    kind: str
    text: str


@dataclass(frozen=True)
class _Person:
    """A user of the platform: from when on, and until when."""

    user: User
    joins: int
    leaves: float


class History:
    """What happened in so many *days* before *now*, and what goes on to happen. Hours are those of *now*'s zone."""

    def __init__(self, seed: int, now: datetime, days: int) -> None:
        begin = (now - timedelta(days=days - 1)).replace(hour=0, minute=0, second=0, microsecond=0)
        self._seed = seed
        self._weekday = begin.weekday()
        self.begin = int(begin.timestamp() * 1000)
        self.now = int(now.timestamp() * 1000)
        self._people = _people(random.Random(f"people {seed}"), self.begin, self.now)
        # The first come most often.
        self._weights = list(accumulate(1 / (1 + rank / REGULARS) for rank in range(PEOPLE)))
        self.deploy = self._before(0.38, 10.5)
        self.slow = self._before(0.2, 9.25)
        incident = self._before(0.3, 14.0)
        self.incident = range(incident, incident + 100 * HOUR // 60)

    def _before(self, part: float, hour: float) -> int:
        """Give an hour of the day that is such a *part* of the days before now."""
        days = int((self.now - self.begin) * (1 - part)) // DAY
        return self.begin + days * DAY + int(hour * HOUR)

    @property
    def marks(self) -> tuple[Mark, ...]:
        """What an admin would mark on the charts."""
        return (
            Mark(self.deploy, None, "deploy", "atlas-small is the usual model"),
            Mark(self.incident.start, self.incident.stop, "incident", "Answers slow and failing: a full disk"),
            Mark(self.slow, None, "deploy", "lyra-2 updated"),
            Mark(self.now - RUSH, None, "note", "Newsletter sent"),
        )

    def source(self, begin: int, end: int) -> Source:
        """Give the events from *begin* up to *end*, both Unix times in milliseconds: the same whatever is asked for."""
        return Source(sorted((timed for timed in self._events(end) if begin <= timed.at < end), key=_time))

    def _events(self, end: int) -> Iterator[Timed]:
        seen = set[User]()
        for number, (at, visit, user) in enumerate(chain(self._usual_visits(end), self._rush(end))):
            draw = random.Random(self._seed * 1_000_003 + number)
            yield from self._visit(draw, at, visit, number, user, user not in seen)
            seen.add(user)

    def _usual_visits(self, end: int) -> Iterator[tuple[int, Visit, User]]:
        """Give the visits before the newsletter: fewer on some days, and only of people who are users at that time."""
        draw = random.Random(f"visits {self._seed}")
        for visit in SimulatedUsers(self._seed, CROWD, 0).visits():
            at = self.begin + int(visit.at * 1000)
            if at >= min(end, self.now - RUSH):
                return
            person = draw.choices(self._people, cum_weights=self._weights)[0]
            if (
                person.joins <= at < person.leaves
                and draw.random() < WEEK[(self._weekday + (at - self.begin) // DAY) % 7]
            ):
                yield at, visit, person.user

    def _rush(self, end: int) -> Iterator[tuple[int, Visit, User]]:
        begin = self.now - RUSH
        for visit in SimulatedUsers(self._seed + 1, RUSH_CROWD, (begin - self.begin) % DAY / HOUR).visits():
            at = begin + int(visit.at * 1000)
            if at >= end:
                return
            yield at, visit, self._people[visit.person % PEOPLE].user

    def _visit(
        self, draw: random.Random, at: int, visit: Visit, number: int, user: User, is_new: bool
    ) -> Iterator[Timed]:
        if is_new:
            yield Timed(at, activity(user, "registration"))
            yield Timed(at, _call(user, draw, 201, 240, "/users"))
        for _ in range(visit.wrong_passwords):
            yield Timed(at, _call(user, draw, 401, 120, "/auth/token"))
            at += 4_000
        if visit.gives_up:
            return
        yield Timed(at, _call(user, draw, 200, 130, "/auth/token"))
        yield Timed(at, activity(user, "login"))
        if visit.asks_for_unknown:
            yield Timed(at, _call(user, draw, 404, 15, "/conversations/{id}/messages", "GET"))
        for index, conversation in enumerate(visit.conversations):
            at += draw.randrange(2_000, 20_000)
            for timed in self._conversation(draw, at, conversation, f"c-{number}-{index}", user):
                yield timed
                at = max(at, timed.at)
        if draw.random() < SEARCHES:
            failed = draw.random() < SEARCH_FAILS
            yield Timed(at, _call(user, draw, 500 if failed else 200, 60, "/search", "GET"))
        if draw.random() < IMAGES:
            failed = draw.random() < IMAGE_FAILS
            yield Timed(at, activity(user, "image_created"))
            yield Timed(at, _call(user, draw, 502 if failed else 200, 6_500, "/v1/images/generations"))
        if visit.signs_out:
            yield Timed(at + 1_000, activity(user, "logout"))

    def _conversation(
        self, draw: random.Random, at: int, planned: PlannedConversation, conversation: str, user: User
    ) -> Iterator[Timed]:
        talk = {"type": "conversation", "conversation_id": conversation, "user_id": user.user_id}
        model = draw.choices(range(len(MODELS)), NEW_SHARES if at >= self.deploy else SHARES)[0]
        yield Timed(at, {**talk, "action": "created"})
        yield Timed(at, activity(user, "conversation_started"))
        yield Timed(at, _call(user, draw, 201, 25, "/conversations"))
        for turn, question in enumerate(planned.questions):
            at += int(question.thought * 1000)
            for timed in self._turn(draw, at, question, conversation, turn, user, model):
                yield timed
                at = max(at, timed.at)
        if planned.questions:
            yield Timed(at, activity(user, "conversation_ended"))
        if planned.is_deleted:
            yield Timed(at + 2_000, {**talk, "action": "deleted"})

    def _turn(
        self, draw: random.Random, at: int, question: Question, conversation: str, turn: int, user: User, model: int
    ) -> list[Timed]:
        """Ask a question: its events and those of its answer, of which there are none if it fails."""
        name, pace, length = MODELS[model]
        in_incident = at in self.incident
        is_slow = model == len(MODELS) - 1 and at >= self.slow
        factor = INCIDENT_FACTOR if in_incident else SLOW_FACTOR if is_slow else 1.0
        asked = int(len(question.text.split()) * TOKENS_A_WORD)
        answered = 1 + int(draw.gammavariate(2.0, length / 2))
        events = turn_events(
            at, user, conversation, turn, asked, answered, name, int(pace * factor * draw.uniform(0.8, 1.25))
        )
        sent, answer = events[:2], events[2]
        if draw.random() < (FAILS_IN_INCIDENT if in_incident else FAILS):
            failed = {**_llm_call(answer.event, model, turn, asked), "output_tokens": 0, "error_type": "timeout"}
            return [*sent, Timed(at + 900, failed), Timed(at + 900, call(user, draw.choice((500, 503)), 900))]
        if question.leaves_after is not None:
            return sent
        return [*events, Timed(answer.at, _llm_call(answer.event, model, turn, asked))]


def _llm_call(answer: Json, model: int, turn: int, asked: int) -> Json:
    """Make the call of a model that gave an answer: it reads the conversation so far, most of which it has cached."""
    read = CONTEXT_TOKENS + asked * (1 + 4 * turn)
    price_in, price_out = PRICES[model]
    cost = (read * price_in + answer["token_count"] * price_out) / 1_000_000
    return {
        "type": "llm_call",
        "provider": "made-up",
        "model": answer["model_used"],
        "operation": "chat",
        **{name: answer[name] for name in ("user_id", "conversation_id", "message_id", "response_time")},
        "input_tokens": read,
        "cached_input_tokens": int(read * CACHED) if turn else 0,
        "output_tokens": answer["token_count"],
        "cost": f"{cost:.9f}",
    }


def _people(draw: random.Random, begin: int, now: int) -> list[_Person]:
    people = []
    for user in draw.sample(USERS[:PEOPLE], PEOPLE):
        # Many come in the first days, fewer later.
        joins = begin + int((now - begin) * draw.random() ** 1.5)
        people.append(_Person(user, joins, joins + DAY * draw.expovariate(1 / STAYS_DAYS)))
    return people


def _call(user: User, draw: random.Random, status: int, milliseconds: int, endpoint: str, method: str = "POST") -> Json:
    return call(user, status, int(milliseconds * draw.uniform(0.6, 1.8)), endpoint, method)


def _time(timed: Timed) -> int:
    return timed.at
