"""What ``make dist`` builds: a wheel of the service with its front end in it."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.repository import ROOT

SOURCES = ("hatch_build.py", "pyproject.toml", "README.md", "LICENSE", "realtime", "storage", "web")
EDITABLE = "import hatchling.build, sys; hatchling.build.build_editable(sys.argv[1])"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of what a build needs, in which the front end is not built."""
    folder = tmp_path / "project"
    folder.mkdir()
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("node_modules", "static"))
        else:
            shutil.copy(source, folder)
    return folder


def run(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], cwd=project, capture_output=True, text=True, check=False)


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
    for name in ("web/static/index.html", "web/static/panel.js", "web/static/assets/index-1.js"):
        assert name in names
    assert any(name.startswith("storage/engine/migrations/versions/0001") for name in names)
    assert not [name for name in names if name.endswith((".ts", "package.json"))]
