"""Which characters the report's font can show: a PDF/UA-1 file must not have any other. Pure, but for reading the font.

The table ``cmap`` of an OpenType file maps characters to glyphs; formats 4 and 12 are those of Unicode's first
plane, and of all planes (Microsoft, OpenType specification 1.9, "cmap").
"""

import struct
import unicodedata
from functools import cache
from pathlib import Path

FONTS = Path(__file__).parent / "fonts"
MISSING = "\ufffd"
"""Unicode's replacement character, an empty box here. It stands for a character that the font does not have."""
_FORMAT_4, _FORMAT_12 = 4, 12


def _ranges(font: bytes) -> list[tuple[int, int]]:
    """Read the first and last character of each run that a font has."""
    tables = struct.unpack_from(">H", font, 4)[0]
    entries = [struct.unpack_from(">4sLLL", font, 12 + 16 * index) for index in range(tables)]
    begin = next(offset for tag, _, offset, _ in entries if tag == b"cmap")
    found: list[tuple[int, int]] = []
    for index in range(struct.unpack_from(">H", font, begin + 2)[0]):
        _, _, offset = struct.unpack_from(">HHL", font, begin + 4 + 8 * index)
        found += _runs(font, begin + offset)
    return found


def _runs(font: bytes, at: int) -> list[tuple[int, int]]:
    kind = struct.unpack_from(">H", font, at)[0]
    if kind == _FORMAT_12:
        count = struct.unpack_from(">L", font, at + 12)[0]
        groups = (struct.unpack_from(">LLL", font, at + 16 + 12 * index) for index in range(count))
        return [(first, last) for first, last, _ in groups]
    if kind == _FORMAT_4:
        half = struct.unpack_from(">H", font, at + 6)[0] // 2
        ends = struct.unpack_from(f">{half}H", font, at + 14)
        starts = struct.unpack_from(f">{half}H", font, at + 16 + 2 * half)
        return [(first, last) for first, last in zip(starts, ends, strict=True) if first != 0xFFFF]
    return []


@cache
def known() -> frozenset[str]:
    """Give the characters that every weight of the font has."""
    per_font = [
        {chr(code) for first, last in _ranges(path.read_bytes()) for code in range(first, last + 1)}
        for path in sorted(FONTS.glob("*.ttf"))
    ]
    return frozenset.intersection(*map(frozenset, per_font))


_INVISIBLE = frozenset("\u200b\u00a0")
"""Where a line may be broken, and a space at which it may not."""
_CONTROLS = frozenset(("Cc", "Cf", "Zl", "Zp", "Zs"))


def showable(text: str) -> str:
    """Replace what cannot be shown by :data:`MISSING`; controls, line breaks and marks of direction become spaces."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_shown, unicodedata.normalize("NFC", text)))


def _shown(character: str) -> str:
    if character in _INVISIBLE:
        return character
    if unicodedata.category(character) in _CONTROLS:
        return " "
    return character if character in known() else MISSING
