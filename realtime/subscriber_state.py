"""What a subscriber holds: a snapshot, and the deltas applied to it. Pure; the ``watch`` command and the tests use it.

It is the reference for every other client of the protocol: snapshot at p + deltas up to q = snapshot at q.
"""

from typing import Any

from realtime.digest import breakdown_digest, digest
from storage.model.changes import MINUTES, RECENT

Json = dict[str, Any]


NO_ALERTS: Json = {"firing": 0, "acknowledged": 0}


class SubscriberState:
    """The state of one subscriber. Before its first snapshot, ``position`` is None.

    ``agrees`` turns False with a heartbeat whose digest is not that of the figures held: the subscriber then reports it
    (``disagree``), and subscribes again without a position. The snapshot makes it True again.

    ``breakdown`` is empty until a frame has it: it may come behind the first one.
    """

    def __init__(self) -> None:
        self.position: str | None = None
        self.at: str | None = None
        self.stale_since: str | None = None
        self.heartbeat_seconds: float | None = None
        self.agrees = True
        self.summary: Json = {}
        self.activities: list[Json] = []
        self.top_users: list[Json] = []
        self.series: list[Json] = []
        self.alerts: Json = NO_ALERTS
        self.breakdown: Json = {}

    def apply(self, frame: Json) -> None:
        """Apply one frame of the server; raises ``ValueError`` if its type is unknown."""
        kind = frame["type"]
        if kind == "error":
            return
        if kind not in ("snapshot", "delta", "heartbeat"):
            raise ValueError(f"unknown frame type {kind!r}")
        self.position, self.at = frame["position"], frame["at"]
        if kind == "heartbeat":
            self.stale_since = frame["stale_since"]
            # Without the topic there are no figures to compare; without a digest, nothing to compare them with.
            proof = frame.get("digest")
            self.agrees = proof is None or not self.summary or proof == digest(self.summary)
            return
        self.stale_since = None
        self.heartbeat_seconds = frame.get("heartbeat_seconds", self.heartbeat_seconds)
        if kind == "snapshot":
            self.agrees = True
            self.summary = dict(frame.get("summary", {}))
            self.activities = list(frame.get("activities", []))
            self.top_users = list(frame.get("top_users", []))
            self.series = list(frame.get("series", []))
            self.alerts = dict(frame.get("alerts", NO_ALERTS))
            self.breakdown = {}
            self._follow(frame)
            return
        self.summary.update(frame.get("summary", {}))
        self._merge(frame.get("activities", []))
        self.top_users = list(frame.get("top_users", self.top_users))
        self._replace(frame.get("series", []))
        self.alerts = dict(frame.get("alerts", self.alerts))
        self._follow(frame)

    def _follow(self, frame: Json) -> None:
        """Set what the breakdown's part has, its rows by their labels; its digest is of what is held then."""
        part = dict(frame.get("breakdown", {}))
        if not part:
            return
        before = self.breakdown.get("items", [])
        rows = {_labels(item): item for item in [*before, *part.pop("items", [])]}
        order = part.pop("order", None)
        items = [rows[tuple(labels)] for labels in (map(_labels, before) if order is None else order)]
        proof = part.pop("digest")
        self.breakdown = {**self.breakdown, **part, "items": items}
        self.agrees = self.agrees and proof == breakdown_digest(self.breakdown)

    def _replace(self, minutes: list[Json]) -> None:
        """Replace the minutes that changed, newest first, and keep as many as a subscriber holds."""
        by_start = {item["start"]: item for item in [*self.series, *minutes]}
        self.series = sorted(by_start.values(), key=lambda item: item["start"], reverse=True)[:MINUTES]

    def _merge(self, activities: list[Json]) -> None:
        """Merge by (timestamp, id), newest first, and keep as many as a subscriber shows."""
        by_id = {item["id"]: item for item in [*self.activities, *activities]}
        ranked = sorted(by_id.values(), key=lambda item: (item["timestamp"], item["id"]), reverse=True)
        self.activities = ranked[:RECENT]

    def shown(self) -> Json:
        """Give all that is shown, for comparing one subscriber with another or with a snapshot."""
        return {
            "summary": self.summary,
            "activities": self.activities,
            "top_users": self.top_users,
            "series": self.series,
            "alerts": self.alerts,
        }


def _labels(item: Json) -> tuple[str, str | None]:
    return item["label"], item["second"]
