"""Sampling: some conversations or users are tracked, the others are not. Figures are then no longer exact."""

import zlib
from typing import Literal

By = Literal["user", "conversation"]


class Sampling:
    """Keeps a part of the users, or of the conversations: all events of one, or none. Off at a *rate* of 1."""

    def __init__(self, rate: float, by: By) -> None:
        """Raises ValueError if *rate* is not above 0 and at most 1, or *by* is not known."""
        if not 0 < rate <= 1:
            raise ValueError("sample: expected a rate above 0 and at most 1")
        if by not in ("user", "conversation"):
            raise ValueError("sample_by: expected user or conversation")
        self.keeps_all = rate == 1
        self._by = by
        self._below = rate * 2**32

    def keeps(self, user_id: str | None, conversation_id: str | None) -> bool:
        """Say whether an event is kept; one that names none of what is sampled by is."""
        if self.keeps_all:
            return True
        name = user_id if self._by == "user" else conversation_id
        return name is None or zlib.crc32(name.encode(errors="replace")) < self._below
