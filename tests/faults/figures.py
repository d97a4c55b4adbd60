"""The fault suite: it breaks things on purpose, and prints what it saw.

In ``make test`` it runs in a short form; ``make faults`` (``--full``) runs all of it. What decides a test is that
nothing is lost, counted twice or wrong; figures of time are printed beside their aims.
"""

from collections.abc import Callable

import pytest

KEY = "figures"

Figures = Callable[..., None]
"""Called with the name of a fault and what was seen, as keyword arguments: a row of the table."""


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

    def row(fault: str, **seen: object) -> None:
        text = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in seen.items())
        record_property(KEY, [fault, text])

    return row


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table."""
    reports = [report for found in terminalreporter.stats.values() for report in found]
    rows = [value for report in reports for name, value in getattr(report, "user_properties", ()) if name == KEY]
    if rows:
        width = max(len(fault) for fault, _ in rows)
        terminalreporter.section("faults")
        for fault, text in sorted({(fault, text) for fault, text in rows}):
            terminalreporter.write_line(f"{fault:{width}}  {text}")
