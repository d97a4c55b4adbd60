"""Money: decimal text of US dollars, as it is posted and answered, and integer nano-dollars, as it is kept. Pure."""

import re

NANO = 1_000_000_000
"""Nano-dollars of a dollar."""
_DECIMALS = 9
_WRITTEN = re.compile(r"([0-9]{1,9})(?:\.([0-9]{1,30}))?", re.ASCII)


def read_dollars(written: str) -> int | None:
    """Read decimal text such as ``0.0123``, half to even beyond nine decimals; None if it is anything else."""
    found = _WRITTEN.fullmatch(written)
    if found is None:
        return None
    whole, decimals = int(found[1]), found[2] or ""
    nano = whole * NANO + int(decimals[:_DECIMALS].ljust(_DECIMALS, "0"))
    rest = decimals[_DECIMALS:].rstrip("0")
    # As text: "5" is the half exactly, and whatever sorts behind it is more.
    return nano + (rest > "5" or (rest == "5" and nano % 2 == 1))


def write_dollars(nano: int) -> str:
    """Write nano-dollars as decimal text, without zeros at the end: ``0.0123``, ``12.4``, ``3``."""
    whole, rest = divmod(abs(nano), NANO)
    decimals = f".{rest:09}".rstrip("0") if rest else ""
    return f"{'-' if nano < 0 else ''}{whole}{decimals}"
