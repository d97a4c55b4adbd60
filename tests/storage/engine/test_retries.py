"""How long a write whose row is locked is tried again."""

import pytest

from storage.engine import retries
from storage.engine.retries import LockRetry


async def test_retries_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attempts have pauses between them, that grow, and an end, counted from the first of them."""
    monkeypatch.setattr(retries, "LOCK_SECONDS", 0.2)
    found, pauses = LockRetry(), 0
    while await found.wait():
        pauses += 1
    assert 2 <= pauses <= 0.2 / (retries.FIRST_SECONDS / 2)
    assert not await found.wait()
