"""Makes the table of shipped prices of genai-prices, which only this module needs: ``convoai-analytics prices build``.

Prices become integers of pico-dollars, conditions by date and by hours become rows with their time, and prices for a
way of processing become rows with their service tier. Whatever our calls say nothing of (seconds of audio, pages,
searches) is left out.
"""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from importlib.metadata import version
from typing import Any

import msgspec

from storage.prices.price import ALL_DAY, Rate, Rates
from storage.prices.shipped import FILE, Clause, Model, Provider, Row, Table

_PICO = Decimal(10) ** 6
"""Pico-dollars a token of a dollar a million tokens."""
_PICO_OF_REQUEST = 10**9
"""Pico-dollars a call of a dollar a thousand calls."""
_NAMES = {
    "input": "input_mtok",
    "cached_input": "cache_read_mtok",
    "cache_write": "cache_write_mtok",
    "output": "output_mtok",
    "reasoning": "output_reasoning_mtok",
}
CONTEXTS = ("processing", "service_tier", "speed")
"""The conditions of prices that the service tier of a call is taken for."""
BEGINNING = date(1970, 1, 1)
NO_TOKENS = "has no price by token: its calls are unpriced"
NO_OUTPUT = "has no price for output tokens: calls with output tokens are unpriced"
FINER = "has a price finer than a pico-dollar, which is rounded half to even"


def build() -> Table:
    """Make the table; raises ``ModuleNotFoundError`` if genai-prices is not installed."""
    from genai_prices.data import providers

    made = [
        Provider(
            provider.id,
            tuple(map(_model, provider.models)),
            None if provider.provider_match is None else _clause(provider.provider_match),
            tuple(provider.fallback_model_providers or ()),
        )
        for provider in providers
    ]
    return Table(f"genai-prices {version('genai-prices')}", tuple(made))


def write() -> None:
    """Write the table, a line for each model, so that a change of one can be seen."""
    FILE.write_text(as_text(build()))


def as_text(table: Table) -> str:
    """Write a table as JSON."""
    providers = []
    for provider in table.providers:
        fields = msgspec.to_builtins(provider)
        models = ",\n".join(json.dumps(model, separators=(",", ":")) for model in fields.pop("models"))
        head = json.dumps(fields, separators=(",", ":")).removesuffix("}")
        providers.append(f'{head},"models":[\n{models}\n]}}')
    written = ",\n".join(providers)
    return f'{{"source":{json.dumps(table.source)},"providers":[\n{written}\n]}}\n'


def _clause(clause: Any) -> Clause:
    ((name, value),) = vars(clause).items()
    if name in ("or_", "and_"):
        parts = tuple(map(_clause, value))
        return Clause(any=parts) if name == "or_" else Clause(all=parts)
    return Clause(**{name: value if name == "regex" else value.lower()})


def _model(model: Any) -> Model:
    variants = [variant for variant in model.price_variants or () if _tier(variant) is not None]
    rows = _rows(model, "")
    for tier in sorted({tier for variant in variants if (tier := _tier(variant)) is not None}):
        rows += _rows(model, tier)
    return Model(model.id, _clause(model.match), tuple(rows), tuple(_notes(model, rows)))


def _notes(model: Any, rows: Sequence[Row]) -> Iterator[str]:
    """Say why a cost may differ from the one that genai-prices computes."""
    if not rows:
        yield NO_TOKENS
    elif any(row.rates.output is None for row in rows):
        yield NO_OUTPUT
    if any(_is_finer(price) for price in _all_prices(model)):
        yield FINER


def _all_prices(model: Any) -> Iterator[Decimal]:
    conditional = model.prices if isinstance(model.prices, list) else []
    sets = [one.prices for one in (*conditional, *(model.price_variants or ()))] or [model.prices]
    if not isinstance(model.prices, list):
        sets.append(model.prices)
    for prices in sets:
        for key in _NAMES.values():
            if (price := getattr(prices, key)) is not None:
                yield from (
                    [price] if isinstance(price, Decimal) else [price.base, *(tier.price for tier in price.tiers)]
                )


def _is_finer(price: Decimal) -> bool:
    return _pico(price) != price * _PICO


def _tier(variant: Any) -> str | None:
    """Give the service tier for which a variant of prices holds; None if our calls cannot tell."""
    ((name, value),) = variant.when.items()
    return str(value) if name in CONTEXTS else None


def _rows(model: Any, tier: str) -> list[Row]:
    days, hours = _cuts(model)
    rows: list[Row] = []
    for begin, end in zip(["", *days], [*days, ""], strict=True):
        moments = [(span, _rates(_prices(model, tier, begin, span[0]))) for span in hours]
        if len({rates for _, rates in moments}) == 1:
            moments = [(ALL_DAY, moments[0][1])]
        rows += [Row(rates, tier, begin, end, span) for span, rates in moments if rates is not None]
    return _merged(rows)


def _cuts(model: Any) -> tuple[list[str], list[tuple[str, str]]]:
    """Give the days on which prices may change, and the parts of a day that may have prices of their own."""
    conditional = model.prices if isinstance(model.prices, list) else []
    constraints = [one.constraint for one in (*conditional, *(model.price_variants or ())) if one.constraint]
    days = sorted({str(one.start_date) for one in constraints if hasattr(one, "start_date")})
    bounds = [(one.start_time, one.end_time) for one in constraints if hasattr(one, "start_time")]
    times = sorted({ALL_DAY[0], *(f"{time:%H:%M}" for pair in bounds for time in pair)})
    return days, list(zip(times, [*times[1:], ALL_DAY[1]], strict=True))


def _prices(model: Any, tier: str, day: str, time: str) -> Any:
    first = date.fromisoformat(day) if day else BEGINNING
    moment = datetime.combine(first, datetime.min.time(), UTC) + timedelta(hours=int(time[:2]), minutes=int(time[3:]))
    return model.get_prices(moment, dict.fromkeys(CONTEXTS, tier) if tier else None)


def _rates(prices: Any) -> Rates | None:
    """Make rates of prices; None if none of them is one by token."""
    rates = {name: _rate(found) for name, key in _NAMES.items() if (found := getattr(prices, key)) is not None}
    if "input" not in rates and "output" not in rates:
        return None
    request = prices.requests_kcount
    return Rates(**rates, request=0 if request is None else int(request * _PICO_OF_REQUEST))


def _rate(price: Any) -> Rate:
    if isinstance(price, Decimal):
        return _pico(price)
    return ((-1, _pico(price.base)), *((tier.start, _pico(tier.price)) for tier in price.tiers))


def _pico(dollars: Decimal) -> int:
    return int((dollars * _PICO).to_integral_value(ROUND_HALF_EVEN))


def _merged(rows: Sequence[Row]) -> list[Row]:
    """Put together rows that follow each other and say the same."""
    return list(_merge(rows))


def _merge(rows: Sequence[Row]) -> Iterator[Row]:
    open_rows: dict[tuple[str, str], Row] = {}
    for row in rows:
        before = open_rows.get(row.hours)
        if before is not None and before.rates == row.rates and before.valid_until == row.valid_from:
            row = msgspec.structs.replace(before, valid_until=row.valid_until)
        elif before is not None:
            yield before
        open_rows[row.hours] = row
    yield from open_rows.values()
