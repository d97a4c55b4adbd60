"""The shape that the code is to keep."""

import ast
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAY_IMPORT = {"storage": {"storage"}, "realtime": {"realtime", "storage"}, "web": {"web", "realtime", "storage"}}
ROOMS = set(MAY_IMPORT) | {"tests", "bench", "convoai_analytics_client"}


def imported(file: Path) -> Iterator[str]:
    """Name the modules that a file imports from, wherever it does."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: a relative import hides its direction"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_imports_go_one_way(room: str) -> None:
    """web may import realtime and storage, realtime may import storage, storage imports neither."""
    for file in (ROOT / room).rglob("*.py"):
        assert {module.partition(".")[0] for module in imported(file)} & ROOMS <= MAY_IMPORT[room], file


def test_the_client_stands_alone() -> None:
    """What services install imports the standard library and itself, and frameworks only in their own files."""
    allowed = {*sys.stdlib_module_names, "convoai_analytics_client"}
    for file in (ROOT / "client").rglob("*.py"):
        found = {module.partition(".")[0] for module in imported(file)} - allowed
        assert found <= {file.stem}, file


def test_the_examples_know_the_client_alone() -> None:
    """What people copy needs none of the rooms: it knows the service by its client and its endpoints."""
    for file in (ROOT / "examples").rglob("*.py"):
        found = {module.partition(".")[0] for module in imported(file)}
        assert found.isdisjoint({*MAY_IMPORT, "tests", "bench"}), file


def test_the_service_knows_no_command() -> None:
    """Only cli.py imports what is in web/commands/, which does not import it."""
    for file in (ROOT / "web").rglob("*.py"):
        forbidden = "web.cli" if file.parent.name == "commands" else "web.commands"
        assert file.name == "cli.py" or not [module for module in imported(file) if module.startswith(forbidden)], file


def test_sql_lives_in_storage() -> None:
    """Nothing above storage writes SQL; it may only name the library's error and connection."""
    for room in ("realtime", "web"):
        for file in (ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sqlalchemy"):
                    names = {alias.name for alias in node.names}
                    assert names <= {"SQLAlchemyError", "AsyncConnection", "Connection"}, file


def test_the_environment_has_one_reader() -> None:
    """Only settings.py knows the variables; commands and workers hand the environment to it."""
    for room in MAY_IMPORT:
        for file in (ROOT / room).rglob("*.py"):
            if file.name not in ("cli.py", "command.py", "welcome.py", "workers.py"):
                assert "environ" not in file.read_text().replace("environment", ""), file


def test_no_room_for_leftovers() -> None:
    """No file is named for being unsorted."""
    names = {"utils", "helpers", "common", "manager", "managers", "misc"}
    assert not [file for room in MAY_IMPORT for file in (ROOT / room).rglob("*.py") if file.stem in names]


def test_locks_name_no_host() -> None:
    """The lock files have a hash for everything and no download address."""
    locks = [ROOT / f"requirements{part}.lock" for part in ("", "-build", "-dev")]
    locks += (ROOT / "tests" / "client").glob("*.lock")
    for text in (lock.read_text() for lock in locks):
        assert "://" not in text
        assert "--index-url" not in text
        packages = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
        assert all("==" in line and line.endswith("\\") for line in packages)
        assert text.count("--hash=sha256:") >= len(packages)


def test_the_panels_lock_names_no_host() -> None:
    """Every package of the panel's lock file has a hash, and none an address."""
    text = (ROOT / "web" / "panel" / "package-lock.json").read_text()
    packages = json.loads(text)["packages"]
    assert "://" not in text
    assert len(packages) > 20
    assert all("integrity" in package for name, package in packages.items() if name)
