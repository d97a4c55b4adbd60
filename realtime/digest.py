"""The digests of a summary and of a breakdown, by which a subscriber finds out whether it shows what the service holds.
Pure.

They are taken over text, whole numbers and money, which is decimal text: how a mean is written differs from language
to language.
"""

import zlib
from collections.abc import Mapping
from typing import Any

MEAN = "avg_"
"""How the names of means begin. By name, since JavaScript cannot tell a mean of 1.0 from the count 1."""


def digest(summary: Mapping[str, int | float | str | None]) -> str:
    """Give the CRC-32 of the sorted ``name=value`` lines, as 8 hex digits; means and nulls are left out.

    It costs 5 us, once for all subscribers at one position.
    """
    counts = sorted((name, value) for name, value in summary.items() if value is not None and not name.startswith(MEAN))
    lines = "\n".join(f"{name}={value}" for name, value in counts)
    return f"{zlib.crc32(lines.encode()):08x}"


SECONDS = "seconds"
"""The unit of metrics whose values are left out."""
_OF_ALL = ("total", "count", "unpriced_calls", "rows")
_OF_ROW = ("label", "second", "username", "value", "count", "unpriced_calls")


def breakdown_digest(breakdown: Mapping[str, Any]) -> str:
    """Give the CRC-32 of one line for all rows together, and one for each row in their order; as 8 hex digits.

    The fields of a line are separated by tabs; null is empty, and so are values in seconds. 50 rows cost 80 us.
    """
    left_out = {"total", "value"} if breakdown["unit"] == SECONDS else set()
    lines = [_line(breakdown, _OF_ALL, left_out), *(_line(item, _OF_ROW, left_out) for item in breakdown["items"])]
    return f"{zlib.crc32(chr(10).join(lines).encode()):08x}"


def _line(fields: Mapping[str, Any], names: tuple[str, ...], left_out: set[str]) -> str:
    values = ("" if name in left_out else fields[name] for name in names)
    return "\t".join("" if value is None else str(value) for value in values)
