"""A row of the table: what was measured, the figure, the target, and whether it is reached."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    what: str
    figure: str
    target: str
    reached: bool


@dataclass(frozen=True)
class Ratio:
    """How two sides compare: ``rounds`` holds (ours, theirs), each pair measured one right after the other."""

    rounds: Sequence[tuple[float, float]]

    @property
    def value(self) -> float:
        """The median of the rounds' ratios: what slows the machine for a while slows both sides of a round."""
        return median(ours / theirs for ours, theirs in self.rounds)

    def show(self, unit: str, decimals: int = 0) -> str:
        """Write the ratio, its spread over the rounds, and the medians of both sides in *unit*."""
        each = [ours / theirs for ours, theirs in self.rounds]
        ours, theirs = (median(side) for side in zip(*self.rounds, strict=True))
        spread = f"{min(each):.2f}-{max(each):.2f}"
        return f"{self.value:.2f} ({spread}; {ours:,.{decimals}f} to {theirs:,.{decimals}f} {unit})"


def table(rows: Sequence[Row]) -> str:
    """Write *rows* as text."""
    cells = [("what", "measured", "target", "reached")]
    cells += [(row.what, row.figure, row.target, "yes" if row.reached else "NO") for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])
