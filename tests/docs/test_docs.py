"""What is documented is what there is."""

import dataclasses
import re

from typer.main import get_command

from realtime.protocol import CLOSES
from storage.model.metrics import COUNTERS, DERIVED, FIGURES, LABELLED, NAMES
from storage.model.rollups import ROLLUPS
from storage.read.breakdowns.catalogue import METRICS as BREAKDOWNS
from storage.read.breakdowns.catalogue import Grain, dimensions_of
from storage.read.series import METRICS
from tests.repository import ROOT
from tests.servers.service import Running
from web.cli.app import app
from web.live.endpoints import PATH
from web.ops.telemetry import Telemetry
from web.settings import Settings

REFERENCE = (ROOT / "docs" / "reference.md").read_text()
PROTOCOL = (ROOT / "docs" / "protocol.md").read_text()
README = (ROOT / "README.md").read_text()
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
GLOSSARY = (ROOT / "docs" / "glossary.md").read_text()

GRAINS: tuple[Grain, ...] = ("day", "hour")


def test_every_setting_is_documented() -> None:
    """The table of settings has name, default, unit and meaning of each, and no other."""
    rows = []
    for field in dataclasses.fields(Settings):
        default = f"`{field.metadata['default']}`" if field.metadata["default"] else "empty"
        name, unit, meaning = f"`ANALYTICS_{field.name.upper()}`", field.metadata["unit"], field.metadata["meaning"]
        rows.append(f"| {name} | {default} | {unit} | {meaning} |")
    assert all(row in REFERENCE for row in rows)
    assert len(re.findall(r"^\| `ANALYTICS_", REFERENCE, re.MULTILINE)) == len(rows)


def test_every_series_is_documented() -> None:
    """The table of series has every metric that has one."""
    section = REFERENCE.partition("## Series")[2].partition("## ")[0]
    assert set(re.findall(r"`([a-z_]+)`", section)) >= set(METRICS)


async def test_every_endpoint_is_documented(running: Running) -> None:
    """The table of endpoints has every route with its method."""
    document = (await running.http.get("/openapi.json")).json()
    for path, methods in document["paths"].items():
        for method in methods:
            assert f"| `{method.upper()} {path}` |" in REFERENCE, path
    assert f"| `WS {PATH}` |" in REFERENCE


def test_every_figure_is_documented() -> None:
    """The catalogue of metrics, and the documentation of figures and counters, are the same."""
    for figure in FIGURES:
        assert f"| `{figure.name}` | {figure.unit} | {figure.meaning}. |" in REFERENCE
    for counter in (*COUNTERS, *LABELLED):
        assert f"| `{counter.name}` | {counter.meaning} ({counter.unit}). |" in REFERENCE
    for name, meaning in DERIVED.items():
        assert f"| `{name}` | {meaning}. |" in REFERENCE
    assert {name for figure in FIGURES for name in figure.needs} <= set(NAMES)


def test_every_rollup_is_documented() -> None:
    """The table of rollups has each with its key and its columns."""
    for rollup in ROLLUPS:
        names = (", ".join(f"`{name}`" for name in columns) for columns in ((rollup.name,), rollup.key, rollup.columns))
        assert f"| {' | '.join((*names, rollup.meaning))} |" in REFERENCE


def test_every_breakdown_is_documented() -> None:
    """The tables of breakdowns have each metric with its meaning, and with the dimensions by which it is kept."""
    section = REFERENCE.partition("## Breakdowns")[2].partition("\n## ")[0]
    rows = [row.split(" | ") for row in section.splitlines() if row.startswith("| `")]
    for metric in BREAKDOWNS.values():
        assert f"| `{metric.name}` | {metric.unit} | {metric.meaning}. |" in section
        (kept,) = (row for row in rows if f"`{metric.name}`" in row[0] and row[1] != metric.unit)
        for cell, grain in zip(kept[1:], GRAINS, strict=True):
            assert re.findall("`([^`]+)`", cell) == list(dimensions_of(metric.name, grain)), metric.name


def test_every_metric_is_documented() -> None:
    """The table of the service's own metrics has each with its labels."""
    for metric in Telemetry().registry.collect():
        assert f"`{metric.name}{'_total' if metric.type == 'counter' else ''}`" in REFERENCE, metric.name
        assert metric.documentation in REFERENCE


def test_every_command_is_documented() -> None:
    """The table of commands has each."""
    commands = get_command(app).commands  # type: ignore[attr-defined]
    for name in commands:
        assert f"| `convoai-analytics {name}` |" in REFERENCE, name
    assert len(re.findall(r"^\| `convoai-analytics ", REFERENCE, re.MULTILINE)) == len(commands)


def test_every_close_code_is_documented() -> None:
    """The protocol's table has each code with its name, meaning and advice."""
    for close in CLOSES:
        row = f"| {close.code} | `{close.name}` | {close.reason} | {close.advice}"
        assert row in PROTOCOL, close.name


def test_operations_names_what_there_is() -> None:
    """Each setting and metric that docs/operations.md speaks of exists, and each of its inner links leads somewhere."""
    text = (ROOT / "docs" / "operations.md").read_text()
    settings = {f"ANALYTICS_{field.name.upper()}" for field in dataclasses.fields(Settings)}
    compose = (ROOT / "docker-compose.yml").read_text()
    for name in re.findall(r"ANALYTICS_[A-Z_]*[A-Z]", text):
        assert name in settings or f"${{{name}" in compose, name
    metrics = {metric.name for metric in Telemetry().registry.collect()}
    for name in set(re.findall(r"convoai_[a-z_]+", text)) - {"convoai_analytics"}:  # the wheel's name
        assert re.sub(r"_(total|bucket)$", "", name) in metrics, name
    anchors = {
        re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in re.findall(r"^#+ (.+)$", text, re.M)
    }
    assert set(re.findall(r"\(#([^)]+)\)", text)) <= anchors


def test_links_lead_somewhere() -> None:
    """Each relative link in a document names a file that is there."""
    for document in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_the_map_of_the_code_is_complete() -> None:
    """CONTRIBUTING has a line for each package and sub-package, and for no folder that is not there."""
    lines = re.findall(
        r"^    ([\w/]+)/ +\S", CONTRIBUTING.partition("## The map")[2].partition("\n## ")[0], re.MULTILINE
    )
    packages = ("storage", "realtime", "web", "client")
    folders = {file.parent for package in packages for file in (ROOT / package).rglob("__init__.py")}
    others = {"convoai_analytics", *(line for line in lines if line.startswith("web/frontend/"))}
    assert {str(folder.relative_to(ROOT)) for folder in folders} == set(lines) - others
    assert all((ROOT / other).is_dir() for other in others)


def test_the_worked_examples_name_files_that_are_there() -> None:
    """Each source file of an example exists, and each example says how many there are."""
    examples = CONTRIBUTING.partition("## Worked examples")[2].partition("\n## ")[0].split("\n### ")[1:]
    files = [re.findall(r"^\d\. `([\w/.-]+)`", example, re.MULTILINE) for example in examples]
    for example, named in zip(examples, files, strict=True):
        claimed = re.findall(r"Source files: (\d+)", example)
        assert claimed == ([str(len(named))] if named else []), example.partition("\n")[0]
        for name in named:
            assert (ROOT / name).exists() or list((ROOT / "web").glob(f"*/src/**/{name}")), name


def test_the_two_commands_come_first() -> None:
    """The README's first screen has both commands."""
    first_screen = "\n".join(README.splitlines()[:40])
    assert "make run" in first_screen
    assert "make test" in first_screen


def test_the_glossary_defines_each_term_once() -> None:
    """Each term has one definition, which is a sentence."""
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", GLOSSARY, re.MULTILINE)
    terms = [term for term, _ in rows if term != "term"]
    assert len(terms) > 60
    assert len(set(terms)) == len(terms)
    assert all(definition.endswith(".") for term, definition in rows if term != "term")
