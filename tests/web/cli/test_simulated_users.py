"""The plan of the command ``simulate``."""

import random
from collections import Counter
from itertools import islice, pairwise, takewhile

from web.cli.simulated_users import (
    HOURS,
    LONGEST_THOUGHT,
    MAX_QUESTIONS,
    VISITS_A_DAY,
    SimulatedUsers,
    Visit,
    name,
    question,
)

DAY = 86_400


def days(count: int, *, people: int = 200, seed: int = 1, hour: float = 0) -> list[Visit]:
    return list(takewhile(lambda visit: visit.at < count * DAY, SimulatedUsers(seed, people, hour).visits()))


def test_a_seed_gives_one_plan() -> None:
    """The same seed gives the same visits, however often they are asked for; another seed others."""
    simulated_users = SimulatedUsers(7, 50, 9)
    first, again = list(islice(simulated_users.visits(), 500)), list(islice(simulated_users.visits(), 500))
    assert first == again == list(islice(SimulatedUsers(7, 50, 9).visits(), 500))
    assert first != list(islice(SimulatedUsers(8, 50, 9).visits(), 500))


def test_people_come_by_the_hour_of_the_day() -> None:
    """Each hour has its share of the visits, whatever hour the plan begins at, and a person as many a day as there
    should be."""
    for hour in (0.0, 13.5):
        visits = days(3, hour=hour)
        assert abs(len(visits) / (3 * 200 * VISITS_A_DAY) - 1) < 0.06
        by_hour = Counter(int(hour + visit.at / 3600) % 24 for visit in visits)
        for number, weight in enumerate(HOURS):
            wanted = weight / sum(HOURS) * len(visits)
            assert abs(by_hour[number] - wanted) < 5 * wanted**0.5


def test_a_plan_has_all_that_happens() -> None:
    """Times grow; there are visits, conversations and answers that end badly, and none is beyond its bounds."""
    visits = days(3)
    assert all(one.at < other.at for one, other in pairwise(visits))
    conversations = [conversation for visit in visits for conversation in visit.conversations]
    questions = [question for conversation in conversations for question in conversation.questions]
    assert all(0 <= visit.person < 200 and visit.conversations for visit in visits)
    assert all(visit.wrong_passwords for visit in visits if visit.gives_up)
    assert all(0 < question.thought <= LONGEST_THOUGHT and question.text.strip() for question in questions)
    assert 2 < len(questions) / len(conversations) < 4
    assert max(len(conversation.questions) for conversation in conversations) <= MAX_QUESTIONS
    # Nobody goes on after leaving.
    for visit in visits:
        left = [
            question.leaves_after is not None
            for conversation in visit.conversations
            for question in conversation.questions
        ]
        assert not any(left[:-1])
    seen = [
        any(visit.gives_up for visit in visits),
        any(visit.asks_for_unknown for visit in visits),
        any(visit.signs_out for visit in visits),
        any(not conversation.questions for conversation in conversations),
        any(conversation.is_deleted for conversation in conversations),
        any(question.leaves_after is not None for question in questions),
    ]
    assert all(seen)


def test_each_person_has_a_name() -> None:
    """No two people have the same name, and the auth service takes each with the eight letters of a run behind it."""
    names = [name(person) for person in range(5000)]
    assert len(set(names)) == len(names)
    assert max(map(len, names)) + len("-12345678") <= 32
    assert all(each.isascii() and each.isalnum() for each in names)


def test_simulated_users_have_their_own_clock() -> None:
    """The time of the crowd goes on from the hour at which it began, over midnights."""
    simulated_users = SimulatedUsers(1, 1, 23.5)
    assert [simulated_users.clock(at) for at in (0, 1799, 1800, DAY)] == [
        "day 1 23:30",
        "day 1 23:59",
        "day 2 00:00",
        "day 2 23:30",
    ]


def test_questions_are_short_and_differ() -> None:
    """A question is a sentence or a few, far below what a chatbot takes, and hardly one is as another."""
    draw = random.Random(1)
    asked = [question(draw) for _ in range(500)]
    assert all(10 < len(text) < 500 and "{" not in text for text in asked)
    assert len(set(asked)) > 300
