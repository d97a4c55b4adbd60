"""A client of the real service."""

from collections.abc import Iterator

import pytest

from convoai_analytics_client import Analytics
from tests.servers.service import Running


@pytest.fixture
def analytics(running: Running) -> Iterator[Analytics]:
    """A client that posts to the service; it must be flushed on the event loop before it is closed here."""
    client = Analytics(running.url, flush_seconds=0.01)
    yield client
    client.close(0)
