"""The pace of moves."""

from hypothesis import given
from hypothesis import strategies as st

from starlink.engine.foresight.rebalancing import MINUTE, pause


def test_a_minute_has_no_more_than_the_most() -> None:
    assert pause([], 0.0, 2) == 0.0
    assert pause([0.0], 10.0, 2) == 0.0
    assert pause([0.0, 10.0], 20.0, 2) == 40.0
    assert pause([0.0, 10.0], 60.0, 2) == 0.0


@given(st.integers(1, 5), st.lists(st.floats(0, 30, allow_nan=False), max_size=30))
def test_at_any_time(most: int, works: list[float]) -> None:
    now, started = 0.0, list[float]()
    for work in works:
        now += pause(started, now, most)
        started.append(now)
        now += work
    for at in started:
        assert sum(1 for other in started if at - MINUTE + 1e-6 < other <= at) <= most
