"""The texts of printed reports, in English and in German, and how numbers and times are written in each. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from storage.model import clock
from storage.model.clock import Days
from storage.model.money import NANO
from web.pdf.language import english, german

LanguageName = Literal["en", "de"]
NO_VALUE = "–"  # noqa: RUF001 - the dash of a table
MINUS = "−"  # noqa: RUF001 - the sign, not a hyphen


@dataclass(frozen=True)
class Language:
    """One language: ``texts`` by name, the two separators of numbers, and the zone in which times are written."""

    name: LanguageName
    texts: Mapping[str, str]
    months: tuple[str, ...]
    thousands: str
    decimal: str
    days: Days

    def __call__(self, name: str, **values: str) -> str:
        """Give a text; *values* take the places that it has."""
        return self.texts[name].format(**values)

    def column(self, name: str) -> str:
        """Name a column of a list; one without a text of its own by its own name."""
        return self.texts.get(f"column_{name}", name.replace("_", " ").capitalize())

    def number(self, value: float | None, decimals: int = 0) -> str:
        """Write a number with so many decimals."""
        if value is None:
            return NO_VALUE
        written = f"{abs(value):,.{decimals}f}".translate({44: self.thousands, 46: self.decimal})
        return f"{MINUS}{written}" if value < 0 else written

    def money(self, nano: int | None, decimals: int = 2) -> str:
        """Write nano-dollars; an amount that would be rounded to 0 has as many decimals as it needs, up to six."""
        if nano is None:
            return NO_VALUE
        while nano and decimals < 6 and abs(nano) * 10**decimals < NANO:
            decimals += 1
        unit = NANO // 10**decimals
        whole, rest = divmod((abs(nano) + unit // 2) // unit, 10**decimals)
        amount = f"{self.number(whole)}{self.decimal}{rest:0{decimals}}"
        sign = MINUS if nano < 0 else ""
        return f"{sign}${amount}" if self.name == "en" else f"{sign}{amount} $"

    def seconds(self, value: float | None) -> str:
        """Write a duration: 850 ms, 1.24 s, 2 min 5 s."""
        if value is None:
            return NO_VALUE
        if value < 0.9995:
            return f"{self.number(value * 1000)} ms"
        if value < 59.995:
            return f"{self.number(value, 2)} s"
        minutes, rest = divmod(round(value), 60)
        return f"{self.number(minutes)} min {rest} s"

    def share(self, part: float, whole: float) -> str:
        """Write what part of a whole it is; nothing if there is no whole."""
        space = "" if self.name == "en" else "\u00a0"
        return NO_VALUE if whole == 0 else f"{self.number(100 * part / whole, 1)}{space}%"

    def change(self, now: float | None, before: float | None) -> str:
        """Write how much more or less it is than before; "" where nothing can be compared."""
        if now is None or not before:
            return ""
        change = now - before
        sign = "+" if change > 0 else MINUS if change < 0 else "±"
        return f"{sign}{self.share(abs(change), abs(before))}"

    def day(self, day: str) -> str:
        """Write a local day such as ``2026-11-22``."""
        found = date.fromisoformat(day)
        month = self.months[found.month - 1]
        return f"{found.day} {month} {found.year}" if self.name == "en" else f"{found.day}. {month} {found.year}"

    def short_day(self, day: str) -> str:
        """Write a local day without its year."""
        found = date.fromisoformat(day)
        month = self.months[found.month - 1]
        return f"{found.day} {month}" if self.name == "en" else f"{found.day}. {month}"

    def moment(self, written: str, *, seconds: bool = False) -> str:
        """Write a timestamp in the tenant's zone."""
        local = self._local(written)
        return f"{self.day(local.date().isoformat())}, {local:%H:%M:%S}" if seconds else self._to_minute(local)

    def hour(self, written: str) -> str:
        """Write the time of day of a timestamp."""
        return f"{self._local(written):%H:%M}"

    def _to_minute(self, local: datetime) -> str:
        return f"{self.day(local.date().isoformat())}, {local:%H:%M}"

    def _local(self, written: str) -> datetime:
        return clock.moment(written).astimezone(self.days.zone)


def language(name: str, days: Days) -> Language:
    """Take one of the two languages; times are written in the zone of *days*."""
    if name == "de":
        return Language("de", german.TEXTS, german.MONTHS, ".", ",", days)
    return Language("en", english.TEXTS, english.MONTHS, ",", ".", days)


_LONG = re.compile(r"[^\s\u200b]{24,}")
_BREAK = 12


def breakable(value: str, longest: int = 160) -> str:
    """Let a long word, such as an id, be broken between lines; what is longer than *longest* is cut off."""
    cut = value if len(value) <= longest else value[: longest - 1] + "…"
    return _LONG.sub(lambda word: "\u200b".join(_pieces(word[0])), cut)


def _pieces(word: str) -> list[str]:
    return [word[begin : begin + _BREAK] for begin in range(0, len(word), _BREAK)]
