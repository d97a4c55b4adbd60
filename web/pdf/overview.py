"""The overview as it is printed: key figures of a range, charts, points, and what they are made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from storage.model.changes import TOP
from storage.model.metrics import mean_seconds, summary
from storage.model.money import NANO, read_dollars, write_dollars
from storage.read.active_users import count_active_users
from storage.read.endpoints import endpoints
from storage.read.reports import Page, top_users
from storage.read.series import read_series
from storage.read.snapshots import read_totals
from web.pdf.charts import chart, point_labels
from web.pdf.document import Chart, Charts, Column, Content, Figure, Figures, Section, Table
from web.pdf.language.words import Language, breakable
from web.pdf.period import Period, before, finer
from web.reports.lists import Ask

AMOUNTS = ("users", "conversations", "messages", "tokens", "api_calls", "api_errors", "llm_calls", "llm_cost")
"""What adds up, in the order of the key figures."""
_TIMES = ("response_time_us", "responses")
_METRICS = ("active_users", *AMOUNTS, *_TIMES, "model_messages", "model_tokens")
ROWS = 2 * TOP
"""How many users, models and endpoints are listed."""
_OTHERS = "model_messages:"

Numbers = Sequence[int | None]


@dataclass(frozen=True)
class Amounts:
    """What the points of a range added, by metric, money in nano-dollars; and its distinct users."""

    period: Period
    columns: Mapping[str, Numbers]
    active_users: int | None

    def total(self, name: str) -> int | None:
        """Add up a column; None if some of it is not known."""
        known = [value for value in self.columns[name] if value is not None]
        return sum(known) if len(known) == len(self.columns[name]) else None

    def mean_response_time(self) -> float | None:
        """Give the mean of the range, in seconds."""
        total, count = (self.total(name) for name in _TIMES)
        return None if total is None or count is None else mean_seconds(total, count)


async def read_amounts(ask: Ask, period: Period) -> Amounts:
    """Read what a range is made of."""
    found = await read_series(ask.connection, ask.tenant_id, ask.days, _METRICS, period.covered)
    users = await count_active_users(ask.connection, ask.tenant_id, ask.days, period.start, period.end)
    return Amounts(period, {name: _whole_numbers(column) for name, column in found.items()}, users)


def _whole_numbers(column: Sequence[Any]) -> Numbers:
    return [read_dollars(value) if isinstance(value, str) else value for value in column]


async def overview(ask: Ask, language: Language, period: Period) -> Content:
    """Read the overview, in the transaction of *ask*."""
    now = await read_amounts(ask, period)
    earlier = await read_amounts(ask, await before(ask.days, period)) if period.has_ended else None
    by_point = await finer(ask.days, period)
    points = now if by_point is period else await read_amounts(ask, by_point)
    sections: list[Section] = [
        Figures(language("key_figures"), _figures(language, now, earlier)),
        Charts(language("charts"), _charts(language, points)),
        _points(language, points),
        await _top_users(ask, language, period),
        _models(language, now),
        await _endpoints(ask, language, period),
        await _all_time(ask, language),
    ]
    return Content(sections, ("start", "active_users", *AMOUNTS, "response_time"), _rows(points))


def _rows(now: Amounts) -> list[dict[str, Any]]:
    """Give a row for each point, with the names that series have."""
    rows = []
    for index, start in enumerate(now.period.covered.starts):
        values: dict[str, Any] = {name: now.columns[name][index] for name in ("active_users", *AMOUNTS)}
        cost = values["llm_cost"]
        values["llm_cost"] = None if cost is None else write_dollars(cost)
        rows.append({"start": start, **values, "response_time": _mean(now, index)})
    return rows


def _figures(language: Language, now: Amounts, earlier: Amounts | None) -> list[Figure]:
    def write(name: str, value: int | None) -> str:
        return language.money(value) if name == "llm_cost" else language.number(value)

    def compare(value: float | None, past: float | None) -> str:
        return "" if earlier is None else language.change(value, past)

    past_users = None if earlier is None else earlier.active_users
    found = [Figure(language("active_users"), write("", now.active_users), compare(now.active_users, past_users))]
    for name in AMOUNTS:
        past = None if earlier is None else earlier.total(name)
        found.append(Figure(language(name), write(name, now.total(name)), compare(now.total(name), past)))
    mean, past_mean = now.mean_response_time(), None if earlier is None else earlier.mean_response_time()
    found.insert(5, Figure(language("response_time"), language.seconds(mean), compare(mean, past_mean)))
    return found


def _charts(language: Language, now: Amounts) -> list[Chart]:
    def counts(name: str) -> Chart:
        # Distinct users of points do not add up.
        total = "" if name == "active_users" else language.number(now.total(name))
        return chart(language, now.period, name, now.columns[name], language.number, total=total)

    cost = [None if nano is None else nano / NANO for nano in now.columns["llm_cost"]]
    times = [_mean(now, index) for index in range(len(cost))]
    return [
        counts("active_users"),
        counts("messages"),
        chart(language, now.period, "response_time", times, language.seconds, style="line", whole=False),
        chart(
            language,
            now.period,
            "llm_cost",
            cost,
            lambda value: language.money(None if value is None else round(value * NANO)),
            whole=False,
            total=language.money(now.total("llm_cost")),
        ),
    ]


def _mean(now: Amounts, index: int) -> float | None:
    us, count = (now.columns[name][index] for name in _TIMES)
    return None if us is None or count is None else mean_seconds(us, count)


def _points(language: Language, now: Amounts) -> Table:
    period, names = now.period, ("active_users", *AMOUNTS[:-2])
    by_day = period.interval == "day"
    labels = [language.day(key) for key in period.covered.keys] if by_day else point_labels(language, period)
    head = [Column(language("day" if by_day else "time"))]
    head += [Column(language(name), "right") for name in (*names, "response_time", "llm_cost")]
    rows = [
        [
            label,
            *(language.number(now.columns[name][index]) for name in names),
            language.seconds(_mean(now, index)),
            language.money(now.columns["llm_cost"][index]),
        ]
        for index, label in enumerate(labels)
    ]
    return Table(language("by_day" if by_day else "by_hour"), head, rows, language("not_known"))


async def _top_users(ask: Ask, language: Language, period: Period) -> Table:
    found = await top_users(ask.connection, ask.tenant_id, Page(ROWS, None, period.start, period.end))
    head = [Column(language("user"), wide=True), Column(language("name"), wide=True)]
    rows = [
        [breakable(item["user_id"]), breakable(item["username"] or ""), language.number(item["activity_count"])]
        for item in found.items
    ]
    return Table(
        language("top_users"), [*head, Column(language("activities"), "right")], rows, empty=language("no_rows")
    )


def _models(language: Language, now: Amounts) -> Table:
    sums = {name: now.total(name) or 0 for name in now.columns if name.startswith(_OTHERS)}
    whole = sum(sums.values())
    ranked = sorted(sums, key=lambda name: (name == _OTHERS, -sums[name], name))[:ROWS]
    rows = []
    for name in ranked:
        model = name.removeprefix(_OTHERS)
        tokens = now.total(f"model_tokens:{model}") if f"model_tokens:{model}" in now.columns else 0
        share = language.share(sums[name], whole)
        label = breakable(model) or language("others")
        rows.append([label, language.number(sums[name]), share, language.number(tokens)])
    head = [Column(language("model"), wide=True)]
    head += [Column(language(name), "right") for name in ("messages", "share", "tokens")]
    return Table(language("models"), head, rows, empty=language("no_rows"))


async def _endpoints(ask: Ask, language: Language, period: Period) -> Table:
    page = Page(ROWS, None, period.start, period.end)
    found = await endpoints(ask.connection, ask.tenant_id, ask.days, page)
    rows = [
        [
            language("others") if item["endpoint"] is None else breakable(item["endpoint"]),
            language.number(item["count"]),
            language.number(item["error_count"]),
            language.seconds(item["avg_response_time"]),
            language.seconds(item["p95_response_time"]),
        ]
        for item in found.items
    ]
    head = [Column(language("endpoint"), wide=True)]
    head += [Column(language(name), "right") for name in ("calls", "failed", "mean", "p95")]
    return Table(language("endpoints"), head, rows, empty=language("no_rows"))


async def _all_time(ask: Ask, language: Language) -> Figures:
    totals, _ = await read_totals(ask.connection, ask.tenant_id, ask.today)
    found = summary(totals, 0)
    names = {
        "column_total_users": "total_users",
        "column_total_conversations": "total_conversations",
        "messages": "total_messages",
        "tokens": "total_tokens",
        "api_calls": "total_api_calls",
        "llm_calls": "total_llm_calls",
    }
    items = [Figure(language(label), language.number(_count(found[name]))) for label, name in names.items()]
    items.append(Figure(language("llm_cost"), language.money(totals.get("llm_cost", 0))))
    items.append(Figure(language("response_time"), language.seconds(_seconds(found["avg_response_time"]))))
    return Figures(language("totals"), items)


def _count(value: object) -> int:
    return value if isinstance(value, int) else 0


def _seconds(value: object) -> float | None:
    return value if isinstance(value, float) else None
