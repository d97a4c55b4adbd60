"""The live figures as text in a terminal. Pure: what is shown follows from a subscriber's state, its connection, and
the time."""

import math
from dataclasses import dataclass
from datetime import datetime

from rich import box
from rich.bar import Bar
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from realtime.subscriber_state import Json, SubscriberState
from storage.model.clock import moment

MISSED_HEARTBEATS = 2.5
"""A connection that misses so many heartbeats is dead."""
HEARTBEAT_SECONDS = 10.0
"""What a heartbeat is taken for until the first snapshot tells it."""
_TITLE = "ConvoAI Analytics"
_FIGURES = (
    ("Total Users", "users", "total_users"),
    ("Active Users Today", "active", "active_users_today"),
    ("Total Conversations", "conversations", "total_conversations"),
    ("Total Messages", "messages", "total_messages"),
    ("Total Tokens", "tokens", "total_tokens"),
    ("Average Response Time", "response", "avg_response_time"),
)


@dataclass(frozen=True)
class Link:
    """How the connection stands.

    ``heard`` is when its last frame came (None: none yet), ``retry_at`` when the next one is tried (None: this one is
    open or being opened), ``reason`` why the one before it ended (empty: there was none).
    """

    heard: datetime | None = None
    retry_at: datetime | None = None
    reason: str = ""


def render(state: SubscriberState, link: Link, now: datetime) -> RenderableType:
    """Draw the whole screen as it is at *now*, in the zone of *now*."""
    head = Table.grid(expand=True, padding=(0, 2))
    head.add_column(min_width=len(_TITLE), no_wrap=True)
    head.add_column(justify="right", no_wrap=True)
    head.add_row(Text(_TITLE, "bold"), status(state, link, now))
    lists = Table.grid(expand=True, padding=(0, 2))
    lists.add_column(ratio=3)
    lists.add_column(ratio=2)
    lists.add_row(_activities(state.activities, now), _top_users(state.top_users))
    return Group(head, _figures(state.summary), lists, Text(f"\n{printable(link.reason)}", "dim"))


def status(state: SubscriberState, link: Link, now: datetime) -> Text:
    """Say in plain words how far the figures can be believed."""
    if link.retry_at is not None:
        said = Text(f"Reconnecting in {max(0, math.ceil((link.retry_at - now).total_seconds()))} s", "yellow")
    elif link.heard is None:
        said = Text("Catching up", "yellow")
    elif state.stale_since is None and (now - link.heard).total_seconds() <= silence(state):
        return Text.assemble(("Live", "bold green"), f", data {_seconds_since(state.at, now):.0f} s old")
    else:
        said = Text()
    since = state.stale_since or state.at
    if since is not None:
        said.append(f"{'  ' if said else ''}Stale since {moment(since).astimezone(now.tzinfo):%H:%M:%S}", "bold red")
    return said


def line(state: SubscriberState) -> str:
    """Write the six figures as one line, for a log."""
    figures = " ".join(f"{short}={_plain(state.summary.get(name))}" for _, short, name in _FIGURES)
    return f"{state.at} {figures}{f' stale_since={state.stale_since}' if state.stale_since else ''}"


def ago(written: str, now: datetime) -> str:
    """Say how long before *now* the timestamp *written* was."""
    seconds = int(_seconds_since(written, now))
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"


def silence(state: SubscriberState) -> float:
    """Give after how many seconds without a frame the connection counts as dead."""
    return MISSED_HEARTBEATS * (state.heartbeat_seconds or HEARTBEAT_SECONDS)


def _seconds_since(written: str | None, now: datetime) -> float:
    # Another machine's clock may be ahead of this one's.
    return 0.0 if written is None else max(0.0, (now - moment(written)).total_seconds())


def _figures(summary: Json) -> Table:
    table = Table(box=box.ROUNDED, show_header=False, show_lines=True, expand=True)
    for _ in range(3):
        table.add_column(ratio=1)
    cells = [Text.assemble((f"{title}\n", "dim"), (_shown(summary.get(name)), "bold")) for title, _, name in _FIGURES]
    table.add_row(*cells[:3])
    table.add_row(*cells[3:])
    return table


def _activities(items: list[Json], now: datetime) -> Table:
    table = _list("Recent activity")
    table.add_column(ratio=2, no_wrap=True)
    table.add_column(ratio=2, no_wrap=True)
    table.add_column(justify="right", no_wrap=True, style="dim")
    for item in items:
        kind, name = Text(printable(item["activity_type"]), "cyan"), Text(printable(item["username"]))
        table.add_row(kind, name, ago(item["timestamp"], now))
    return table


def _top_users(items: list[Json]) -> Table:
    table = _list("Top users")
    table.add_column(justify="right", style="dim")
    table.add_column(ratio=2, no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(ratio=1, min_width=4)
    most = max((item["activity_count"] for item in items), default=1)
    for rank, item in enumerate(items, 1):
        count = item["activity_count"]
        table.add_row(f"{rank}", Text(printable(item["username"])), f"{count:,}", Bar(most, 0, count, color="cyan"))
    return table


def _list(title: str) -> Table:
    return Table(box=None, show_header=False, expand=True, title=title, title_justify="left", title_style="bold")


def _shown(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.3f} s"


def _plain(value: float | None) -> str:
    return _shown(value).replace(",", "").replace(" ", "")


def printable(text: str) -> str:
    """Replace what could move the cursor or hide text: names come from the services that post events."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
