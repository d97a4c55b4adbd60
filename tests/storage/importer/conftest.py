"""An old database, and a service to take it over."""

from pathlib import Path

import pytest

from tests.samples.legacy import make
from tests.servers.process import Process
from tests.storage.importer.old_databases import ROWS


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """An old database with activities, messages, calls and conversations; its rollups say nothing."""
    make(tmp_path / "old.db", ROWS)
    return tmp_path / "old.db"


@pytest.fixture
def process(tmp_path: Path, database_url: str) -> Process:
    (tmp_path / "new").mkdir()
    return Process(tmp_path / "new", DATABASE_URL=database_url)
