"""The scale of a chart."""

from hypothesis import given
from hypothesis import strategies as st

from web.pdf.axis import LABELS, STEPS, across, scale, upright


@given(st.lists(st.none() | st.floats(0, 1e15), max_size=50), st.booleans())
def test_a_scale_holds_all_values(values: list[float | None], whole: bool) -> None:
    """No value is above the end, and there are at most four steps; those of whole numbers are whole numbers."""
    step, end = scale(values, whole=whole)
    assert all(value is None or value <= end * (1 + 1e-9) for value in values)
    marks = upright(step, end, str)
    assert 2 <= len(marks) <= STEPS + 2
    assert (marks[0][0], round(marks[-1][0], 9)) == (0, 1)
    assert not whole or step == round(step)


def test_few_points_are_labelled() -> None:
    """There are at most six labels, beneath the middle of their points."""
    assert across(["a", "b"]) == [(0.25, "a"), (0.75, "b")]
    marks = across([str(number) for number in range(366)])
    assert len(marks) <= LABELS
    assert [label for _, label in marks] == ["0", "61", "122", "183", "244", "305"]
