"""docs/scale.md says what the simulation gives, and what it says of the tables is so."""

import re
import subprocess
import sys

import pytest
from sqlalchemy import UniqueConstraint

from storage.tables import schema
from tests.repository import ROOT

PAGE = (ROOT / "docs" / "scale.md").read_text()
RUNS = re.findall(r"^    \$ python -m (bench\.simulate.*)\n((?:    .+\n)+)", PAGE, re.MULTILINE)


@pytest.mark.parametrize(("command", "printed"), RUNS, ids=[command for command, _ in RUNS])
def test_the_simulation_gives_what_the_page_shows(command: str, printed: str) -> None:
    """Each plan on the page is what its command prints."""
    done = subprocess.run(
        [sys.executable, "-m", *command.split()], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == [line.removeprefix("    ") for line in printed.splitlines()]


def test_there_are_plans() -> None:
    """The page has a plan for the usual tick and one for a slow one."""
    assert len(RUNS) == 2


def test_tables_can_be_distributed_by_tenant() -> None:
    """Every key of a table begins with the tenant, but for tables that the page names."""
    others = set()
    for table in schema.metadata.tables.values():
        keys = [list(item.columns) for item in table.constraints if isinstance(item, UniqueConstraint)]
        keys += [list(index.columns) for index in table.indexes if index.unique]
        if any(columns[0].name != "tenant_id" for columns in ([*table.primary_key.columns], *keys)):
            others.add(table.name)
    assert others == {"about", "leases", "sessions"}
    assert all(f"`{name}`" in PAGE for name in others)
