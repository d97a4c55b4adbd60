"""What a client would rather have: the headers Accept and Accept-Encoding (RFC 9110, 12.5)."""

import re
from collections.abc import Iterator

MAX_LENGTH = 2048
"""Characters of a header that are looked at: browsers send 150, and 60,000 would take 50 ms."""

_WEIGHT = re.compile(r"0(\.[0-9]{0,3})?|1(\.0{0,3})?")


def prefers(header: str, media: str, usual: str) -> bool:
    """Tell whether *media* is wanted more than the *usual* one, which answers those who do not say.

    Of two that weigh the same, the one that is named more exactly wins: ``text/csv, */*`` asks for CSV.
    """
    weight, exactness = _rank(header, media)
    return weight > 0 and (weight, exactness) > _rank(header, usual)


def takes_gzip(header: str) -> bool:
    """Tell whether an answer may be gzipped."""
    weights = dict(_weighed(header))
    return weights.get("gzip", weights.get("*", 0.0)) > 0


def _rank(header: str, media: str) -> tuple[float, int]:
    """Give the weight of *media*, and how exactly it is named: the most exact range that matches decides."""
    ranges = ("*/*", f"{media.partition('/')[0]}/*", media)
    matches = [(ranges.index(name), weight) for name, weight in _weighed(header) if name in ranges]
    exactness, weight = max(matches, default=(-1, 0.0))
    return weight, exactness


def _weighed(header: str) -> Iterator[tuple[str, float]]:
    """Split a header into names and weights; what is not well written is passed over."""
    for item in header[:MAX_LENGTH].lower().split(","):
        name, *parameters = (part.strip() for part in item.split(";"))
        given = [part.removeprefix("q=") for part in parameters if part.startswith("q=")]
        if name and all(_WEIGHT.fullmatch(weight) for weight in given):
            yield name, float(given[-1]) if given else 1.0
