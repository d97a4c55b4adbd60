"""The digest of a summary: one rule for every language."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.digest import MEAN, digest
from storage.model.metrics import FIGURES

DIGESTS = json.loads((Path(__file__).parent.parent / "fixtures" / "frames.json").read_text())["digests"]
FIGURE = st.sampled_from([figure.name for figure in FIGURES])


@pytest.mark.parametrize("example", DIGESTS, ids=lambda example: example["digest"])
def test_a_digest_is_the_one_that_clients_are_held_to(example: dict[str, Any]) -> None:
    """The digests of the fixture, which every client of the protocol can be held to, are those made here."""
    assert digest(example["summary"]) == example["digest"]


def test_means_are_recognized_by_name() -> None:
    """The figures that may have a fraction and are no text are those whose name begins as that of a mean."""
    assert [figure.name for figure in FIGURES if figure.unit in ("seconds", "tokens a second")] == [
        figure.name for figure in FIGURES if figure.name.startswith(MEAN)
    ]


def test_money_counts_to_the_last_digit() -> None:
    """Two amounts that differ by a nano-dollar have two digests, also where floating point holds them for one."""
    one, other = "9007199254.740993001", "9007199254.740993002"
    assert float(one) == float(other)
    assert digest({"total_cost": one}) != digest({"total_cost": other})


@given(st.dictionaries(FIGURE, st.integers(0, 2**60)), FIGURE.filter(lambda name: not name.startswith(MEAN)))
def test_no_figure_can_be_off_by_one(summary: dict[str, int], name: str) -> None:
    """A digest tells two summaries apart that differ in one figure, however little, and ignores their order."""
    backwards = dict(reversed(summary.items()))
    assert digest(backwards) == digest(summary)
    assert digest({**summary, name: summary.get(name, 0) + 1}) != digest({**summary, name: summary.get(name, 0)})
