"""How numbers, money and times are written, in both languages."""

import string

import pytest

from storage.model.clock import Days
from web.pdf.language import english, german
from web.pdf.language.words import breakable, language
from web.pdf.listing import COLUMNS
from web.pdf.report import SOURCES

VIENNA = Days("Europe/Vienna")
EN, DE = language("en", VIENNA), language("de", VIENNA)


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_each_text_is_there_in_german() -> None:
    """German has every text of English, with the same places, and a text for each printed column."""
    assert set(english.TEXTS) <= set(german.TEXTS)
    for name, text in english.TEXTS.items():
        assert places(text) == places(german.TEXTS[name]), name
    columns = {name for names in COLUMNS.values() for name in names}
    columns |= {name for source in SOURCES.values() if source.name not in COLUMNS for name in source.columns}
    assert {f"column_{name}" for name in columns} <= set(german.TEXTS)
    assert {f"list_{name}" for name in SOURCES} <= set(english.TEXTS)


@pytest.mark.parametrize(
    ("nano", "decimals", "english_text", "german_text"),
    [
        (0, 2, "$0.00", "0,00 $"),
        (3_333_333_333, 2, "$3.33", "3,33 $"),
        (3_335_000_000, 2, "$3.34", "3,34 $"),
        (1_234_567_890_000_000, 2, "$1,234,567.89", "1.234.567,89 $"),
        (999_999_999, 2, "$1.00", "1,00 $"),
        (1_500_000, 2, "$0.002", "0,002 $"),
        (1, 2, "$0.000000", "0,000000 $"),
        (12_345_678, 4, "$0.0123", "0,0123 $"),
        (-5_000_000_000, 2, "−$5.00", "−5,00 $"),  # noqa: RUF001
    ],
)
def test_money_is_rounded_from_whole_numbers(nano: int, decimals: int, english_text: str, german_text: str) -> None:
    """Money is rounded from nano-dollars, half up; what would be written as 0 has more decimals."""
    assert (EN.money(nano, decimals), DE.money(nano, decimals)) == (english_text, german_text)


def test_numbers_have_the_separators_of_the_language() -> None:
    """Counts, durations and shares are written as people of the language write them; what is not known is a dash."""
    assert (EN.number(1234567), DE.number(1234567)) == ("1,234,567", "1.234.567")
    assert (EN.seconds(0.85), DE.seconds(1.236), EN.seconds(125)) == ("850 ms", "1,24 s", "2 min 5 s")
    assert (EN.share(1, 3), DE.share(1, 3), EN.share(1, 0)) == ("33.3%", "33,3\u00a0%", "–")  # noqa: RUF001
    assert {EN.number(None), EN.money(None), EN.seconds(None)} == {"–"}  # noqa: RUF001
    assert (EN.change(3, 2), EN.change(1, 2), EN.change(2, 2)) == ("+50.0%", "−50.0%", "±0.0%")  # noqa: RUF001
    assert (EN.change(1, 0), EN.change(None, 2), EN.change(2, None)) == ("", "", "")


def test_times_are_of_the_tenants_zone() -> None:
    """A timestamp is written in the zone, on both sides of a change of the clock."""
    assert EN.moment("2026-10-25T00:30:00.000Z") == "25 Oct 2026, 02:30"
    assert EN.moment("2026-10-25T01:30:00.000Z") == "25 Oct 2026, 02:30"
    assert DE.moment("2026-03-01T23:30:07.000Z", seconds=True) == "2. März 2026, 00:30:07"


def test_long_ids_can_be_broken_and_have_an_end() -> None:
    """A word of 24 and more characters may be broken, and a text beyond 160 is cut off."""
    assert breakable("short words stay as they are") == "short words stay as they are"
    assert breakable("x" * 30) == "x" * 12 + "\u200b" + "x" * 12 + "\u200b" + "x" * 6
    assert breakable("word " * 100).endswith("…")
