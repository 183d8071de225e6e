"""Pauses grow by their factor up to the longest, whatever they are asked."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from starlink.backoff import Pauses


@pytest.mark.parametrize(("pauses", "seconds"), [
    (Pauses(1.0, 300.0), [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]),
    (Pauses(0.1, 0.4, 1.5), [0.1, 0.15, 0.225, 0.3375, 0.4, 0.4]),
    (Pauses(5.0, 1.0), [1.0, 1.0]),
])  # fmt: skip
def test_pauses_grow_up_to_the_longest(pauses: Pauses, seconds: list[float]) -> None:
    assert [pauses.after(failures) for failures in range(1, len(seconds) + 1)] == pytest.approx(seconds)
    assert list(itertools.islice(pauses, len(seconds))) == pytest.approx(seconds)


def test_before_any_failure_the_pause_is_the_first() -> None:
    assert Pauses(1.0, 300.0).after(0) == 1.0


@given(st.floats(0, 1e300), st.floats(0, 1e300), st.floats(1, 10), st.integers(0, 10**9))
def test_no_pause_is_longer_than_the_longest(first: float, longest: float, factor: float, failures: int) -> None:
    assert 0 <= Pauses(first, longest, factor).after(failures) <= longest
