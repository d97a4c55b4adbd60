"""The prices that ship with the service, against genai-prices itself."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import pytest
from genai_prices import Usage
from genai_prices.data import providers
from genai_prices.data_snapshot import get_snapshot

from storage.model import clock
from storage.model.events import LlmCall
from storage.prices import build
from storage.prices.price import Price
from storage.prices.pricing import find_price
from storage.prices.shipped import FILE, prices_of, table

TOKENS: list[dict[str, Any]] = [
    {"input_tokens": 0, "output_tokens": 0},
    {"input_tokens": 1, "output_tokens": 1},
    {"input_tokens": 1500, "cached_input_tokens": 999, "cache_write_tokens": 333, "output_tokens": 777},
    {"input_tokens": 200_000, "cached_input_tokens": 77_777, "output_tokens": 12_345, "reasoning_tokens": 2_345},
    {"input_tokens": 1_234_567, "cache_write_tokens": 234_567, "output_tokens": 65_536, "reasoning_tokens": 65_535},
    {"input_tokens": 2**31 - 1, "cached_input_tokens": 2**30, "output_tokens": 2**31 - 1},
]
USAGE = {
    "input_tokens": "input_tokens",
    "cached_input_tokens": "cache_read_tokens",
    "cache_write_tokens": "cache_write_tokens",
    "output_tokens": "output_tokens",
    "reasoning_tokens": "output_reasoning_tokens",
}
BY_PROVIDER = {provider.id: provider for provider in table().providers}


def test_the_table_is_what_is_built() -> None:
    """The file of prices is what ``prices build`` makes of the genai-prices that is installed."""
    assert FILE.read_text() == build.as_text(build.build())


def moments(model: Any) -> Iterator[datetime]:
    """The times at which prices of a model may change, and moments just before."""
    yield datetime(2025, 1, 1, 12, tzinfo=UTC)
    days, hours = build._cuts(model)
    for day in ["2026-11-30", *days]:
        for begin, _ in hours:
            moment = datetime.fromisoformat(f"{day}T{begin}:00+00:00")
            yield from (moment, moment - timedelta(milliseconds=1))


def tiers(model: Any) -> set[str | None]:
    return {None, "batch", *(next(iter(variant.when.values())) for variant in model.price_variants or ())}


def expected(model: Any, provider: Any, tokens: dict[str, Any], moment: datetime, tier: str | None) -> int:
    usage = Usage(**{USAGE[name]: count for name, count in tokens.items()})
    context = None if tier is None else dict.fromkeys(build.CONTEXTS, tier)
    found = model.calc_price(usage, provider, genai_request_timestamp=moment, price_context=context)
    return int(found.total_price.quantize(Decimal("1e-9"), ROUND_HALF_EVEN).scaleb(9))


def cost(prices: tuple[Price, ...], call: LlmCall, at: str) -> int | None:
    from storage.prices.shipped import price_at

    price = price_at(prices, call.service_tier, at)
    return None if price is None else price.cost(call)


@pytest.mark.parametrize("provider", providers, ids=lambda provider: provider.id)
def test_costs_are_those_of_genai_prices(provider: Any) -> None:
    """For every model, over numbers of tokens, dates, hours and service tiers, the cost is that of genai-prices to the
    nano-dollar; where it is not, the model's notes say why."""
    reasons: Counter[str] = Counter()
    for model, ours in zip(provider.models, BY_PROVIDER[provider.id].models, strict=True):
        prices = ours.prices(provider.id)
        for tier in tiers(model):
            for moment in moments(model):
                for tokens in TOKENS:
                    call = LlmCall(provider=provider.id, model=model.id, operation="chat", service_tier=tier, **tokens)
                    found, wanted = (
                        cost(prices, call, clock.text(moment)),
                        expected(model, provider, tokens, moment, tier),
                    )
                    if found != wanted:
                        assert ours.notes, (model.id, tier, moment, tokens, found, wanted)
                        assert found is None or build.FINER in ours.notes
                        reasons.update(ours.notes)
    assert set(reasons) <= {build.NO_TOKENS, build.NO_OUTPUT, build.FINER}


def names(provider: Any) -> Iterator[str]:
    """Names by which models of a provider are called: their ids, what their clauses name, and variations."""
    for model in BY_PROVIDER[provider.id].models:
        yield model.id
        for clause in model.match.parts():
            literal = clause.equals or clause.starts_with or clause.contains or clause.ends_with
            if literal:
                yield from (literal, f"{literal}-20251211", f"x{literal}", literal.upper())


@pytest.mark.parametrize("provider", providers, ids=lambda provider: provider.id)
def test_names_mean_the_same_model(provider: Any) -> None:
    """A name of a model means the model that it means to genai-prices, or none where it means none."""
    snapshot = get_snapshot()
    place = {id(model): (each.id, number) for each in providers for number, model in enumerate(each.models)}
    for name in set(names(provider)):
        wanted = set()
        try:
            _, model = snapshot.find_provider_model(name, None, provider.id, None)
        except LookupError:
            pass
        else:
            owner, number = place[id(model)]
            ours = BY_PROVIDER[owner].models[number]
            wanted = {(owner, ours.id)} if ours.rows else set()
        assert {(price.provider, price.model) for price in prices_of(provider.id, name)} == wanted, name


@pytest.mark.parametrize(
    ("provider", "known"),
    [
        ("openai", "openai"),
        ("OpenAI", "openai"),
        ("aws.bedrock", "aws"),
        ("gcp.vertex_ai", "google"),
        ("nobody", None),
        ("", None),
    ],
)
def test_providers_have_several_names(provider: str, known: str | None) -> None:
    """A provider is found by its id, or by the names that its clause matches; another one has no prices."""
    model = {"openai": "gpt-4o", "aws": "amazon.nova-lite-v1:0", "google": "gemini-2.5-flash"}.get(
        known or "", "gpt-4o"
    )
    call = LlmCall(provider=provider, model=model, operation="chat")
    price = find_price(call, "2026-11-30T12:00:00.000Z", {})
    assert (price.provider if price else None) == known
