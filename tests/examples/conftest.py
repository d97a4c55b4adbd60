"""The example services, which the tests of a file share."""

import itertools
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest
import pytest_asyncio

from tests.examples.services import Platform, platform_of
from tests.panel.browser import browser, visit

# Pytest looks for them here.
__all__ = ["browser", "visit"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Platform, Iterator[int]]]:
    """The services, with the built-in model at a great pace; the tests of a file share them."""
    async with platform_of(tmp_path_factory.mktemp("platform")) as found:
        yield found, itertools.count()


@pytest.fixture
def platform(shared: tuple[Platform, Iterator[int]]) -> Platform:
    """The shared services, for people that no other test has."""
    found, numbers = shared
    found.auth.cookies.clear()
    return replace(found, prefix=f"t{next(numbers)}.")
