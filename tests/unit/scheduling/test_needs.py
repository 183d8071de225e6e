"""Requests as columns of a fleet's tables."""

import numpy as np

from starlink.scheduling.arrays import ALL
from starlink.scheduling.needs import columns, needs_of

COLUMNS = {"cpu": 0, "memory": 1, "gpu": 2}
CAPACITY = np.array([[10, 4, 0], [10, 4, 1], [10, 4, 2]])


def lacking(requests: dict[str, int], used: list[list[int]]) -> list[int]:
    """The same, whether a part of the servers is asked for or each of them."""
    needs = needs_of(tuple(requests.items()), COLUMNS)
    found = [int(number) for number in needs.lacking(CAPACITY, np.array(used).T, ALL)]
    assert found == needs.lacking(CAPACITY, np.array(used).T, np.arange(3)).tolist()
    return found


def test_cpu_and_memory_come_first_and_are_weighed_whether_asked_or_not() -> None:
    needs = needs_of((("gpu", 1), ("memory", 2)), {**COLUMNS, "fpga": 3})
    assert needs.resources == ("cpu", "memory", "gpu")
    assert (needs.amounts.tolist(), needs.asked.tolist()) == ([0, 2, 1, 0], [1, 2])
    assert needs.weighs.tolist() == [1, 1, 1, 0]


def test_the_first_resource_that_is_lacking_counts() -> None:
    assert lacking({"cpu": 5, "gpu": 1}, [[0, 6, 0], [0, 0, 0], [0, 0, 2]]) == [2, 0, 2]
    assert lacking({"cpu": 5, "gpu": 1}, [[0, 0, 0], [0, 0, 0], [0, 0, 0]]) == [2, 3, 3]


def test_what_no_server_has_is_lacking_everywhere_unless_something_before_is() -> None:
    assert lacking({"cpu": 5, "fpga": 1, "gpu": 2}, [[0, 6, 0], [0, 0, 0], [0, 0, 0]]) == [2, 0, 2]
    assert lacking({"cpu": 5, "fpga": 0}, [[0, 6, 0], [0, 0, 0], [0, 0, 0]]) == [3, 0, 3]


def test_who_asks_for_nothing_lacks_nothing_on_an_overcommitted_server() -> None:
    assert lacking({"cpu": 0}, [[99, 99, 99], [99, 99, 99], [0, 0, 0]]) == [2, 2, 2]


def test_columns_are_those_of_the_tables_in_whatever_order_is_asked() -> None:
    assert needs_of((("gpu", 1), ("cpu", 5)), COLUMNS).amounts.tolist() == [5, 0, 1]
    for at in (ALL, np.array([2, 0]), np.array([1, 1, 2, 0, 0])):
        found = list(columns(CAPACITY, np.array([0, 2]), at))
        assert [column.tolist() for column in found] == CAPACITY[at][:, [0, 2]].T.tolist()
