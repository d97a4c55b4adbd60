"""Clients of the real service, and answers for them to track."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from convoai_analytics_client import Analytics
from tests.client.calls import balanced
from tests.client.openai_streams import Noted
from tests.servers.openai_server import OpenAIServer
from tests.servers.service import Running


@pytest.fixture
def analytics(running: Running) -> Iterator[Analytics]:
    """A client that posts to the service; it must be flushed on the event loop before it is closed here."""
    client = Analytics(running.url, flush_seconds=0.01)
    yield client
    client.close(0)


@pytest.fixture
def made() -> Iterator[Callable[..., Analytics]]:
    """Make clients that are closed at the end of the test, whose accounts are balanced then."""
    clients: list[Analytics] = []

    def make(url: str | None, *arguments: Any, **options: Any) -> Analytics:
        clients.append(Analytics(url, *arguments, **{"flush_seconds": 0.02, **options}))
        return clients[-1]

    yield make
    for client in clients:
        client.close(0.1)
        assert balanced(client.stats())


@pytest.fixture
def noted() -> Iterator[Noted]:
    found = Noted()
    yield found
    found.analytics.close()


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer() as found:
        yield found
