"""The prices that ship with the service: which model a name means, and its price at a time. Read when first needed.

Names of providers and models are open sets. Which one a name means is said by clauses, as in the source of the prices:
the first model whose clause matches is meant.
"""

import re
from functools import cache, cached_property, lru_cache
from pathlib import Path

import msgspec
from msgspec import Struct

from storage.prices.price import ALL_DAY, Price, Rates

FILE = Path(__file__).parent / "prices.json"
"""What ``convoai-analytics prices build`` writes."""
REMEMBERED = 4096
"""Names whose model is remembered; to look one up takes up to 100 us."""
_COMPACT_DATE = re.compile(r"-(20[0-9]{2})(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])(?=-|:|$)", re.ASCII)


class Clause(Struct, frozen=True, omit_defaults=True, dict=True):
    """A condition on a name in small letters; exactly one field is set."""

    equals: str | None = None
    starts_with: str | None = None
    ends_with: str | None = None
    contains: str | None = None
    regex: str | None = None
    any: "tuple[Clause, ...] | None" = None
    all: "tuple[Clause, ...] | None" = None

    def matches(self, name: str) -> bool:
        """Say whether the *name* is meant."""
        if self.equals is not None:
            return name == self.equals
        if self.starts_with is not None:
            return name.startswith(self.starts_with)
        if self.ends_with is not None:
            return name.endswith(self.ends_with)
        if self.contains is not None:
            return self.contains in name
        if self.regex is not None:
            return self._pattern.search(name) is not None
        if self.any is not None:
            return any(clause.matches(name) for clause in self.any)
        return self.all is not None and all(clause.matches(name) for clause in self.all)

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile(self.regex or "")

    def parts(self) -> "tuple[Clause, ...]":
        """Give clauses one of which matches where this one does."""
        return (self,) if self.any is None else tuple(part for clause in self.any for part in clause.parts())


class Row(Struct, frozen=True, array_like=True, omit_defaults=True):
    """A price in the file, without the names of its provider and model."""

    rates: Rates
    service_tier: str = ""
    valid_from: str = ""
    valid_until: str = ""
    hours: tuple[str, str] = ALL_DAY


class Model(Struct, frozen=True, omit_defaults=True):
    """A model of a provider, and the names that mean it.

    ``notes`` say where costs differ from those that the source of the prices computes.
    """

    id: str
    match: Clause
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()

    def prices(self, provider: str) -> tuple[Price, ...]:
        """Give its prices."""
        return tuple(
            Price(provider, self.id, row.rates, row.service_tier, row.valid_from, row.valid_until, row.hours)
            for row in self.rows
        )


class Provider(Struct, frozen=True, omit_defaults=True, dict=True):
    """A provider, the names that mean it (None: its id alone), and whose models it runs beside its own."""

    id: str
    models: tuple[Model, ...]
    match: Clause | None = None
    runs: tuple[str, ...] = ()

    def find(self, name: str) -> Model | None:
        """Find the first model that a name means."""
        found = self._exact.get(name, len(self.models))
        for number, clause in self._others:
            if number >= found:
                break
            if clause.matches(name):
                return self.models[number]
        return self.models[found] if found < len(self.models) else None

    @cached_property
    def _exact(self) -> dict[str, int]:
        """The first model of each name that is told exactly."""
        found: dict[str, int] = {}
        for number, model in enumerate(self.models):
            for clause in model.match.parts():
                if clause.equals is not None:
                    found.setdefault(clause.equals, number)
        return found

    @cached_property
    def _others(self) -> list[tuple[int, Clause]]:
        return [
            (number, clause)
            for number, model in enumerate(self.models)
            for clause in model.match.parts()
            if clause.equals is None
        ]


class Table(Struct, frozen=True):
    """All shipped prices, and what they were made from."""

    source: str
    providers: tuple[Provider, ...]


@cache
def table() -> Table:
    """Read the shipped prices."""
    return msgspec.json.decode(FILE.read_bytes(), type=Table)


@lru_cache(REMEMBERED)
def prices_of(provider: str, model: str) -> tuple[Price, ...]:
    """Give the shipped prices of the model that the names mean; none if there is none.

    A model of another provider, which this one runs, has that provider's prices, and none for service tiers.
    """
    provider, model = provider.lower().strip(), model.lower()
    if provider == "litellm" and "/" in model:
        first, _, rest = model.partition("/")
        if _provider(first) is not None:
            provider, model = first, rest
    found = _provider(provider)
    if found is None:
        return ()
    prices = _find(found, model)
    if prices is None:
        # Some gateways write dates without hyphens, which the clauses do not know.
        prices = _find(found, _COMPACT_DATE.sub(r"-\1-\2-\3", model))
    return prices or ()


def price_at(prices: tuple[Price, ...], service_tier: str | None, at: str) -> Price | None:
    """Choose the price for a service tier at a time, or that for all others; None if none is valid then."""
    for tier in dict.fromkeys((service_tier or "", "")):
        for price in prices:
            if price.service_tier == tier and price.is_valid(at):
                return price
    return None


def _provider(name: str) -> Provider | None:
    for provider in table().providers:
        if provider.id == name:
            return provider
    return next((one for one in table().providers if one.match is not None and one.match.matches(name)), None)


def _find(provider: Provider, name: str) -> tuple[Price, ...] | None:
    model = provider.find(name)
    if model is not None:
        return model.prices(provider.id)
    for other in (one for name_of in provider.runs for one in table().providers if one.id == name_of):
        if (model := other.find(name)) is not None:
            return tuple(price for price in model.prices(other.id) if not price.service_tier)
    return None
