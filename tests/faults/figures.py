"""The fault suite: it breaks things on purpose, and prints what it saw.

In ``make test`` it runs in a short form; ``make faults`` (``--full``) runs all of it. What decides a test is that
nothing is lost, counted twice or wrong; figures of time are printed beside their aims.
"""

from collections.abc import Callable

import pytest

KEY = "figures"

Figures = Callable[..., None]
"""Called with the name of a fault and what was seen, as keyword arguments: a row of a table.

*table* is its title. A table whose rows have the same names is printed in columns.
"""
Row = tuple[str, list[tuple[str, str]]]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take the option of the full form."""
    parser.addoption("--full", action="store_true", help="run tests/faults/ at its full size")


@pytest.fixture
def full(request: pytest.FixtureRequest) -> bool:
    """Whether this is the full form."""
    return bool(request.config.getoption("--full"))


@pytest.fixture
def figures(record_property: Callable[[str, object], None]) -> Figures:
    """What prints a row of the table at the end of the run."""

    def row(fault: str, table: str = "faults", **seen: object) -> None:
        written = [(name.replace("_", " "), str(value)) for name, value in seen.items()]
        record_property(KEY, [table, fault, written])

    return row


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print each table."""
    reports = [report for found in terminalreporter.stats.values() for report in found]
    rows = [value for report in reports for name, value in getattr(report, "user_properties", ()) if name == KEY]
    tables: dict[str, list[Row]] = {}
    for table, fault, seen in rows:
        # Its figures are with each of the reports of a test: of its setup, itself, and its end.
        if (fault, seen) not in tables.setdefault(table, []):
            tables[table].append((fault, seen))
    for table, found in sorted(tables.items()):
        terminalreporter.section(table)
        for line in _lines(found):
            terminalreporter.write_line(line)


def _lines(rows: list[Row]) -> list[str]:
    """Write rows in columns, if all of them have the same ones, else each with the names of what was seen."""
    heads = {tuple(name for name, _ in seen) for _, seen in rows}
    if len(rows) > 1 and len(heads) == 1:
        cells = [("", *heads.pop()), *((fault, *(value for _, value in seen)) for fault, seen in rows)]
    else:
        cells = sorted((fault, ", ".join(f"{name} {value}" for name, value in seen)) for fault, seen in rows)
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(map(str.ljust, line, widths)).rstrip() for line in cells]
