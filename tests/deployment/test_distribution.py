"""What ``make dist`` builds: a wheel of the service with its front end in it."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.repository import ROOT

FILES = ("hatch_build.py", "pyproject.toml", "README.md", "LICENSE")
PACKAGES = ("convoai_analytics", "realtime", "storage", "web")
EDITABLE = "import hatchling.build, sys; hatchling.build.build_editable(sys.argv[1])"
INSTALLED = """
import contextlib, subprocess, sys
from convoai_analytics.__main__ import main

sys.argv = ["convoai-analytics", "--help"]
with contextlib.suppress(SystemExit):
    main()
import web.cli.app
print(web.cli.app.__file__, flush=True)
subprocess.run([sys.executable, "-c", "import web.server.workers as module; print(module.__file__)"], check=True)
"""
"""Prints where the command, and a process that it starts, have their modules from."""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of what a build needs, in which the front end is not built."""
    folder = tmp_path / "project"
    folder.mkdir()
    for name in FILES:
        shutil.copy(ROOT / name, folder)
    for name in PACKAGES:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("node_modules", "static"))
    return folder


def run(folder: Path, *arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def build_wheel(project: Path) -> Path:
    """Build the wheel with a front end, whatever it holds."""
    static = project / "web" / "static"
    (static / "assets").mkdir(parents=True)
    for name in ("index.html", "panel.js", "assets/index-1.js"):
        (static / name).write_text("built")
    built = run(project, "-m", "hatchling", "build", "--target", "wheel")
    assert built.returncode == 0, built.stderr
    (wheel,) = (project / "dist").glob("*.whl")
    return wheel


@pytest.mark.parametrize("target", ["wheel", "sdist"])
def test_nothing_is_built_without_the_front_end(project: Path, target: str) -> None:
    """A build from a copy of the repository fails, and says what to do; it leaves no file."""
    built = run(project, "-m", "hatchling", "build", "--target", target)
    assert built.returncode != 0
    assert "'make dist' builds it" in built.stderr
    assert not list(project.glob("dist/*"))


def test_an_editable_install_comes_before_the_front_end(project: Path) -> None:
    """Development installs the service first, and builds the front end afterwards."""
    built = run(project, "-c", EDITABLE, str(project))
    assert built.returncode == 0, built.stderr


def test_the_wheel_has_the_front_end(project: Path) -> None:
    """The wheel has the built front end and the migrations, and no TypeScript."""
    names = zipfile.ZipFile(build_wheel(project)).namelist()
    for name in ("static/index.html", "static/panel.js", "static/assets/index-1.js"):
        assert f"convoai_analytics/web/{name}" in names
    assert any(name.startswith("convoai_analytics/storage/engine/migrations/versions/0001") for name in names)
    assert not [name for name in names if name.endswith((".ts", "package.json"))]


def test_the_wheel_clashes_with_no_other_package(project: Path, tmp_path: Path) -> None:
    """It installs one package. Its command and its workers use the packages within that, whatever else is installed."""
    site = tmp_path / "site-packages"
    with zipfile.ZipFile(build_wheel(project)) as wheel:
        wheel.extractall(site)
    assert {path.name for path in site.iterdir() if path.suffix != ".dist-info"} == {"convoai_analytics"}
    for name in ("realtime", "storage", "web"):
        (site / name).mkdir()
        (site / name / "__init__.py").write_text("raise ImportError('this is of another distribution')")
    environment = {**os.environ, "PYTHONPATH": str(site)}
    told = run(tmp_path, "-c", INSTALLED, environment=environment)
    assert told.returncode == 0, told.stderr
    command, workers = told.stdout.splitlines()[-2:]
    assert command == str(site / "convoai_analytics" / "web" / "cli" / "app.py")
    assert workers == str(site / "convoai_analytics" / "web" / "server" / "workers.py")
