"""Traffic for a replay: events with the times at which they happened, from a file or made up."""

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate, product
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

Json = dict[str, Any]

TRACE_HEADER = "TIMESTAMP,ContextTokens,GeneratedTokens"
"""The first line of an Azure LLM inference trace."""
SESSIONS = 600
"""How many times a user comes in the hour of the sample."""
HOUR = 3_600_000
"""Milliseconds."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FAR = 4_102_444_800_000  # The year 2100: a time beyond it is a mistake, and by it all others would be shifted.
_FIRST = "Ada Amir Bea Chen Cleo Diego Emre Fay Hana Ines Jonas Kofi Lena Mira Noor Omar Priya Rosa Tomas Yuki"
_LAST = (
    "Abel Berg Costa Dahl Endo Fuchs Greco Haas Ito Jansen Kaya Lund Moreau Nagy Okafor Park Quist Ricci Silva Weiss"
)
_NAMES = product(_FIRST.split(), _LAST.split())
MODELS = (("atlas-large", 40, 200), ("atlas-small", 12, 120), ("lyra-2", 25, 100))
"""Name, milliseconds a token, mean tokens of an answer."""


class TrafficError(Exception):
    """There is no traffic to be had from a file; the text says what to do."""


class Timed(NamedTuple):
    """An event without its timestamp, and the Unix time in milliseconds at which it happened."""

    at: int
    event: Json


@dataclass(frozen=True)
class Source:
    """Events in the order of their times; ``malformed`` counts the lines of a file that are none."""

    events: list[Timed]
    malformed: int = 0


class User(NamedTuple):
    """One of the made-up users: the same in every replay."""

    user_id: str
    username: str


USERS = [User(f"u-{number:03}", " ".join(names)) for number, names in enumerate(_NAMES, 1)]


def read(path: Path, seed: int) -> Source:
    """Read NDJSON of events, or an Azure trace.

    A trace tells neither users, conversations nor latency: the first two are drawn from *seed*, and an answer is made
    to take 0.2 s and 25 ms a token. Raises :exc:`TrafficError` if the file cannot be read or is neither.
    """
    try:
        lines = path.read_bytes().removeprefix(b"\xef\xbb\xbf").splitlines()
    except OSError as error:
        raise TrafficError(f"cannot read {path}: {error.strerror}") from None
    lines = [line for line in lines if line.strip()]
    is_trace = bool(lines) and lines[0].strip() == TRACE_HEADER.encode()
    source = _read_trace(lines[1:], random.Random(seed)) if is_trace else _read_events(lines)
    if not source.events:
        raise TrafficError(f"{path} holds no events: give NDJSON, one event a line, or CSV that begins {TRACE_HEADER}")
    return source


def sample(seed: int) -> Source:
    """Make up an hour of traffic that ends now: sessions with logins, conversations, some errors, several models."""
    draw, start = random.Random(seed), int(time.time() * 1000) - HOUR
    users, events, seen = SampleUsers(draw), list[Timed](), set[User]()
    for number in range(SESSIONS):
        user = users.someone()
        is_new = user not in seen and draw.random() < 0.2
        seen.add(user)
        events += _session(draw, start + draw.randrange(HOUR), user, f"c-{number}", is_new)
    return _ordered(timed for timed in events if timed.at < start + HOUR)


def _ordered(events: Iterator[Timed], malformed: int = 0) -> Source:
    return Source(sorted(events, key=_time), malformed)


def _time(timed: Timed) -> int:
    return timed.at


def _read_events(lines: list[bytes]) -> Source:
    """Read one event a line; one without a time happened with the line before it, or else with the first that has one.

    What is wrong inside an event is left to the service to judge.
    """
    found: list[tuple[int | None, Json]] = []
    at = None
    for line in lines:
        try:
            event = msgspec.json.decode(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(event, dict):
            at = _take_time(event) or at
            found.append((at, event))
    first = next((at for at, _ in found if at is not None), int(time.time() * 1000))
    return _ordered((Timed(at or first, event) for at, event in found), len(lines) - len(found))


def _take_time(event: Json) -> int | None:
    """Take the timestamp out of *event*; one that cannot be read stays, and gives None."""
    try:
        at = None if event.get("timestamp") is None else _milliseconds(datetime.fromisoformat(event["timestamp"]))
    except (TypeError, ValueError):
        return None
    event.pop("timestamp", None)
    return at


def _milliseconds(moment: datetime) -> int:
    """Tell the Unix time of an aware *moment*; raises ``TypeError`` if it is naive, ``ValueError`` if it is far off."""
    at = (moment - EPOCH) // timedelta(milliseconds=1)
    if not 0 < at < _FAR:
        raise ValueError("too far off")
    return at


def _read_trace(lines: list[bytes], draw: random.Random) -> Source:
    users, events, malformed = SampleUsers(draw), list[Timed](), 0
    for line in lines:
        try:
            written, asked, answered = line.decode().split(",")
            moment = datetime.fromisoformat(written)
            at = _milliseconds(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
            turn = (int(asked), int(answered))
        except ValueError:
            malformed += 1
            continue
        user = users.someone()
        events += turn_events(at, user, *users.conversation(user), *turn)
    return _ordered(iter(events), malformed)


class SampleUsers:
    """The users and their conversations. A few users talk much, most of them little."""

    def __init__(self, draw: random.Random) -> None:
        self._draw = draw
        self._users = draw.sample(USERS, len(USERS))
        self._weights = list(accumulate(1 / (rank + 10) for rank in range(len(USERS))))
        self._talks: dict[User, tuple[str, int]] = {}
        self._count = 0

    def someone(self) -> User:
        """Draw a user."""
        return self._draw.choices(self._users, cum_weights=self._weights)[0]

    def conversation(self, user: User) -> tuple[str, int]:
        """Tell the user's conversation and the number of its next turn; every fifth turn or so begins a new one."""
        conversation, turn = self._talks.get(user, ("", 0))
        if not conversation or self._draw.random() < 0.2:
            self._count += 1
            conversation, turn = f"c-{self._count}", 0
        self._talks[user] = (conversation, turn + 1)
        return conversation, turn


def turn_events(
    at: int,
    user: User,
    conversation: str,
    turn: int,
    asked: int,
    answered: int,
    model: str | None = None,
    pace: int = 25,
) -> list[Timed]:
    """Make a question of *asked* tokens and its answer of *answered*, with their API call and activity.

    The answer takes 0.2 s, and *pace* milliseconds a token.
    """
    milliseconds = 200 + pace * answered
    message = {"type": "message", "conversation_id": conversation, "user_id": user.user_id}
    question = {**message, "message_id": f"{conversation}-{turn}-q", "role": "user", "token_count": asked}
    answer = {
        **message,
        "message_id": f"{conversation}-{turn}-a",
        "role": "assistant",
        "token_count": answered,
        "response_time": milliseconds / 1000,
        "model_used": model,
    }
    return [
        Timed(at, question),
        Timed(at, activity(user, "message_sent")),
        Timed(at + milliseconds, answer),
        Timed(at + milliseconds, call(user, 200, milliseconds)),
    ]


def call(
    user: User, status: int, milliseconds: int, endpoint: str = "/v1/chat/completions", method: str = "POST"
) -> Json:
    """Make an API call of a user."""
    called = {"type": "api_usage", "endpoint": endpoint, "method": method, "user_id": user.user_id}
    return {**called, "status_code": status, "response_time": milliseconds / 1000}


def activity(user: User, kind: str) -> Json:
    """Make an activity of a user."""
    return {"type": "activity", **user._asdict(), "activity_type": kind}


def _session(draw: random.Random, at: int, user: User, conversation: str, is_new: bool) -> Iterator[Timed]:
    """Make what one user does between coming and going."""
    talk = {"type": "conversation", "conversation_id": conversation, "user_id": user.user_id}
    model, pace, length = draw.choice(MODELS)
    if is_new:
        yield Timed(at, activity(user, "registration"))
    yield Timed(at, activity(user, "login"))
    at += draw.randrange(2_000, 20_000)
    yield Timed(at, {**talk, "action": "created"})
    yield Timed(at, activity(user, "conversation_started"))
    for turn in range(1 + int(draw.expovariate(1 / 4))):
        asked, answered = int(draw.lognormvariate(6, 1)), 1 + int(draw.expovariate(1 / length))
        if draw.random() < 0.02:
            yield Timed(at, call(user, draw.choice((500, 503)), 900))
        else:
            yield from turn_events(at, user, conversation, turn, asked, answered, model, pace)
        at += pace * answered + draw.randrange(5_000, 60_000)
    yield Timed(at, activity(user, "conversation_ended"))
    if draw.random() < 0.1:
        yield Timed(at, {**talk, "action": "deleted"})
    if draw.random() < 0.6:
        yield Timed(at + 1_000, activity(user, "logout"))
