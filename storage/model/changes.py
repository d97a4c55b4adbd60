"""Positions and changes: how one state of a tenant's figures is named, and how the next differs from it."""

import re
from typing import Any

import msgspec
from msgspec import Struct

from storage.model.metrics import MONEY
from storage.model.money import write_dollars


class Position(Struct, frozen=True):
    """Names one state of one tenant's figures.

    ``epoch`` is drawn when the database is made, ``sequence`` counts the tenant's commits, and ``tag`` is drawn for
    each commit: a database restored from an old copy continues with other tags, so it is not mistaken for its own
    future.
    """

    epoch: str
    sequence: int
    tag: str

    def __str__(self) -> str:
        """Write the position for clients, to whom it is opaque; only ``A-Za-z0-9._~-`` occur."""
        return f"{self.epoch}.{self.sequence}.{self.tag}"

    @classmethod
    def parse(cls, written: str) -> "Position | None":
        """Read what :meth:`__str__` wrote; None if it is anything else."""
        found = _WRITTEN.fullmatch(written)
        return cls(found[1], int(found[2]), found[3]) if found else None


# 18 digits: what fits the database's 64-bit integer with room to spare.
_WRITTEN = re.compile(r"([0-9a-f]{1,32})\.([0-9]{1,18})\.([0-9a-f]{1,32})", re.ASCII)

NO_TAG = "0"
"""The tag of sequence 0, the state before the first commit."""


class RecentActivity(Struct, frozen=True):
    """One row of the recent activity, as subscribers show it."""

    id: int
    user_id: str
    username: str
    activity_type: str
    timestamp: str

    @property
    def rank(self) -> tuple[str, int]:
        """Sort by this, highest first."""
        return (self.timestamp, self.id)


class TopUser(Struct, frozen=True):
    """One of the most active users; ``activity_count`` counts activities."""

    user_id: str
    username: str
    activity_count: int

    @property
    def rank(self) -> tuple[int, str]:
        """Sort by this, lowest first: most activities, then the user id by code point."""
        return (-self.activity_count, self.user_id)


class AlertCounts(Struct, frozen=True):
    """How many alerts are firing, and how many of these somebody has acknowledged."""

    firing: int = 0
    acknowledged: int = 0


NO_ALERTS = AlertCounts()

Minutes = dict[str, dict[str, int]]
"""Counters by minute of UTC (``2026-11-22T11:14``), then by name."""


class Change(Struct, frozen=True):
    """What one commit changed for one tenant. All values are absolute, as they stand after the commit.

    ``totals`` has the counters that moved; ``active_users`` the distinct users by local day, for the days that can
    still become a "today" (never "today" itself, which depends on who asks when); ``activities`` those of the commit
    that can be among the last :data:`RECENT`; ``top_users`` those it touched that can be among the first :data:`TOP`;
    ``minutes`` the counters that moved by minute, for those minutes that can be among the newest :data:`MINUTES` (None:
    not included, so that a subscriber that needs them takes a snapshot). ``alerts`` are those that fire, None if they
    are as before.

    ``reset``: rows were removed that subscribers may show, so no difference leads over this change: who stands before
    it takes a snapshot. The change log begins with it.
    """

    tenant_id: str
    epoch: str
    sequence: int
    tag: str
    committed_at: str
    totals: dict[str, int]
    active_users: dict[str, int]
    activities: list[RecentActivity]
    top_users: list[TopUser]
    minutes: Minutes | None = None
    reset: bool = False
    alerts: AlertCounts | None = None

    @classmethod
    def unmoved(
        cls,
        tenant_id: str,
        epoch: str,
        sequence: int,
        tag: str,
        at: str,
        *,
        reset: bool = False,
        alerts: AlertCounts | None = None,
    ) -> "Change":
        """Make a change that moves no figure: lists changed, or, in a *reset*, what subscribers show of them."""
        return cls(tenant_id, epoch, sequence, tag, at, {}, {}, [], [], None if reset else {}, reset, alerts)

    @property
    def position(self) -> Position:
        """Name the state that this change leads to."""
        return Position(self.epoch, self.sequence, self.tag)

    def encode(self) -> bytes:
        """Write the change as JSON, for the change log and for the broker."""
        return msgspec.json.encode(self)

    @classmethod
    def decode(cls, body: bytes) -> "Change":
        """Read what :meth:`encode` wrote; raises ``msgspec.MsgspecError`` if it is anything else."""
        return _DECODER.decode(body)


_DECODER: msgspec.json.Decoder[Change] = msgspec.json.Decoder(Change)

RECENT = 10
"""How many activities a subscriber shows."""
TOP = 5
"""How many users a subscriber ranks."""
MINUTES = 66
"""How many minutes a subscriber holds: an hour, and the five minutes by which an event may be ahead."""


class Snapshot(Struct, frozen=True):
    """All that a subscriber shows, at one position and on one local day."""

    position: Position
    day: str
    totals: dict[str, int]
    active_users: dict[str, int]
    activities: list[RecentActivity]
    top_users: list[TopUser]
    minutes: Minutes
    alerts: AlertCounts = NO_ALERTS


def minute_items(minutes: Minutes) -> list[dict[str, Any]]:
    """Write minutes as subscribers hold them, newest first: ``start``, and the counters that are not 0.

    Money is decimal text.
    """
    return [
        {
            "start": f"{start}:00.000Z",
            **{name: _item(name, value) for name, value in sorted(minutes[start].items()) if value},
        }
        for start in sorted(minutes, reverse=True)
    ]


def _item(name: str, value: int) -> int | str:
    return write_dollars(value) if name in MONEY else value


def plain(value: Any) -> Any:
    """Turn structs into JSON-ready dicts and lists."""
    return msgspec.to_builtins(value)
