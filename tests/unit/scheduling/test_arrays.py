"""Servers are counted alike, whether few or many."""

import numpy as np
import pytest

from starlink.scheduling.arrays import counted, distinct


@pytest.mark.parametrize("times", (0, 1, 30, 100))
def test_each_server_once_in_rising_order_and_how_often_it_is_there(times: int) -> None:
    indices, numbers = counted(np.array([7, 2, 7, 0] * times, np.intp))
    assert indices.tolist() == ([0, 2, 7] if times else [])
    assert numbers.tolist() == ([times, times, 2 * times] if times else [])


def test_different_codes_in_rising_order() -> None:
    assert distinct(np.array([3, 0, 3, 5])).tolist() == [0, 3, 5]
    assert distinct(np.array([], np.intp)).tolist() == []
