"""What is kept by server is worked out again where charges have changed, and nowhere else."""

import numpy as np

from starlink.scheduling.arrays import Amounts, At
from starlink.scheduling.upkeep import Upkeep


class Work:
    """Charges by server, and of which servers they were looked at."""

    def __init__(self, servers: int) -> None:
        self.charges = np.zeros(servers, np.int64)
        self.looked: list[int] = []

    def __call__(self, at: At) -> tuple[Amounts]:
        self.looked += np.arange(len(self.charges))[at].tolist()
        return (self.charges[at].copy(),)


def test_only_what_was_touched_is_worked_out_again() -> None:
    work, upkeep = Work(5), Upkeep(5)
    assert upkeep.kept("a", work)[0].tolist() == [0, 0, 0, 0, 0]
    work.looked.clear()
    work.charges[[1, 3]] = 7, 9
    upkeep.touch(1)
    upkeep.touch(np.array([3]))
    assert upkeep.kept("a", work)[0].tolist() == [0, 7, 0, 9, 0]
    assert upkeep.kept("a", work)[0].tolist() == [0, 7, 0, 9, 0]
    assert work.looked == [1, 3]


def test_each_array_catches_up_from_where_it_was() -> None:
    work, upkeep = Work(9), Upkeep(9)
    for key, server in (("a", 2), ("b", 4), ("a", 6), ("b", 8), ("a", 0)):
        work.charges[server] += 1
        upkeep.touch(server)
        assert upkeep.kept(key, work)[0].tolist() == work.charges.tolist()


def test_where_most_have_changed_all_are_worked_out() -> None:
    work, upkeep = Work(9), Upkeep(9)
    upkeep.kept("a", work)[0]
    work.charges[:5] = 1
    upkeep.touch(np.arange(5))
    assert upkeep.kept("a", work)[0].tolist() == [1, 1, 1, 1, 1, 0, 0, 0, 0]


def test_what_was_asked_for_least_lately_is_dropped_when_there_is_too_much() -> None:
    work, upkeep = Work(10), Upkeep(10, most=2 * 10 * 8)
    for key in ("a", "b", "a", "c"):
        upkeep.kept(key, work)[0]
    work.looked.clear()
    upkeep.kept("a", work)[0]
    assert work.looked == []
    upkeep.kept("b", work)[0]
    assert work.looked == list(range(10))


def test_one_array_is_kept_however_large() -> None:
    work, upkeep = Work(10), Upkeep(10, most=1)
    upkeep.kept("a", work)[0]
    upkeep.kept("a", work)[0]
    assert len(work.looked) == 10


def test_no_servers() -> None:
    assert Upkeep(0).kept("a", Work(0))[0].tolist() == []
