"""A price: what the tokens of a model cost for some time, and what a call costs by it. Pure; integers alone.

A price never changes: its id is made of its content, so the id beside a stored cost proves by what it was computed.
"""

import hashlib
from collections.abc import Iterator
from functools import cached_property

import msgspec
from msgspec import Struct

from storage.model.events import LlmCall, NanoDollars

PICO_OF_NANO = 1000
MAX_RATE = 10**10
"""Pico-dollars a token: 10,000 dollars a million tokens."""
ALL_DAY = ("00:00", "24:00")

Steps = tuple[tuple[int, int], ...]
"""``(above, pico)``: of a call with more input tokens than *above*, a token of the kind costs so many pico-dollars."""
Rate = int | Steps
"""Pico-dollars a token: one number, or steps whose first one is above -1."""


class Rates(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Pico-dollars for each token by kind, and for each call (``request``). None: no price of its own.

    Tokens of a part without a price of its own cost what the whole does: cached ones as input, reasoning as output.
    """

    input: Rate | None = None
    cached_input: Rate | None = None
    cache_write: Rate | None = None
    output: Rate | None = None
    reasoning: Rate | None = None
    request: int = 0


class Price(Struct, frozen=True, omit_defaults=True, dict=True):
    """The price of one model of a provider, for one service tier ("": all that have none of their own).

    It is valid from ``valid_from`` until before ``valid_until`` (days of UTC; "": without an end), and of each day in
    the ``hours`` of UTC.
    """

    provider: str
    model: str
    rates: Rates
    service_tier: str = ""
    valid_from: str = ""
    valid_until: str = ""
    hours: tuple[str, str] = ALL_DAY

    @cached_property
    def id(self) -> str:
        """16 hex digits of the SHA-256 of the price's JSON."""
        return hashlib.sha256(self.encode()).hexdigest()[:16]

    def encode(self) -> bytes:
        """Write the price as JSON, always in the same way."""
        return msgspec.json.encode(self)

    def is_valid(self, at: str) -> bool:
        """Say whether the price is valid at a timestamp."""
        day, time = at[:10], at[11:16]
        return self._has_begun(day) and self.hours[0] <= time < self.hours[1]

    def _has_begun(self, day: str) -> bool:
        return self.valid_from <= day and (not self.valid_until or day < self.valid_until)

    def cost(self, call: LlmCall) -> NanoDollars | None:
        """Say what a call costs, half to even; None if tokens that cost something are unknown, or known ones have no
        price."""
        pico = self.rates.request
        for tokens, rate in _parts(self.rates, call):
            if rate is None:
                if tokens:
                    return None
            elif tokens is None:
                if _highest(rate):
                    return None
            else:
                pico += tokens * _at(rate, call.input_tokens or 0)
        return NanoDollars(_nano(pico))


_DECODER = msgspec.json.Decoder(Price)


def decode(body: bytes | str) -> Price:
    """Read what :meth:`Price.encode` wrote; raises ``msgspec.MsgspecError`` if it is anything else."""
    return _DECODER.decode(body)


def _parts(rates: Rates, call: LlmCall) -> Iterator[tuple[int | None, Rate | None]]:
    """Give the tokens of each kind with their rate: of a whole what its parts with a rate leave. None: unknown."""
    cached = 0 if rates.cached_input is None else call.cached_input_tokens or 0
    written = 0 if rates.cache_write is None else call.cache_write_tokens or 0
    reasoning = 0 if rates.reasoning is None else call.reasoning_tokens or 0
    yield None if call.input_tokens is None else call.input_tokens - cached - written, rates.input
    yield None if call.output_tokens is None else call.output_tokens - reasoning, rates.output
    yield cached, rates.cached_input
    yield written, rates.cache_write
    yield reasoning, rates.reasoning


def _at(rate: Rate, input_tokens: int) -> int:
    if isinstance(rate, int):
        return rate
    return next(pico for above, pico in reversed(rate) if input_tokens > above)


def _highest(rate: Rate) -> int:
    return rate if isinstance(rate, int) else max(pico for _, pico in rate)


def _nano(pico: int) -> int:
    nano, rest = divmod(pico, PICO_OF_NANO)
    half = PICO_OF_NANO // 2
    return nano + (rest > half or (rest == half and nano % 2 == 1))
