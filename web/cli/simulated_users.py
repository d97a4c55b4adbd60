"""The plan of simulated users: when they visit, what they write, and what goes wrong. Pure: a seed gives one plan,
always.

The shape of a day is that of New York's taxi rides, which go by when people are awake: least at five, most at eight in
the evening. All other figures are guesses, made so that a panel has something to show of each kind.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass

HOURS = (
    *(0.95, 0.7, 0.5, 0.4, 0.3, 0.25, 0.5, 0.8),
    *(1.0, 1.05, 1.05, 1.1, 1.2, 1.2, 1.2, 1.15),
    *(1.0, 1.2, 1.45, 1.5, 1.5, 1.4, 1.35, 1.25),
)
"""How many visits each hour of the day has, as a multiple of the mean."""
VISITS_A_DAY = 4.0
"""Visits of a person."""
CONVERSATIONS, QUESTIONS = 1.5, 3.0
"""Conversations of a visit, and questions of a conversation, at the mean."""
MAX_CONVERSATIONS, MAX_QUESTIONS = 5, 20
THOUGHT_SECONDS, LONGEST_THOUGHT = 15.0, 180.0
"""How long a person reads and thinks before a question: the median, and at the most."""
WRONG_PASSWORD, GIVES_UP = 0.06, 0.2
"""How many visits begin with a wrong password, and how many of these end with it."""
UNKNOWN_CONVERSATION = 0.03
"""How many ask for a conversation that is not there, as an old bookmark does."""
ABANDONED, LEAVES, DELETED = 0.08, 0.05, 0.06
"""How many conversations get no question, how many answers are not waited for, how many conversations are deleted."""
SIGNS_OUT = 0.4
"""How many visits end by signing out."""


@dataclass(frozen=True)
class Question:
    """A question, after so many seconds of thought.

    ``leaves_after`` is how many pieces of the answer the person waits for; None: for all.
    """

    thought: float
    text: str
    leaves_after: int | None = None


@dataclass(frozen=True)
class PlannedConversation:
    """A conversation; without a question it is one that was begun and left alone."""

    questions: tuple[Question, ...]
    is_deleted: bool


@dataclass(frozen=True)
class Visit:
    """What a person does from signing in on. ``at`` is in seconds of simulated time, from its beginning."""

    at: float
    person: int
    wrong_passwords: int
    gives_up: bool
    asks_for_unknown: bool
    conversations: tuple[PlannedConversation, ...]
    signs_out: bool


class SimulatedUsers:
    """So many *people*, whose day begins at an *hour* (0 to 24, and parts of one)."""

    def __init__(self, seed: int, people: int, hour: float) -> None:
        self._seed = seed
        self._people = people
        self._hour = hour

    def visits(self) -> Iterator[Visit]:
        """Give all visits in their order, without an end; each time the same ones."""
        draw = random.Random(f"crowd {self._seed}")
        most = max(HOURS)
        rate = self._people * VISITS_A_DAY / 86_400 * most / (sum(HOURS) / 24)
        at = 0.0
        while True:
            # Arrivals at the highest rate, of which as many are left as the hour has (thinning).
            at += draw.expovariate(rate)
            if draw.random() * most < HOURS[int(self._hour + at / 3600) % 24]:
                yield _visit(draw, at, self._people)

    def clock(self, at: float) -> str:
        """Write the simulated time: ``day 1 14:30``."""
        minutes = int(self._hour * 60 + at / 60)
        return f"day {minutes // 1440 + 1} {minutes // 60 % 24:02d}:{minutes % 60:02d}"


def _visit(draw: random.Random, at: float, people: int) -> Visit:
    person = draw.randrange(people)
    wrong = draw.randint(1, 2) if draw.random() < WRONG_PASSWORD else 0
    gives_up = draw.random() < GIVES_UP and wrong > 0
    asks_for_unknown = draw.random() < UNKNOWN_CONVERSATION
    conversations: list[PlannedConversation] = []
    for _ in range(_some(draw, CONVERSATIONS, MAX_CONVERSATIONS)):
        conversations.append(_planned_conversation(draw))
        if any(question.leaves_after is not None for question in conversations[-1].questions):
            # A user who does not wait for an answer has left.
            break
    return Visit(at, person, wrong, gives_up, asks_for_unknown, tuple(conversations), draw.random() < SIGNS_OUT)


def _planned_conversation(draw: random.Random) -> PlannedConversation:
    if draw.random() < ABANDONED:
        return PlannedConversation((), is_deleted=False)
    questions = []
    for _ in range(_some(draw, QUESTIONS, MAX_QUESTIONS)):
        thought = min(LONGEST_THOUGHT, draw.lognormvariate(0.0, 0.8) * THOUGHT_SECONDS)
        leaves_after = draw.randint(0, 20) if draw.random() < LEAVES else None
        questions.append(Question(thought, question(draw), leaves_after))
        if leaves_after is not None:
            return PlannedConversation(tuple(questions), is_deleted=False)
    return PlannedConversation(tuple(questions), draw.random() < DELETED)


def _some(draw: random.Random, mean: float, most: int) -> int:
    """Draw a number from 1 on, each further one as likely as the one before (geometric)."""
    count = 1
    while count < most and draw.random() < 1 - 1 / mean:
        count += 1
    return count


_NAMES = (
    *("ada", "amir", "anna", "ben", "bruno", "carla", "chen", "clara", "dina", "elif", "emil", "fatima", "felix"),
    *("grace", "hana", "hugo", "ines", "ivan", "jonas", "julia", "kofi", "lara", "leon", "lina", "luca", "mara"),
    *("mei", "milan", "nadia", "nina", "noah", "olga", "omar", "paula", "priya", "rosa", "sami", "sara", "tariq"),
    *("tom", "vera", "yuki", "zoe"),
)


def name(person: int) -> str:
    """Name a person; no two have the same name."""
    return f"{_NAMES[person % len(_NAMES)]}{person // len(_NAMES) or ''}"


_ASKS = (
    "How do I begin with {topic}?",
    "What is the difference between {topic} and {other}?",
    "Can you explain {topic} to somebody who has never heard of it?",
    "Give me a plan for {topic}.",
    "Why is {topic} so hard?",
    "Is {topic} worth it if I have {other} already?",
    "Write three sentences about {topic}.",
    "What should I watch out for with {topic}?",
)
_TOPICS = (
    *("learning Spanish", "a vegetable garden", "my tax return", "unit tests", "a job interview", "sleeping better"),
    *("SQL indexes", "running a marathon", "a birthday speech", "the rent contract", "baking bread", "solar panels"),
    *("a cover letter", "regular expressions", "a trip to Lisbon", "my budget", "a new bicycle", "photography"),
    *("statistics", "a small website", "growing tomatoes", "a difficult neighbour", "chess openings", "meditation"),
)
_DETAILS = (
    "I have about an hour a day for it.",
    "I tried it last year, and gave up after two weeks.",
    "My budget is small.",
    "Please keep it short.",
    "A friend of mine says the opposite.",
    "It should work on a phone too.",
    "I read about it yesterday and did not understand a word.",
    "What would you do first?",
)


def question(draw: random.Random) -> str:
    """Make a question up: one sentence, sometimes with a few more behind it."""
    topic, other = draw.sample(_TOPICS, 2)
    asked = draw.choice(_ASKS).format(topic=topic, other=other)
    details = draw.sample(_DETAILS, _some(draw, 1.6, 5) - 1)
    return " ".join([asked, *details])
