"""A real Chromium before the real service."""

import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.panel.browser import browser, visit
from tests.panel.served import Served, started

# Pytest looks for them here.
__all__ = ["browser", "visit"]


@pytest_asyncio.fixture(loop_scope="module")
async def own_service(tmp_path: Path) -> AsyncIterator[Served]:
    """The service on an empty database, for a test that ends it, or starts it anew."""
    served = await started(tmp_path)
    yield served
    served.stop_if_running()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Served, Iterator[int]]]:
    """A service that the tests of a file share."""
    served = await started(tmp_path_factory.mktemp("shared"))
    yield served, itertools.count()
    served.stop_if_running()


@pytest.fixture
def service(shared: tuple[Served, Iterator[int]]) -> Served:
    """The shared service, for a tenant that no other test has."""
    served, numbers = shared
    return served.of(f"t{next(numbers)}")
