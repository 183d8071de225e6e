"""How much a pool may still take."""

from dataclasses import replace

import pytest

from starlink.scheduling.pool import UNLIMITED, FleetPool, borrowed, room

GIVER = FleetPool("giver", quota={"cpu": 10}, cohort="lab", lend={"cpu": 6})
TAKER = FleetPool("taker", quota={"cpu": 4}, cohort="lab", borrow={"cpu": 5})
FREE = FleetPool("free", quota={"cpu": 1}, cohort="lab")
STRANGER = FleetPool("stranger", quota={"cpu": 3})
POOLS = {pool.name: pool for pool in (GIVER, TAKER, FREE, STRANGER)}


def rooms(**used: int) -> dict[str, int]:
    usage = {name: {"cpu": used.get(name, 0)} for name in POOLS}
    return {name: room(POOLS, usage, name, "cpu") for name in POOLS}


@pytest.mark.parametrize(
    ("used", "left"),
    [
        pytest.param({}, {"giver": 10, "taker": 9, "free": 7, "stranger": 3}, id="unused: own and all that is lent"),
        pytest.param({"taker": 4}, {"giver": 10, "taker": 5, "free": 7}, id="own is taken first"),
        pytest.param({"taker": 9}, {"giver": 5, "taker": 0, "free": 2}, id="what is borrowed is gone for all"),
        pytest.param({"giver": 4}, {"giver": 6, "taker": 9, "free": 7}, id="what isn't lent is taken first"),
        pytest.param({"giver": 10}, {"giver": 0, "taker": 4, "free": 1}, id="who lent may use it too"),
        pytest.param({"free": 7}, {"giver": 4, "taker": 4, "free": 0}, id="no limit to borrowing: whatever is lent"),
        pytest.param({"stranger": 5}, {"stranger": -2, "giver": 10}, id="outside a cohort nothing is shared"),
        pytest.param({"taker": 9, "free": 7}, {"giver": 4, "taker": 0, "free": 0}, id="overdrawn: one's own remains"),
    ],
)
def test_room(used: dict[str, int], left: dict[str, int]) -> None:
    assert rooms(**used) | left == rooms(**used)


def test_no_quota_is_no_limit() -> None:
    usage: dict[str, dict[str, int]] = {"": {}, "giver": {}, "elsewhere": {}}
    assert room(POOLS, usage, "giver", "memory") == UNLIMITED
    assert room(POOLS, usage, "elsewhere", "cpu") == UNLIMITED
    assert room(POOLS, usage, "", "cpu") == UNLIMITED


def test_a_pool_of_another_cohort_lends_nothing() -> None:
    pools = POOLS | {"giver": replace(GIVER, cohort="other")}
    assert room(pools, {name: {} for name in pools}, "taker", "cpu") == 4


def test_borrowed() -> None:
    usage = {"giver": {"cpu": 10}, "taker": {"cpu": 6}}
    assert borrowed(POOLS, usage, "giver", "cpu") == 0
    assert borrowed(POOLS, usage, "taker", "cpu") == 2
    assert borrowed(POOLS, usage, "taker", "memory") == 0
