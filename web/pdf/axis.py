"""The scale of a chart, and the labels of its axes. Pure."""

import math
from collections.abc import Callable, Sequence

from web.pdf.document import Mark

STEPS = 4
"""How many steps the upright axis has, at the most; there are at least two."""
_NOTHING = 1e-9
LABELS = 6
"""How many labels there are beneath a chart, at the most."""


def scale(values: Sequence[float | None], *, whole: bool) -> tuple[float, float]:
    """Give the step of the upright axis and its end: 1, 2 or 5 times a power of ten; at least 1 of *whole* numbers."""
    highest = max((value for value in values if value is not None), default=0.0)
    if highest < _NOTHING:
        return 1.0, 1.0
    power = 10 ** math.floor(math.log10(highest / STEPS))
    step = next(step * power for step in (1, 2, 5, 10) if step * power * STEPS >= highest)
    step = max(step, 1.0) if whole else step
    return step, step * math.ceil(highest / step)


def upright(step: float, end: float, write: Callable[[float], str]) -> list[Mark]:
    """Label the upright axis at each step."""
    return [(index * step / end, write(index * step)) for index in range(round(end / step) + 1)]


def across(labels: Sequence[str]) -> list[Mark]:
    """Label some of the points, evenly; each label stands beneath the middle of its point."""
    count = len(labels)
    every = max(1, math.ceil(count / LABELS))
    return [((index + 0.5) / count, labels[index]) for index in range(0, count, every)]
