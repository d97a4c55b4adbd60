"""What subscribers of a breakdown show at one position, and the difference between any two of these. Pure, no I/O."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from realtime.digest import breakdown_digest
from storage.model.changes import Position
from storage.read.breakdowns.live import Question, Top

Cell = dict[str, Any]
"""The part of a frame that is about the breakdown."""
Labels = tuple[str, str | None]
"""The labels of a row, by which it is found again."""


def labels_of(item: Cell) -> Labels:
    """Give the labels of a row."""
    return item["label"], item["second"]


# By identity: the hub finds frames by what a subscriber was last sent.
@dataclass(frozen=True, eq=False)
class Shown:
    """The rows of a breakdown at a position. ``fields`` is all else: what was asked, and what describes all rows."""

    position: Position
    items: list[Cell]
    fields: Cell

    @classmethod
    def of(cls, question: Question, top: Top, stale_since: str | None = None) -> "Shown":
        """Make it of what was read; *stale_since* as in a heartbeat."""
        fields = {"range": question.range, "limit": question.limit, **top.beside, "stale_since": stale_since}
        return cls(top.position, top.items, fields)

    @cached_property
    def _by_labels(self) -> dict[Labels, Cell]:
        return {labels_of(item): item for item in self.items}

    @cached_property
    def _digest(self) -> str:
        return breakdown_digest({**self.fields, "items": self.items})

    def stale(self, since: str | None) -> "Shown":
        """Say that it may be old, since when; None: it is not."""
        return Shown(self.position, self.items, {**self.fields, "stale_since": since})

    def since(self, before: "Shown | None") -> Cell:
        """Give what changed since *before*; None: everything.

        ``items`` has the rows that are new or have other values, ``order`` the labels of all rows, unless they are the
        same in the same order. So everything is the difference to nothing, and is applied in the same way.
        """
        known = {} if before is None else before._by_labels
        fields = {} if before is None else before.fields
        changed: Cell = {
            name: value for name, value in self.fields.items() if name not in fields or fields[name] != value
        }
        items = [item for labels, item in self._by_labels.items() if known.get(labels) != item]
        if items:
            changed["items"] = items
        if before is None or list(known) != list(self._by_labels):
            changed["order"] = [list(labels) for labels in self._by_labels]
        return {"position": str(self.position), **changed, "digest": self._digest}
