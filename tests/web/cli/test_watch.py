"""The command ``watch``: the live figures in a terminal."""

import asyncio
import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from rich.console import Console

from realtime.subscriber_state import SubscriberState
from tests.servers.service import Running
from tests.web.cli.samples import LOGIN, NOW, SUMMARY, snapshot
from web.cli import watch as terminal
from web.cli.terminal import Link, ago, line, render, status
from web.cli.watch import Refused, watch


def panel(**fields: Any) -> SubscriberState:
    found = SubscriberState()
    found.apply(snapshot(**fields))
    return found


def drawn(shown: SubscriberState, link: Link, now: datetime = NOW, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width)
    with console.capture() as capture:
        console.print(render(shown, link, now))
    return capture.get()


def test_the_panel_shows_the_six_figures() -> None:
    """All six figures are shown under their names, with thousands separators and units."""
    screen = drawn(panel(), Link(heard=NOW))
    for title in ("Total Users", "Active Users Today", "Total Conversations", "Total Messages", "Total Tokens"):
        assert title in screen
    for value in ("1,234", "56", "7,890", "45,678", "26,450,535", "5.478 s"):
        assert value in screen


def test_what_is_unknown_is_shown_as_such() -> None:
    """Before the first snapshot, and where no message carries a response time, there is a dash and not a zero."""
    assert drawn(SubscriberState(), Link()).count("│ -") == 6
    assert drawn(panel(summary={**SUMMARY, "avg_response_time": None}), Link(heard=NOW)).count("│ -") == 1


def test_activities_and_users_are_listed() -> None:
    """Activities show type, name and age; users rank, name and count."""
    screen = drawn(panel(), Link(heard=NOW))
    activity, second = (row.split() for row in screen.splitlines() if "User 1" in row or "User 2" in row)
    assert activity[:5] == ["login", "Ada", "3", "min", "ago"]
    assert activity[5:9] == ["1", "User", "1", "5,000"]
    assert second[:4] == ["2", "User", "2", "2,500"]
    assert len(activity[9]) == 2 * len(second[4])


def test_names_cannot_steer_the_terminal() -> None:
    """Escape sequences, line ends and markup in names and types are shown, not obeyed."""
    evil = {"id": 1, "timestamp": "2026-11-22T12:00:00.000Z", "user_id": "u1"}
    shown = panel(
        activities=[{**evil, "username": "\x1b[2J\r\n", "activity_type": "[red]x"}],
        top_users=[{"user_id": "u1", "username": "\x9b1mA\u202eB", "activity_count": 1}],
    )
    screen = drawn(shown, Link(heard=NOW, reason="\x07"))
    assert "[red]x" in screen
    assert [letter for letter in screen if not letter.isprintable() and letter != "\n"] == []


def test_ages_are_told_in_words() -> None:
    """Ages go from seconds to days; a clock that is ahead makes no negative age."""
    for seconds, said in ((0, "0 s"), (59, "59 s"), (60, "1 min"), (3599, "59 min"), (7200, "2 h"), (86_400, "1 d")):
        assert ago("2026-11-22T12:00:10.000Z", NOW + timedelta(seconds=seconds)) == f"{said} ago"
    assert ago("2026-11-22T12:00:10.000Z", NOW - timedelta(seconds=9)) == "0 s ago"


def test_live_tells_the_age_of_the_data() -> None:
    """While frames come, the panel is live and tells how old its data is."""
    assert str(status(panel(), Link(heard=NOW), NOW + timedelta(seconds=1.5))) == "Live, data 4 s old"


def test_old_figures_are_never_called_live() -> None:
    """Whatever is wrong, figures that may be old are called stale, and since when, in the zone of the reader."""
    waiting, since = Link(retry_at=NOW + timedelta(seconds=2.5), reason="gone"), "Stale since 12:00:07"
    assert str(status(panel(), waiting, NOW)) == f"Reconnecting in 3 s  {since}"
    assert str(status(panel(), Link(), NOW)) == f"Catching up  {since}"
    assert str(status(panel(), Link(heard=NOW), NOW + timedelta(seconds=25.1))) == since
    stale = panel()
    stale.apply({"type": "heartbeat", "position": "e.1.a", "at": NOW.isoformat(), "stale_since": NOW.isoformat()})
    assert str(status(stale, Link(heard=NOW), NOW)) == "Stale since 12:00:10"
    elsewhere = NOW.astimezone(timezone(timedelta(hours=5, minutes=45)))
    assert str(status(stale, Link(heard=NOW), elsewhere)) == "Stale since 17:45:10"


def test_without_figures_nothing_is_stale() -> None:
    """A panel that has no figures yet says only how its connection stands."""
    assert str(status(SubscriberState(), Link(), NOW)) == "Catching up"
    assert str(status(SubscriberState(), Link(retry_at=NOW), NOW)) == "Reconnecting in 0 s"


def test_a_line_holds_the_six_figures() -> None:
    """For a log, a frame is one line: the time, and the figures without separators."""
    figures = "users=1234 active=56 conversations=7890 messages=45678 tokens=26450535 response=5.478s"
    assert line(panel()) == f"2026-11-22T12:00:07.500Z {figures}"


class Output(io.StringIO):
    """Standard output that tells when something was written."""

    def __init__(self, is_terminal: bool) -> None:
        super().__init__()
        self._is_terminal = is_terminal
        self._written = asyncio.Event()

    def isatty(self) -> bool:
        return self._is_terminal

    def write(self, text: str) -> int:
        self._written.set()
        return super().write(text)

    async def until(self, text: str) -> None:
        async with asyncio.timeout(10):
            while text not in self.getvalue():
                self._written.clear()
                await self._written.wait()


@pytest.fixture
def terminal_of(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], Output]:
    """Makes standard output a terminal, or not."""

    def make(is_terminal: bool) -> Output:
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("COLUMNS", "100")
        monkeypatch.setenv("LINES", "30")
        output = Output(is_terminal)
        monkeypatch.setattr("sys.stdout", output)
        return output

    return make


async def test_a_terminal_shows_the_panel(running: Running, terminal_of: Callable[[bool], Output]) -> None:
    """On a terminal the panel fills the screen, and gives it back when it is interrupted."""
    await running.post("activity-public", LOGIN)
    output = terminal_of(True)
    watching = asyncio.create_task(watch(running.url, running.token))
    await output.until("Ada")
    assert "Live" in output.getvalue()
    watching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watching
    assert output.getvalue().count("\x1b[?1049h") == output.getvalue().count("\x1b[?1049l") == 1


async def test_a_terminal_is_given_back_to_one_who_is_refused(
    running: Running, terminal_of: Callable[[bool], Output]
) -> None:
    """A panel that is refused leaves the screen, and says why as it is."""
    output = terminal_of(True)
    with pytest.raises(Refused, match="the token is not valid"):
        await asyncio.wait_for(watch(running.url, lambda: "no token"), 10)
    assert output.getvalue().count("\x1b[?1049h") == output.getvalue().count("\x1b[?1049l") == 1


async def test_a_pipe_gets_a_line_for_each_frame(running: Running, terminal_of: Callable[[bool], Output]) -> None:
    """Where there is no terminal, each frame is a line."""
    output = terminal_of(False)
    watching = asyncio.create_task(watch(running.url, running.token))
    await output.until("users=0 ")
    await running.post("activity-public", LOGIN)
    await output.until("users=1 ")
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    assert all(written.count("=") == 6 for written in output.getvalue().splitlines())


async def test_a_pipe_is_told_of_lost_connections(capsys: pytest.CaptureFixture[str]) -> None:
    """Where there is no terminal, what becomes of the connection goes to standard error."""
    terminal.print_line(SubscriberState(), Link(retry_at=datetime.now(UTC), reason="the service restarts"))
    terminal.print_line(SubscriberState(), Link(reason="the service restarts"))
    found = capsys.readouterr()
    assert (found.out, found.err) == ("", "Reconnecting in 0 s: the service restarts\n")
