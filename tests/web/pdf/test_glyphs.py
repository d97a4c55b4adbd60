"""Which characters a report can show."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from web.pdf.typesetting.glyphs import FONTS, MISSING, known, showable


def test_the_font_has_what_europe_writes() -> None:
    """Latin, Greek and Cyrillic letters are there, and the signs that reports use."""
    assert set("Žluťoučký Ærøskøbing ΑΩαω Ђћ İstanbul Việt €$%±·…") | set("\u2013\u2212\ufffd") <= known()
    assert (FONTS / "LICENSE.txt").is_file()
    assert sorted(Path(FONTS).glob("*.ttf"))


def test_what_cannot_be_shown_has_a_sign() -> None:
    """A character without a glyph becomes a box, one that cannot be seen a space; letters with marks are kept."""
    assert showable("中文 😀") == f"{MISSING * 2} {MISSING}"
    assert showable("a\u202eb\nc\0d") == "a b c d"
    assert showable("e\u0301") == "é"
    assert showable("a\u200bb") == "a\u200bb"


@given(st.text())
def test_every_text_becomes_one_that_can_be_shown(text: str) -> None:
    """Whatever a text has, all of the result is in the font, or is a place where a line may be broken."""
    assert set(showable(text)) <= known() | {"\u200b", "\u00a0"}
