"""The live protocol ``analytics.v1``: frames, topics, close codes. Pure, no I/O. ``docs/protocol.md`` describes it in
full.

A subscriber opens a WebSocket (RFC 6455), subscribes, gets a snapshot or the difference to the position it has, and
from then on deltas. Frames are JSON text.
"""

from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from storage.read.breakdowns.catalogue import NoBreakdown
from storage.read.breakdowns.live import MAX_LIMIT, Question, Range

SUBPROTOCOL = "analytics.v1"
BEARER = "bearer."
"""A browser, which cannot set headers, offers its token as a second subprotocol with this prefix; never echoed."""

Topic = Literal["summary", "activities", "top_users", "series", "alerts", "breakdown"]
BREAKDOWN: Topic = "breakdown"
TOPICS: tuple[Topic, ...] = ("summary", "activities", "top_users", "series", "alerts")
"""Those of which a subscriber holds the whole; of a breakdown, the topic beside them, it says which one it wants."""
Topics = frozenset[str]


class FollowBreakdown(Struct, forbid_unknown_fields=True):
    """Asks for the first *limit* rows of a breakdown of today, or of this hour.

    *position* is the one of the rows that the subscriber holds of the same breakdown; None: it holds none.
    """

    metric: Annotated[str, Meta(max_length=100)]
    by: Annotated[str, Meta(max_length=100)]
    range: Range = "today"
    limit: Annotated[int, Meta(ge=1, le=MAX_LIMIT)] = 10
    position: Annotated[str, Meta(max_length=200)] | None = None

    @property
    def question(self) -> Question:
        """Of what it is; raises :exc:`NoBreakdown`."""
        return Question.of(self.metric, self.by, self.range, self.limit)


class Subscribe(Struct, tag="subscribe", tag_field="type", forbid_unknown_fields=True):
    """Asks for *topics*, from *position* on (None: from a snapshot on). A second one replaces the first.

    *breakdown* says which one is meant by the topic of this name.
    """

    topics: Annotated[list[Topic], Meta(min_length=1, max_length=len(TOPICS) + 1)]
    position: Annotated[str, Meta(max_length=200)] | None = None
    breakdown: FollowBreakdown | None = None

    def check(self) -> None:
        """Raise :exc:`NoBreakdown` if there is no such breakdown, or if it is given without its topic or not given."""
        if (BREAKDOWN in self.topics) != (self.breakdown is not None):
            raise NoBreakdown("", f"goes with the topic {BREAKDOWN}: send both, or neither")
        if self.breakdown is not None:
            self.breakdown.question  # noqa: B018 - it raises


class Refresh(Struct, tag="refresh", tag_field="type", forbid_unknown_fields=True):
    """Brings a new token, of the same subject and tenant, before the old one expires."""

    token: str


class Disagree(Struct, tag="disagree", tag_field="type", forbid_unknown_fields=True):
    """Says that the subscriber's figures at *position* were not those of a heartbeat's digest; it subscribes again."""

    position: Annotated[str, Meta(max_length=200)]


Message = Subscribe | Refresh | Disagree


Action = Literal["retry_after", "backoff", "new_token", "sign_out", "stop"]
"""What a client does after a close: reconnect after the delay in the close reason, reconnect with backoff, get a new
token and reconnect, give up this token, or give up, since this client breaks the protocol."""


@dataclass(frozen=True)
class Close:
    """Why a connection ends: the *code*, the *name* in the error frame, and what the subscriber should do.

    ``advice`` says it to people, ``action`` to programs.
    """

    code: int
    name: str
    action: Action
    reason: str
    advice: str


RESTARTING = Close(
    1012, "restarting", "retry_after", "the service restarts", "reconnect after the delay in the close reason"
)
OVER_CAPACITY = Close(1013, "over_capacity", "backoff", "too many connections", "reconnect later, with backoff")
BAD_MESSAGE = Close(
    4400, "bad_message", "stop", "the message breaks the protocol", "mend the client; do not reconnect as is"
)
EXPIRED = Close(4401, "token_expired", "new_token", "the token has expired", "get a new token, then reconnect")
REVOKED = replace(EXPIRED, reason="the token has been revoked")
NOT_ALLOWED = Close(
    4403, "not_allowed", "sign_out", "the token does not allow this", "do not reconnect with this token"
)
TOO_SLOW = Close(
    4408, "too_slow", "backoff", "the panel does not read what it is sent", "reconnect with the last position"
)
TOO_MANY = Close(
    4429, "too_many_messages", "backoff", "the panel sends too many messages", "say less; reconnect with backoff"
)

CLOSES = (RESTARTING, OVER_CAPACITY, BAD_MESSAGE, EXPIRED, NOT_ALLOWED, TOO_SLOW, TOO_MANY)


class BadMessage(ValueError):
    """A subscriber sent what the protocol does not know; the text says what, without repeating it."""


def parse(text: str | bytes) -> Message:
    """Read one message of a subscriber; raises :exc:`BadMessage`."""
    try:
        message = _DECODER.decode(text)
        if isinstance(message, Subscribe):
            message.check()
        return message
    except NoBreakdown as error:
        place = ".".join(filter(None, (BREAKDOWN, error.field)))
        raise BadMessage(f"invalid field {place}: {error}") from None
    except msgspec.ValidationError as error:
        # Only where it went wrong: msgspec's own words can repeat a value, and the value can be a token.
        place = str(error).rpartition(" - at `$.")[2].rstrip("`") if " - at `$." in str(error) else ""
        raise BadMessage(f"invalid field {place}" if place else "not a message of this protocol") from None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise BadMessage("not valid JSON") from None


_DECODER: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Message)


def frame(kind: str, **fields: Any) -> bytes:
    """Write one frame of the server."""
    return msgspec.json.encode({"type": kind, **fields})


def error(close: Close, message: str) -> bytes:
    """Write the final frame before a close."""
    return frame("error", code=close.name, message=message)
