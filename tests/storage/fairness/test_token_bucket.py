"""The token bucket."""

from hypothesis import given
from hypothesis import strategies as st

from storage.fairness.token_bucket import TokenBucket

STEPS = st.lists(st.tuples(st.floats(0, 3), st.integers(1, 50)), max_size=60)


@given(STEPS)
def test_no_more_than_the_rate_is_taken(steps: list[tuple[float, int]]) -> None:
    """Whatever is asked for and when: what was taken before the last one never exceeds burst and rate."""
    rate, burst, now, taken = 5.0, 20.0, 0.0, 0.0
    bucket = TokenBucket(rate, burst, now)
    for pause, tokens in steps:
        now += pause
        if bucket.wait(now) == 0:
            assert taken <= burst + rate * now - 1 + 1e-6
            bucket.take(tokens, now)
            taken += tokens


@given(STEPS)
def test_waiting_is_enough(steps: list[tuple[float, int]]) -> None:
    """Who waits as long as it is told is let in, and not much sooner."""
    now = 0.0
    bucket = TokenBucket(5.0, 20.0, now)
    for pause, tokens in steps:
        now += pause
        wait = bucket.wait(now)
        if wait > 0.01:
            assert bucket.wait(now + wait - 0.01) > 0
        now += wait + 1e-6
        assert bucket.wait(now) == 0
        bucket.take(tokens, now)
    assert bucket.is_full(now + 3600)
