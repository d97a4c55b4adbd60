"""What LLM calls cost over whole local days, as it is printed: in all, by day, by model and by user."""

from typing import Any

from storage.model.money import NANO, read_dollars, write_dollars
from storage.model.rollups import SEPARATOR
from storage.read.costs import Cost, costs_by_model, costs_by_user
from storage.read.series import read_series
from web.pdf.charts import chart
from web.pdf.document import Charts, Column, Content, Figure, Figures, Section, Table
from web.pdf.language.words import Language, breakable
from web.pdf.period import Period
from web.reports.lists import Ask

USERS = 20
"""How many users are listed."""
_SUMS = ("calls", "failed_calls", "input_tokens", "cached_input_tokens", "output_tokens", "reasoning_tokens")
_HEADS = ("calls", "failed", "input", "cached", "output", "reasoning", "cost", "share", "unpriced")


async def costs(ask: Ask, language: Language, period: Period) -> Content:
    """Read the costs of a range of days, in the transaction of *ask*."""
    covered = period.covered
    series = await read_series(ask.connection, ask.tenant_id, ask.days, ("llm_cost", "llm_calls"), covered)
    of_range = (ask.connection, ask.tenant_id, covered.keys[0], covered.keys[-1])
    models, users = await costs_by_model(*of_range), await costs_by_user(*of_range, USERS)
    cost = [read_dollars(str(value)) or 0 for value in series["llm_cost"]]
    calls = [int(value or 0) for value in series["llm_calls"]]
    sections: list[Section] = [
        _figures(language, models),
        Charts(
            language("charts"),
            [
                chart(
                    language,
                    period,
                    "llm_cost",
                    [nano / NANO for nano in cost],
                    lambda value: language.money(None if value is None else round(value * NANO)),
                    whole=False,
                    total=language.money(sum(cost)),
                ),
                chart(language, period, "llm_calls", calls, language.number, total=language.number(sum(calls))),
            ],
        ),
        _by_model(language, models),
        _by_user(language, users, sum(cost)),
    ]
    return Content(sections, ("provider", "model", *_SUMS, "cost", "unpriced_calls"), [_row(model) for model in models])


def _row(model: Cost) -> dict[str, Any]:
    provider, _, name = model.label.partition(SEPARATOR)
    sums = {column: getattr(model, column) for column in (*_SUMS, "unpriced_calls")}
    return {"provider": provider, "model": name, **sums, "cost": write_dollars(model.cost_nanodollars)}


def _figures(language: Language, models: list[Cost]) -> Figures:
    cost, calls = (sum(getattr(model, name) for model in models) for name in ("cost_nanodollars", "calls"))
    priced = calls - sum(model.unpriced_calls for model in models)
    items = [
        Figure(language("llm_cost"), language.money(cost)),
        Figure(language("llm_calls"), language.number(calls)),
        Figure(language("per_call"), language.money(round(cost / priced) if priced else None, 4)),
    ]
    for label, name in (("failed", "failed_calls"), ("input", "input_tokens"), ("output", "output_tokens")):
        items.append(Figure(language(label), language.number(sum(getattr(model, name) for model in models))))
    items.append(Figure(language("unpriced"), language.number(calls - priced)))
    return Figures(language("key_figures"), items)


def _by_model(language: Language, models: list[Cost]) -> Table:
    whole, unpriced = (sum(getattr(model, name) for model in models) for name in ("cost_nanodollars", "unpriced_calls"))
    rows = []
    for model in models:
        provider, _, name = model.label.partition(SEPARATOR)
        rows.append([breakable(name) or language("others"), breakable(provider), *_values(language, model, whole)])
    notes = [language("unpriced_note", calls=language.number(unpriced))] if unpriced else []
    notes += [language("beyond_note")] if any(not model.label for model in models) else []
    head = [Column(language("model"), wide=True), Column(language("provider")), *_head(language)]
    return Table(language("costs_by_model"), head, rows, " ".join(notes), language("no_rows"))


def _by_user(language: Language, users: list[Cost], whole: int) -> Table:
    rows = [[breakable(user.label), *_values(language, user, whole)] for user in users]
    note = language("first_users", count=language.number(USERS)) if len(users) == USERS else ""
    head = [Column(language("user"), wide=True), *_head(language)]
    return Table(language("costs_by_user"), head, rows, note, language("no_rows"))


def _head(language: Language) -> list[Column]:
    return [Column(language(name), "right") for name in _HEADS]


def _values(language: Language, row: Cost, whole: int) -> list[str]:
    return [
        *(language.number(getattr(row, name)) for name in _SUMS),
        language.money(row.cost_nanodollars, 4),
        language.share(row.cost_nanodollars, whole),
        language.number(row.unpriced_calls),
    ]
