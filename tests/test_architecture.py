"""The shape that the code is to keep."""

import ast
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.repository import PACKAGES, ROOT

LAYERS = {
    "storage": (
        ("errors",),
        ("model", "fairness"),
        ("tables",),
        ("credentials", "saved_views", "report_schedules", "sessions", "leases", "engine", "prices"),
        ("alerts",),
        ("write", "read"),
        ("retention", "verify", "importer"),
        ("annotations",),
    ),
    "realtime": (
        ("principal", "protocol", "digest", "brokers", "transports"),
        ("state", "subscriber_state", "feed"),
        ("breakdowns",),
        ("follower", "hub", "connection", "drain", "node"),
    ),
    "web": (
        ("settings",),
        ("http", "mail"),
        ("auth",),
        ("ops",),
        ("ingest", "reports", "live", "sign_in"),
        ("saved_views", "annotations", "alerts", "pdf"),
        ("schedules",),
        ("site",),
        ("server",),
        ("cli",),
    ),
}
"""In each package its sub-packages and modules from the bottom up: what stands in one line knows those in the lines
above it, and not each other, unless both are modules of the package itself."""
FRONT_END = ROOT / "web" / "frontend"
FOLDERS = {
    "": (("client",), ("ui",), ("panel", "dashboard")),
    "client": (
        ("catalogue", "clock", "protocol", "digest", "store", "backoff", "origin"),
        ("auth",),
        ("rest", "session", "live"),
        ("transports",),
        ("connection", "shared-connection", "client"),
    ),
    "dashboard": (
        (
            "text",
            "german",
            "language",
            "styles",
            "route",
            "links",
            "live-element",
            "latest-request",
            "load-later",
            "download",
            "pace",
        ),
        ("ranges",),
        ("lists", "annotations"),
        ("charts", "first-day"),
        ("views", "breakdowns"),
        ("details", "finder", "alerts"),
        ("exports",),
        ("shell",),
    ),
}
"""The same for the folders of the front end: those of its sources, and within them sub-folders and modules."""
MIGRATIONS = ROOT / "storage" / "engine" / "migrations" / "versions"
MODULES_AT_MOST = 14
"""In a package or folder: as many as one can take in at a glance."""


def imported(file: Path) -> Iterator[str]:
    """Name the modules that a file imports from, wherever it does."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: a relative import hides its direction"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_go_one_way(package: str) -> None:
    """web may import realtime and storage, realtime may import storage, storage imports neither."""
    allowed = set(PACKAGES[: PACKAGES.index(package) + 1])
    for file in (ROOT / package).rglob("*.py"):
        found = {module.partition(".")[0] for module in imported(file)}
        assert found & {*PACKAGES, "tests", "bench", "convoai_analytics_client"} <= allowed, file


@pytest.mark.parametrize("package", PACKAGES)
def test_sub_packages_have_directions(package: str) -> None:
    """Within a package, too, imports go one way: each sub-package knows those below it."""
    level = {name: number for number, names in enumerate(LAYERS[package]) for name in names}
    folders = {path.name for path in (ROOT / package).iterdir() if (path / "__init__.py").exists()}
    for file in (ROOT / package).rglob("*.py"):
        here = file.relative_to(ROOT / package).with_suffix("").parts[0]
        if here == "__init__":
            continue
        for there in {module.split(".")[1] for module in imported(file) if module.startswith(f"{package}.")}:
            beside = level[there] == level[here] and not {here, there} & folders
            assert there == here or beside or level[there] < level[here], f"{file} imports {package}.{there}"


def test_a_package_can_be_taken_in() -> None:
    """No package has more than fourteen modules, but for migrations, to which one is added with each."""
    for package in (*PACKAGES, "client", "tests"):
        for folder in {file.parent for file in (ROOT / package).rglob("*.py")} - {MIGRATIONS}:
            names = [file.stem for file in folder.glob("*.py") if file.stem != "__init__"]
            assert len(names) <= MODULES_AT_MOST, f"{folder}: {len(names)}"


def front_end_imports(file: Path) -> Iterator[Path]:
    """Give the modules of the front end that a TypeScript file imports, as paths in its sources, without extension."""
    source = FRONT_END / "src"
    for name in re.findall(r"""(?:from|import)\s*\(?\s*["'](\.[^"']*)["']""", file.read_text()):
        assert not name.endswith((".js", ".ts")), f"{file}: imports are written without an extension: {name}"
        yield (file.parent / name).resolve().relative_to(source)


@pytest.mark.parametrize("folder", FOLDERS)
def test_front_end_folders_have_directions(folder: str) -> None:
    """panel and dashboard import ui and client, ui imports client; within client and dashboard they go one way too."""
    level = {name: number for number, names in enumerate(FOLDERS[folder]) for name in names}
    base = FRONT_END / "src" / folder
    folders = {path.name for path in base.iterdir() if path.is_dir()}
    for file in base.rglob("*.ts"):
        # The entries of the two scripts stand above all; a declaration file imports nothing.
        if file.parent == FRONT_END / "src" or file.name.endswith(".d.ts"):
            continue
        here = file.relative_to(base).parts[0].removesuffix(".ts")
        for module in (module for module in front_end_imports(file) if module.is_relative_to(folder)):
            there = module.relative_to(folder).parts[0]
            beside = level[there] == level[here] and not {here, there} & folders
            assert there == here or beside or level[there] < level[here], f"{file} imports {module}"


def test_a_front_end_folder_can_be_taken_in() -> None:
    """No folder of the front end's sources and tests has more than fourteen files."""
    for part in ("src", "test"):
        for folder in {file.parent for file in (FRONT_END / part).rglob("*.*")}:
            assert len([path for path in folder.iterdir() if path.is_file()]) <= MODULES_AT_MOST, folder


def test_the_client_stands_alone() -> None:
    """What services install imports the standard library and itself, and frameworks only in their own files."""
    allowed = {*sys.stdlib_module_names, "convoai_analytics_client"}
    for file in (ROOT / "client").rglob("*.py"):
        found = {module.partition(".")[0] for module in imported(file)} - allowed
        assert found <= {file.stem}, file


def test_the_examples_know_the_client_alone() -> None:
    """What people copy needs none of the packages: it knows the service by its client and its endpoints."""
    for file in (ROOT / "examples").rglob("*.py"):
        found = {module.partition(".")[0] for module in imported(file)}
        assert found.isdisjoint({*PACKAGES, "tests", "bench"}), file


def test_no_test_is_imported() -> None:
    """What tests share has files of its own: nothing is imported from a test module or a conftest."""
    for folder in ("tests", "bench"):
        for file in (ROOT / folder).rglob("*.py"):
            ours = [module for module in imported(file) if module.startswith(("tests.", "bench."))]
            parts = {part for module in ours for part in module.split(".")}
            assert not [part for part in parts if part == "conftest" or part.startswith("test_")], file


def test_uvicorn_is_known_in_one_place() -> None:
    """What subclasses uvicorn, or touches what it is made of, stands in web/server/ alone; a client of WebSockets, such
    as the command watch, takes what websockets documents for clients.
    """
    server, watch = ROOT / "web" / "server", ROOT / "web" / "cli" / "watch.py"
    for file in (file for package in PACKAGES for file in (ROOT / package).rglob("*.py")):
        names = {module.partition(".")[0] for module in imported(file)}
        assert file.parent == server or not names & {"uvicorn", "httptools"}, file
        assert file.parent == server or file == watch or "websockets" not in names, file


def test_sql_lives_in_storage() -> None:
    """Nothing above storage knows by which library it speaks to databases, not even for an error or a type."""
    libraries = {"sqlalchemy", "alembic", "aiosqlite", "sqlite3", "psycopg"}
    for package in ("realtime", "web"):
        for file in (ROOT / package).rglob("*.py"):
            names = {module.partition(".")[0] for module in imported(file)}
            assert not names & libraries, file


def test_migrations_import_nothing_that_changes() -> None:
    """A migration goes on to do what it did when it was new: it imports nothing of this repository."""
    allowed = {*sys.stdlib_module_names, "sqlalchemy", "alembic"}
    files = list((ROOT / "storage" / "engine" / "migrations").rglob("*.py"))
    assert len(files) > 5
    for file in files:
        assert {module.partition(".")[0] for module in imported(file)} <= allowed, file


def test_who_asks_is_one_type() -> None:
    """One class alone says whose a token is: its subject and its tenant."""
    files = (file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))
    nodes = (node for file in files for node in ast.walk(ast.parse(file.read_text())))
    classes = [node for node in nodes if isinstance(node, ast.ClassDef)]
    assert [found.name for found in classes if declared(found) >= {"subject", "tenant_id"}] == ["Principal"]


def declared(found: ast.ClassDef) -> set[str]:
    """Name the fields and methods of a class."""
    fields = {ast.unparse(node.target) for node in found.body if isinstance(node, ast.AnnAssign)}
    return fields | {node.name for node in found.body if isinstance(node, ast.FunctionDef)}


def test_the_environment_has_one_reader() -> None:
    """Only settings.py knows the variables; commands and workers hand the environment to it."""
    for package in PACKAGES:
        for file in (ROOT / package).rglob("*.py"):
            if file.name not in ("app.py", "command.py", "welcome.py", "workers.py"):
                assert "environ" not in file.read_text().replace("environment", ""), file


def test_no_file_is_for_leftovers() -> None:
    """No file is named for being unsorted."""
    names = {"utils", "helpers", "common", "manager", "managers", "misc"}
    assert not [
        file for package in (*PACKAGES, "tests") for file in (ROOT / package).rglob("*.py") if file.stem in names
    ]


def test_locks_name_no_host() -> None:
    """The lock files have a hash for everything and no download address."""
    locks = [ROOT / f"requirements{part}.lock" for part in ("", "-build", "-dev")]
    locks += (ROOT / "tests" / "client" / "frameworks").glob("*.lock")
    locks += (ROOT / "tests" / "web" / "ingest" / "otlp" / "emitters").glob("*.lock")
    for text in (lock.read_text() for lock in locks):
        assert "://" not in text
        assert "--index-url" not in text
        packages = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
        assert all("==" in line and line.endswith("\\") for line in packages)
        assert text.count("--hash=sha256:") >= len(packages)


def test_the_panels_lock_names_no_host() -> None:
    """Every package of the panel's lock file has a hash, and none an address."""
    text = (FRONT_END / "package-lock.json").read_text()
    packages = json.loads(text)["packages"]
    assert "://" not in text
    assert len(packages) > 20
    assert all("integrity" in package for name, package in packages.items() if name)
