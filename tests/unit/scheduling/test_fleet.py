"""The fleet's books: what is charged, to whom, and that nothing is left of what was taken back."""

import numpy as np
import pytest

from starlink.scheduling.ask import HOSTNAME, Ask, Load, Term
from starlink.scheduling.filters import feasible
from starlink.scheduling.fleet import Charge, Fleet, Node
from starlink.scheduling.pool import FleetPool

ROOM = {"cpu": 1000, "memory": 10, "gpu": 2}
APART = Term(frozenset({"other"}), "zone")
LOAD = Load("web", requests=(("cpu", 300), ("gpu", 1)), quota=(("cpu", 300),), ports=frozenset({80}), repels=(APART,))


def fleet_of(*names: str, pool: str = "p") -> Fleet:
    nodes = [Node(name, pool=pool, labels={"zone": name[0]}, allocatable=ROOM) for name in names]
    return Fleet(nodes, [FleetPool("p", quota={"cpu": 900})])


def free(fleet: Fleet, resource: str = "cpu") -> list[int]:
    return [int(amount) for amount in fleet.free(resource)]


def test_servers_are_in_the_order_of_their_names() -> None:
    fleet = fleet_of("b", "a", "c")
    assert fleet.names == ("a", "b", "c")
    assert fleet.index == {"a": 0, "b": 1, "c": 2}


def test_a_charge_takes_room_ports_and_quota_and_keeps_others_away() -> None:
    fleet = fleet_of("a", "b")
    fleet.charge("1", Charge("b", LOAD))
    assert (free(fleet), free(fleet, "gpu")) == ([1000, 700], [2, 1])
    assert fleet.ports == {80: {1: 1}}
    assert fleet.quota_used["p"] == {"cpu": 300}
    assert fleet.groups == {"web": {1: 1}}
    assert [(key, holders.tolist()) for key, holders in fleet.repelling("other")] == [("zone", [0, 1])]


def test_the_lost_takes_room_and_nothing_else() -> None:
    fleet = fleet_of("a")
    fleet.charge("1", Charge("a", LOAD, counted=False))
    assert (free(fleet), fleet.ports) == ([700], {80: {0: 1}})
    assert (fleet.quota_used["p"], fleet.groups, fleet.repelled) == ({}, {}, {})


def test_a_charge_replaces_that_of_the_same_uid_and_released_leaves_nothing() -> None:
    fleet = fleet_of("a", "b")
    fleet.charge("1", Charge("a", LOAD))
    fleet.charge("1", Charge("b", LOAD))
    assert free(fleet) == [1000, 700]
    fleet.release("1")
    fleet.release("1")
    assert free(fleet) == [1000, 1000]
    assert (fleet.ports, fleet.groups, fleet.repelled, fleet.quota_used) == ({}, {}, {}, {"": {}, "p": {}})


def test_a_charge_on_an_unknown_server_counts_once_it_is_there() -> None:
    fleet = fleet_of("a")
    fleet.charge("1", Charge("b", LOAD))
    assert (free(fleet), fleet.quota_used["p"]) == ([1000], {})
    fleet.set_nodes([Node("b", pool="p", allocatable=ROOM)])
    assert (free(fleet), fleet.quota_used["p"]) == ([1000, 700], {"cpu": 300})
    fleet.set_nodes([], gone=["b", "nobody"])
    assert (free(fleet), fleet.quota_used["p"]) == ([1000], {})


def test_a_server_that_moves_takes_its_charges_to_the_other_quota() -> None:
    fleet = fleet_of("a")
    fleet.charge("1", Charge("a", LOAD))
    fleet.set_nodes([Node("a", pool="elsewhere", allocatable=ROOM)])
    assert fleet.quota_used == {"": {}, "elsewhere": {"cpu": 300}, "p": {}}


def test_a_pool_that_is_gone_leaves_nothing() -> None:
    fleet = fleet_of("a", pool="")
    fleet.set_pools([])
    assert (fleet.pool_names, fleet.quota_used) == (("",), {"": {}})


def test_a_fleet_may_be_overcommitted() -> None:
    fleet = fleet_of("a")
    for uid in "1234":
        fleet.charge(uid, Charge("a", LOAD))
    assert free(fleet) == [-200]
    assert fleet.ports == {80: {0: 4}}


def test_trials_nest_and_leave_nothing() -> None:
    fleet = fleet_of("a", "b")
    with fleet.trial():
        fleet.place(np.array([1, 1, 0]), LOAD)
        with fleet.trial():
            fleet.place(np.array([0]), LOAD)
            assert free(fleet) == [400, 400]
        assert free(fleet) == [700, 400]
    assert free(fleet) == [1000, 1000]
    assert (fleet.ports, fleet.groups, fleet.repelled, fleet.quota_used["p"]) == ({}, {}, {}, {})


def test_a_trial_that_fails_leaves_nothing() -> None:
    fleet = fleet_of("a")
    with pytest.raises(KeyError), fleet.trial():
        fleet.place(np.array([0]), LOAD)
        raise KeyError
    assert free(fleet) == [1000]


def test_what_lasts_is_charged_by_uid() -> None:
    with pytest.raises(RuntimeError, match="in a trial only"):
        fleet_of("a").place(np.array([0]), LOAD)


def test_each_server_is_a_domain_of_its_own_whatever_its_label_says() -> None:
    fleet = Fleet([Node("a", labels={HOSTNAME: "same"}), Node("b", labels={HOSTNAME: "same"})])
    assert fleet.domains(HOSTNAME).names == ("a", "b")
    assert fleet.labelled(HOSTNAME).names == ("same",)


def test_a_server_without_the_label_is_in_no_domain() -> None:
    fleet = Fleet([Node("a", labels={"zone": "z"}), Node("b")])
    fleet.charge("1", Charge("b", LOAD))
    assert fleet.domains("zone").codes.tolist() == [0, -1]
    assert fleet.counts(["web"], "zone").tolist() == [0]


def test_what_is_remembered_is_forgotten_when_a_server_or_a_pool_changes() -> None:
    fleet, ask = fleet_of("a"), Ask(pool="p")
    assert feasible(fleet, ask).mask.tolist() == [True]
    fleet.set_nodes([Node("a", pool="p", ready=False, allocatable=ROOM)])
    assert feasible(fleet, ask).mask.tolist() == [False]
    fleet.set_nodes([Node("a", pool="p", allocatable=ROOM)])
    fleet.set_pools([FleetPool("p", closed=True)])
    assert feasible(fleet, ask).mask.tolist() == [False]


def test_an_empty_fleet() -> None:
    fleet = Fleet([])
    assert len(fleet) == 0
    assert feasible(fleet, Ask(LOAD, selector={"a": "b"})).mask.tolist() == []
