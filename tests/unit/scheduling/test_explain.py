"""Refusals: what they count, and that what they propose works. The words are in tests/golden/explain."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from starlink.scheduling.ask import Ask, Load
from starlink.scheduling.explaining.amounts import quantity, sized
from starlink.scheduling.explaining.explain import affinity_cycle, explain
from starlink.scheduling.explaining.shortage import Shortage, change, raise_needed
from starlink.scheduling.fleet import Charge, Fleet, Node
from starlink.scheduling.pool import FleetPool, room

WEB = frozenset({"web"})


@pytest.mark.parametrize(
    ("resource", "amount", "up", "text"),
    [
        ("cpu", 1500, False, "1500m"),
        ("cpu", 2000, False, "2"),
        ("cpu", 0, False, "0"),
        ("memory", 2**31, False, "2Gi"),
        ("memory", 2**20 * 1500, False, "1500Mi"),
        ("memory", 2**30 + 1, False, "1024Mi"),
        ("memory", 2**30 + 1, True, "1025Mi"),
        ("ephemeral-storage", 2**20 + 5, False, "1024Ki"),
        ("memory", 1000, True, "1000"),
        ("gpu", 3, False, "3"),
        ("example.com/fpga", 1024, False, "1024"),
    ],
)
def test_amounts_are_written_as_quantities(resource: str, amount: int, up: bool, text: str) -> None:
    assert quantity(resource, amount, up=up) == text


def test_what_is_needed_is_rounded_up() -> None:
    assert sized("memory", 2**30 + 1) == "1025Mi memory"


def test_a_cycle_is_told_as_its_groups() -> None:
    assert affinity_cycle(["a", "b"]).message.startswith("an affinity cycle: a near b near a, ")


# Quotas of cohorts


@st.composite
def cohorts(draw: st.DrawFn) -> tuple[list[FleetPool], dict[str, int], Shortage]:
    """Pools, how much each uses, and what the first is short of."""
    pools, usage = [], {}
    for name in ("a", "b", "c")[: draw(st.integers(1, 3))]:
        limit = draw(st.integers(0, 9))
        lend = {"gpu": draw(st.integers(0, limit))} if draw(st.booleans()) else {}
        borrow = {"gpu": draw(st.integers(0, 5))} if draw(st.booleans()) else {}
        cohort = draw(st.sampled_from(["", "x"]))
        pools.append(FleetPool(name, quota={"gpu": limit}, cohort=cohort, lend=lend, borrow=borrow))
        usage[name] = draw(st.integers(0, 12))
    needed = draw(st.integers(1, 8))
    left = room({pool.name: pool for pool in pools}, {name: {"gpu": used} for name, used in usage.items()}, "a", "gpu")
    assume(left < needed)
    return pools, usage, Shortage("a", "gpu", needed, max(left, 0))


def charged(pools: list[FleetPool], usage: Mapping[str, int]) -> Fleet:
    fleet = Fleet([Node(pool.name, pool=pool.name) for pool in pools], pools)
    for name, used in usage.items():
        fleet.charge(name, Charge(name, Load("other", quota=(("gpu", used),))))
    return fleet


def left_after(pools: list[FleetPool], usage: Mapping[str, int]) -> int:
    fleet = charged(pools, usage)
    return room(fleet.pools, fleet.quota_used, "a", "gpu")


def altered(pools: list[FleetPool], name: str, field: str, by: int) -> list[FleetPool]:
    def alter(pool: FleetPool) -> FleetPool:
        lend = {**pool.lend, "gpu": pool.lend.get("gpu", 0) + (by if field == "lend" else 0)}
        borrow = {key: amount + (by if field == "borrow" else 0) for key, amount in pool.borrow.items()}
        quota = {"gpu": pool.quota["gpu"] + (by if field == "quota" else 0)}
        return replace(pool, quota=quota, lend=lend, borrow=borrow)

    return [alter(pool) if pool.name == name else pool for pool in pools]


@given(cohorts())
def test_a_quota_is_raised_by_the_least_that_does(case: tuple[list[FleetPool], dict[str, int], Shortage]) -> None:
    pools, usage, short = case
    least = raise_needed(charged(pools, usage), short)
    assert left_after(altered(pools, "a", "quota", least), usage) >= short.needed
    assert left_after(altered(pools, "a", "quota", least - 1), usage) < short.needed


@given(cohorts())
def test_the_change_of_a_quota_gives_what_is_needed(case: tuple[list[FleetPool], dict[str, int], Shortage]) -> None:
    pools, usage, short = case
    found = change(charged(pools, usage), short)
    pool, amount = found.subject, int(found.value)
    match found.code, found.field:
        case "RaiseBy", ("quota.gpu" | "borrow.gpu") as field:
            pools = altered(pools, pool, field.removesuffix(".gpu"), amount)
        case "Lend", "gpu":
            pools = altered(pools, pool, "lend", amount)
            assert all(pool.lend.get("gpu", 0) <= pool.quota["gpu"] for pool in pools)
        case "StopBorrowing", "gpu":
            usage = {**usage, pool: usage[pool] - amount}
        case _:
            raise AssertionError(found)
    assert left_after(pools, usage) >= short.needed


@given(st.lists(st.integers(0, 40), min_size=1, max_size=6), st.integers(1, 8))
def test_the_most_that_fits_is_proposed(free: list[int], missing: int) -> None:
    """As much as would fit all that are missing, else as much as would fit one."""
    asked = 41
    nodes = [Node(f"s{number}", allocatable={"gpu": amount}) for number, amount in enumerate(free)]
    refusal = explain(Fleet(nodes), Ask(Load("web", requests=(("gpu", asked),))), missing)
    fits_all = [most for most in range(21, asked) if sum(amount // most for amount in free) >= missing]
    if missing == 1 or not fits_all:
        expected = f"ask {max(free)} gpu" + (f" for 1 of the {missing}" if missing > 1 else "")
    else:
        expected = f"ask {max(fits_all)} gpu"
    assert str(refusal.remedy).startswith(f"{expected}, or " if max(free) else "offer 41 gpu more on s0")
