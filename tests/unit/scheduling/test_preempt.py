"""Who makes room for whom: one rule a test."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from starlink.scheduling.ask import HOSTNAME, Ask, Load, Spread, Term
from starlink.scheduling.fleet import Charge, Fleet, Node
from starlink.scheduling.pool import FleetPool
from starlink.scheduling.preemption.preempt import Preemption, preempt

BUDGETS = {"low": 9, "mid": 9, "high": 9}
ABC = {"a": 4, "b": 4}


def node(name: str, cores: int = 4, pool: str = "", **labels: str) -> Node:
    return Node(name, pool=pool, labels=labels, allocatable={"cpu": 1000 * cores, "memory": 100})


def load(group: str, priority: int = 0, cores: int = 1, **other: object) -> Load:
    quota = (("cpu", 1000 * cores), ("assignments", 1))
    return replace(Load(group, priority, (("cpu", 1000 * cores),), quota), **other)  # type: ignore[arg-type]


def fleet_of(servers: Mapping[str, int], *charges: Charge, pools: tuple[FleetPool, ...] = (), pool: str = "") -> Fleet:
    return charged(Fleet([node(name, cores, pool) for name, cores in servers.items()], pools), *charges)


def charged(fleet: Fleet, *charges: Charge) -> Fleet:
    for number, charge in enumerate(charges):
        fleet.charge(f"u{number}", charge)
    return fleet


def run(fleet: Fleet, ask: Ask, count: int = 1, budgets: Mapping[str, int] = BUDGETS) -> list[Preemption]:
    with fleet.trial():
        return preempt(fleet, ask, count, budgets)


HIGH = Ask(load("vip", 10))


def test_the_lowest_priority_goes() -> None:
    fleet = fleet_of({"a": 1, "b": 1}, Charge("a", load("mid", 5)), Charge("b", load("low", 0)))
    assert run(fleet, HIGH) == [Preemption(1, ("u1",))]


def test_one_of_the_same_priority_is_left_alone() -> None:
    fleet = fleet_of({"a": 1}, Charge("a", load("low", 10)))
    assert run(fleet, HIGH) == []


def test_a_low_victim_each_on_two_servers_beats_a_higher_one() -> None:
    ask = Ask(load("vip", 10, cores=2))
    charges = [Charge("a", load("mid", 5, cores=2)), Charge("b", load("low")), Charge("b", load("low"))]
    assert run(fleet_of({"a": 2, "b": 2}, *charges), ask) == [Preemption(1, ("u1", "u2"))]


def test_the_fewest_go_among_equals() -> None:
    ask = Ask(load("vip", 10, cores=2))
    charges = [Charge("a", load("low")), Charge("a", load("low")), Charge("b", load("low", cores=2))]
    assert run(fleet_of({"a": 2, "b": 2}, *charges), ask) == [Preemption(1, ("u2",))]


def test_who_is_not_needed_is_spared() -> None:
    ask = Ask(load("vip", 10, cores=3))
    fleet = fleet_of({"a": 4}, Charge("a", load("low", -5)), Charge("a", load("mid", 2, cores=3)))
    assert run(fleet, ask) == [Preemption(0, ("u1",))]


def test_the_budget_of_a_group_is_never_overdrawn() -> None:
    charges = [Charge(name, load("low")) for name in ("a", "b")] + [Charge("c", load("mid", 5))]
    fleet = fleet_of({"a": 1, "b": 1, "c": 1}, *charges)
    assert [one.victims for one in run(fleet, HIGH, 3, {"low": 1, "mid": 1})] == [("u0",), ("u2",)]
    assert run(fleet, HIGH, 3, {}) == []


def test_what_is_stopping_is_awaited_before_anybody_must_go() -> None:
    charges = [Charge("a", load("low")), Charge("b", load("high", 99), stopping=True)]
    assert run(fleet_of({"a": 1, "b": 1}, *charges), HIGH) == [Preemption(1, (), ("u1",))]


def test_only_what_is_needed_of_what_is_stopping_is_awaited() -> None:
    charges = [Charge("a", load("low"), stopping=True), Charge("a", load("low", cores=2), stopping=True)]
    fleet = fleet_of({"a": 3}, *charges)
    assert run(fleet, Ask(load("vip", 10, cores=2))) == [Preemption(0, (), ("u1",))]


def test_a_lost_one_that_stops_gives_room_back_and_is_no_victim() -> None:
    lost = Charge("a", load("low"), counted=False)
    assert run(fleet_of({"a": 1}, lost), HIGH) == []
    assert run(fleet_of({"a": 1}, lost._replace(stopping=True)), HIGH) == [Preemption(0, (), ("u0",))]


def test_a_large_victim_makes_room_for_several() -> None:
    fleet = fleet_of({"a": 4}, Charge("a", load("low", cores=4)))
    found = run(fleet, HIGH, 9)
    assert [one.victims for one in found] == [("u0",), (), (), ()]
    assert [one.wait_for for one in found] == [(), ("u0",), ("u0",), ("u0",)]


def test_who_was_told_earlier_in_the_round_is_awaited() -> None:
    fleet = fleet_of({"a": 2}, Charge("a", load("low", cores=2)))
    with fleet.trial():
        assert preempt(fleet, HIGH, 1, {"low": 2}) == [Preemption(0, ("u0",))]
        assert preempt(fleet, HIGH, 1, {"low": 1}, {"u0"}) == [Preemption(0, (), ("u0",))]


def test_the_fleet_is_charged_with_the_instances_until_the_trial_ends() -> None:
    fleet = fleet_of({"a": 1}, Charge("a", load("low")))
    with fleet.trial():
        preempt(fleet, HIGH, 1, BUDGETS)
        assert fleet.used["cpu"].tolist() == [2000]
    assert fleet.used["cpu"].tolist() == [1000]
    assert set(fleet.charges) == {"u0"}


def test_it_needs_a_trial() -> None:
    with pytest.raises(RuntimeError, match="trial"):
        preempt(fleet_of({"a": 1}, Charge("a", load("low"))), HIGH, 1, BUDGETS)


def test_the_holder_of_a_port_goes() -> None:
    ports = frozenset({80})
    fleet = fleet_of(
        ABC,
        Charge("a", load("low", -1)),
        Charge("a", load("low", ports=ports)),
        Charge("b", load("mid", 50, ports=ports)),
    )
    assert run(fleet, Ask(load("vip", 10, ports=ports)), 2) == [Preemption(0, ("u1",))]


def test_who_is_not_wanted_near_goes_from_the_same_server_only() -> None:
    term = Term(frozenset({"low"}), "zone")
    ask = Ask(load("vip", 10, repels=(term,)), anti_affinity=(term,))
    nodes = [node("a", zone="x"), node("b", zone="x"), node("c", zone="y")]
    charges = [Charge("a", load("low")), Charge("b", load("low")), Charge("c", load("low"))]
    assert run(charged(Fleet(nodes), *charges), ask, 3)[:1] == [Preemption(2, ("u2",))]
    assert run(charged(Fleet(nodes[:2]), *charges[:2]), ask, 3) == []


def test_who_keeps_the_group_away_goes() -> None:
    shy = load("low", repels=(Term(frozenset({"vip"}), HOSTNAME),))
    assert run(fleet_of({"a": 4}, Charge("a", shy)), HIGH) == [Preemption(0, ("u0",))]


def test_whom_it_must_be_near_stays() -> None:
    ask = replace(HIGH, affinity=(Term(frozenset({"mid"})),))
    fleet = fleet_of({"a": 2}, Charge("a", load("mid", -9)), Charge("a", load("low")))
    assert run(fleet, ask) == [Preemption(0, ("u1",))]
    assert run(fleet, ask, budgets={"mid": 9}) == []


def test_its_own_group_stays() -> None:
    assert run(fleet_of({"a": 1}, Charge("a", load("vip", 0))), HIGH, budgets={"vip": 9}) == []


def test_spreading_holds_and_opens_domains_one_after_another() -> None:
    ask = replace(HIGH, spread=(Spread("zone"),))
    nodes = [node(name, 2, zone=zone) for name, zone in (("a", "x"), ("b", "x"), ("c", "y"))]
    charges = [
        Charge(name, load("low", priority))
        for name, priority in (("a", 0), ("a", 0), ("b", 0), ("b", 0), ("c", 5), ("c", 5))
    ]
    fleet = charged(Fleet(nodes), *charges)
    assert [fleet.names[one.server] for one in run(fleet, ask, 4)] == ["a", "c", "b", "c"]


def test_a_server_that_nobody_can_mend_is_left_alone() -> None:
    nodes = [replace(node("a", 1), ready=False), replace(node("b", 1), architecture="riscv64"), node("c", 1)]
    fleet = charged(Fleet(nodes), *(Charge(name, load("low")) for name in "abc"))
    assert run(fleet, replace(HIGH, architectures=("amd64",)), 3) == [Preemption(2, ("u2",))]


def test_a_gang_comes_whole_or_not_at_all() -> None:
    fleet = fleet_of({"a": 1, "b": 1}, Charge("a", load("low")), Charge("b", load("low")))
    with fleet.trial():
        assert preempt(fleet, replace(HIGH, gang=True), 3, BUDGETS) == []
        assert fleet.used["cpu"].tolist() == [1000, 1000]
        assert len(preempt(fleet, replace(HIGH, gang=True), 2, BUDGETS)) == 2


# Quotas


def test_a_full_quota_takes_the_lowest_of_the_pool_wherever_it_is() -> None:
    fleet = fleet_of(
        ABC,
        Charge("a", load("low")),
        Charge("b", load("mid", 5)),
        pools=(FleetPool("p", quota={"assignments": 2}),),
        pool="p",
    )
    assert run(fleet, replace(HIGH, server="b")) == [Preemption(1, ("u0",), waits=True)]
    assert run(fleet, HIGH) == [Preemption(0, ("u0",), waits=True)]


def test_a_full_quota_takes_those_on_the_server_first_among_equals() -> None:
    fleet = fleet_of(
        ABC,
        Charge("a", load("low")),
        Charge("b", load("low")),
        pools=(FleetPool("p", quota={"assignments": 2}),),
        pool="p",
    )
    assert run(fleet, replace(HIGH, server="b")) == [Preemption(1, ("u1",), waits=True)]


def test_quota_of_what_stops_elsewhere_is_waited_for_and_nobody_goes() -> None:
    pools = (FleetPool("p", quota={"assignments": 1}),)
    fleet = fleet_of(ABC, Charge("a", load("low"), stopping=True), pools=pools, pool="p")
    assert run(fleet, replace(HIGH, server="b")) == [Preemption(1, (), ("u0",), waits=True)]
    assert run(fleet, replace(HIGH, server="a")) == [Preemption(0, (), ("u0",), waits=True)]
    assert run(fleet, HIGH, 2) == [Preemption(1, (), ("u0",), waits=True)]


def test_what_has_quota_comes_at_once_and_waits_on_its_server_only() -> None:
    fleet = fleet_of(
        {"a": 1, "b": 1},
        Charge("a", load("low")),
        Charge("b", load("high", 99), stopping=True),
        pools=(FleetPool("p", quota={"assignments": 3}),),
        pool="p",
    )
    assert run(fleet, HIGH, 2) == [Preemption(1, (), ("u1",)), Preemption(0, ("u0",), (), waits=True)]


def test_each_that_waits_names_who_is_not_named_before() -> None:
    charges = [Charge("a", load("low"), stopping=True) for _ in range(2)] + [Charge("b", load("low"), stopping=True)]
    fleet = fleet_of(ABC, *charges, pools=(FleetPool("p", quota={"assignments": 3}),), pool="p")
    found = run(fleet, HIGH, 9)
    assert [one.wait_for for one in found] == [("u0",), ("u1",), ("u2",)] and all(one.waits for one in found)


def test_a_large_one_is_awaited_by_several() -> None:
    pools = (FleetPool("p", quota={"cpu": 4000}),)
    fleet = fleet_of({"a": 8}, Charge("a", load("low", cores=4), stopping=True), pools=pools, pool="p")
    found = run(fleet, HIGH, 5)
    assert [one.wait_for for one in found] == [("u0",), (), (), ()] and all(one.waits for one in found)


def test_a_gang_waits_as_a_whole() -> None:
    fleet = fleet_of(ABC, Charge("a", load("low")), pools=(FleetPool("p", quota={"assignments": 2}),), pool="p")
    found = run(fleet, replace(HIGH, gang=True), 2)
    assert [one.waits for one in found] == [True, True]
    assert [one.victims for one in found] == [(), ("u0",)]


def cohort(mine: int, theirs: int, *charges: Charge, lend: int = 2) -> Fleet:
    pools = [
        FleetPool(name, quota={"assignments": n}, cohort="c", lend={"assignments": lend})
        for name, n in (("p", mine), ("q", theirs))
    ]
    return charged(Fleet([node("a", 8, "p"), node("b", 8, "q")], pools), *charges)


def test_a_pool_claims_back_what_others_borrow_whatever_their_priority() -> None:
    borrowing = [Charge("b", load("high", priority)) for priority in (90, 80, 70, 60)]
    fleet = cohort(2, 2, *borrowing)
    assert run(fleet, replace(HIGH, pool="p"), 3) == [
        Preemption(0, ("u3",), waits=True),
        Preemption(0, ("u2",), waits=True),
    ]


def test_a_pool_that_would_itself_borrow_claims_nothing() -> None:
    charges = [
        Charge("a", load("other", 99)),
        Charge("a", load("other", 99)),
        Charge("b", load("low")),
        Charge("b", load("low")),
    ]
    assert run(cohort(2, 2, *charges), replace(HIGH, pool="p")) == []


def test_a_pool_that_borrows_one_thing_does_not_claim_another_back() -> None:
    lent = {"assignments": 9, "cpu": 9000}
    pools = [
        FleetPool("p", quota={"assignments": 9, "cpu": 1000}, cohort="c", lend={"cpu": 1000, "assignments": 5}),
        FleetPool(
            "q", quota={"assignments": 1, "cpu": 8000}, cohort="c", lend={"assignments": 1, "cpu": 8000}, borrow=lent
        ),
    ]
    fleet = Fleet([node("a", 8, "p"), node("b", 8, "q")], pools)
    charged(fleet, Charge("a", load("other", 99, cores=8)), Charge("b", load("other", 99)))
    assert run(fleet, replace(HIGH, pool="q"), budgets={"other": 9}) == []


def test_the_order_of_charges_does_not_matter() -> None:
    charges = {
        f"u{number}": Charge(f"s{number % 7}", load(("low", "mid")[number % 2], number % 3)) for number in range(28)
    }
    found = []
    for uids in (
        sorted(charges),
        sorted(charges, reverse=True),
        np.random.default_rng(1).permutation(sorted(charges)).tolist(),
    ):
        fleet = Fleet([node(f"s{number}") for number in range(7)])
        for uid in uids:
            fleet.charge(uid, charges[uid])
        found.append(run(fleet, HIGH, 12))
    assert found[0] == found[1] == found[2]
    assert len(found[0]) == 12
