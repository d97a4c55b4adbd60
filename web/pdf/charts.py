"""Charts made of a column of a series: heights, axes, and in words what is to be seen. Pure."""

from collections.abc import Callable, Sequence
from typing import Literal

from web.pdf.axis import across, scale, upright
from web.pdf.document import Chart
from web.pdf.language.words import Language
from web.pdf.period import Period

Write = Callable[[float | None], str]


def point_labels(language: Language, period: Period) -> list[str]:
    """Name each point: a day by its date, an hour by its time of day."""
    if period.interval == "day":
        return [language.short_day(key) for key in period.covered.keys]
    return [language.hour(start) for start in period.covered.starts]


def chart(
    language: Language,
    period: Period,
    name: str,
    values: Sequence[float | None],
    write: Write,
    *,
    style: Literal["bars", "line"] = "bars",
    whole: bool = True,
    total: str = "",
) -> Chart:
    """Draw *values*, one a point; *total* is what they add up to, written, "" if they do not."""
    title, labels = language(name), point_labels(language, period)
    known = [value for value in values if value is not None]
    step, end = scale(values, whole=whole)
    alt = language("chart_empty", title=title)
    if known:
        alt = language(
            "chart_alt",
            title=title,
            style=language(style),
            count=language.number(len(values)),
            first=labels[0],
            last=labels[-1],
            low=write(min(known)),
            high=write(max(known)),
            total=language("chart_sum", value=total) if total else "",
        ).strip()
    heights = [None if value is None else round(value / end, 4) for value in values]
    return Chart(title, alt, style, heights, across(labels), upright(step, end, write))
