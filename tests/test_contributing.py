"""What contributors are told, and what their tools run, is what there is."""

import json
import re
import tomllib
from typing import Any

import yaml

from convoai_analytics_client.delivery.transport import VERSION
from tests.repository import ROOT

MAKEFILE = (ROOT / "Makefile").read_text()
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
CHANGELOG = (ROOT / "CHANGELOG.md").read_text()


def version_of(project: str) -> str:
    return str(tomllib.loads((ROOT / project).read_text())["project"]["version"])


def front_end_versions() -> list[str]:
    files = (ROOT / "web").glob("*/package*.json")
    return [json.loads(file.read_text())["version"] for file in files]


def test_every_command_of_make_is_explained() -> None:
    """The first lines of CONTRIBUTING explain each target that people call, and no other."""
    (targets,) = re.findall(r"^\.PHONY: (.+)$", MAKEFILE, re.MULTILINE)
    explained = re.findall(r"^    make (\w+) ", CONTRIBUTING.partition("## ")[0], re.MULTILINE)
    assert set(explained) == set(targets.split()) - {"clean"}


def test_the_tests_of_make_check_are_there() -> None:
    """Each folder and file of UNIT exists."""
    (unit,) = re.findall(r"^UNIT := ((?:.*\\\n)*.*)$", MAKEFILE, re.MULTILINE)
    prefixed = re.findall(r"\$\(addprefix ([\w/]+),([^)]+)\)", unit)
    plain = re.sub(r"\$\([^)]*\)", "", unit).replace("\\", "").split()
    paths = plain + [prefix + name for prefix, names in prefixed for name in names.split()]
    assert len(paths) > 10
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_the_hook_runs_make_check() -> None:
    """The pre-commit configuration has one hook, which runs the same command that people run."""
    configuration = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    (repository,) = configuration["repos"]
    (hook,) = repository["hooks"]
    assert repository["repo"] == "local"
    assert (hook["entry"], hook["language"], hook["pass_filenames"]) == ("make check", "system", False)


def test_issue_forms_are_whole() -> None:
    """Each form has a name, a description and fields; each field that is filled in has an id and a label."""
    forms = [path for path in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml"]
    assert len(forms) == 2
    for path in forms:
        form: dict[str, Any] = yaml.safe_load(path.read_text())
        assert form["name"], path.name
        assert form["description"], path.name
        fields = [field for field in form["body"] if field["type"] != "markdown"]
        assert fields, path.name
        assert all(field["id"] and field["attributes"]["label"] for field in fields), path.name


def test_there_is_one_version() -> None:
    """The service, the client, the front end, the image and the newest release of CHANGELOG have the same version."""
    version = version_of("pyproject.toml")
    images = re.findall(r"ANALYTICS_VERSION:-([^}]+)\}", (ROOT / "docker-compose.yml").read_text())
    assert {version_of("client/pyproject.toml"), VERSION, *images, *front_end_versions()} == {version}
    sections = re.findall(r"^## (.+)$", CHANGELOG, re.MULTILINE)
    assert sections[0] == "Unreleased"
    assert re.fullmatch(rf"{re.escape(version)} - \d{{4}}-\d\d-\d\d", sections[1])


def test_documents_name_this_version() -> None:
    """The wheels that README and operations.md install are those that make dist builds."""
    for name in ("README.md", "docs/operations.md"):
        wheels = re.findall(r"convoai_analytics-([\d.]+)-py3", (ROOT / name).read_text())
        assert set(wheels) == {version_of("pyproject.toml")}, name
