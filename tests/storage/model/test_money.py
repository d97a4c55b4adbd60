"""Money: decimal text and integer nano-dollars."""

from decimal import ROUND_HALF_EVEN, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.model.money import read_dollars, write_dollars

NANO = Decimal("1e-9")


@given(st.decimals(0, 10**6, places=14))
def test_text_becomes_the_nearest_nano_dollar(cost: Decimal) -> None:
    """Decimal text is read as the decimal module rounds it, half to even."""
    assert read_dollars(format(cost, "f")) == int(cost.quantize(NANO, ROUND_HALF_EVEN).scaleb(9))


@given(st.integers(-(2**63), 2**63))
def test_what_is_written_is_the_same_amount(nano: int) -> None:
    """Nano-dollars are written as exact decimal text, without zeros at the end."""
    written = write_dollars(nano)
    assert Decimal(written).scaleb(9) == nano
    assert "." not in written or written[-1] != "0"
    assert nano < 0 or nano >= 10**18 or read_dollars(written) == nano


@pytest.mark.parametrize("written", ["", ".5", "5.", "-1", "+1", "1e3", "1,5", " 1", "٣", "NaN", "1" * 10])
def test_other_text_is_none(written: str) -> None:
    """What is no decimal text of an amount is not read."""
    assert read_dollars(written) is None
