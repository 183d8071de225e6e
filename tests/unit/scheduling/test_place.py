"""Turns: ties, rules that tie servers to one another, gangs, and what is said of them."""

import pytest

from starlink.scheduling.ask import Ask, Load, Spread, Term
from starlink.scheduling.fleet import Charge, Fleet, Node
from starlink.scheduling.place import Choice, Placed, place
from starlink.scheduling.pool import FleetPool, Weights

ONE = (("cpu", 1), ("memory", 1))


def servers(fleet: Fleet, ask: Ask, count: int) -> list[str]:
    with fleet.trial():
        return [fleet.names[index] for index in place(fleet, ask, count).servers]


def zones(**amounts: int) -> Fleet:
    """A server for each, in the zone of its first letter, with room for as many instances."""
    return Fleet(
        Node(name, labels={"zone": name[0]}, allocatable={"cpu": n, "memory": n}) for name, n in amounts.items()
    )


def test_ties_go_to_the_first_name() -> None:
    assert servers(zones(b=3, a=3, c=3), Ask(Load("web", requests=ONE)), 4) == ["a", "b", "c", "a"]


@pytest.mark.parametrize("spread", [(), (Spread("nobody-has-it", required=False),)])
def test_what_is_equal_on_paper_is_a_tie(spread: tuple[Spread, ...]) -> None:
    """2 x 9/12 + 1 - (9/12 - 1/3) = 2 x 10/12 + 1 - (10/12 - 1/4), though not in floats."""
    nodes = [
        Node("a", pool="p", allocatable={"cpu": 12, "memory": 3}),
        Node("b", pool="p", allocatable={"cpu": 12, "memory": 4}),
    ]
    fleet = Fleet(nodes, [FleetPool("p", strategy="Pack", weights=Weights(use=2, balance=1))])
    fleet.charge("1", Charge("a", Load("old", requests=(("cpu", 8),))))
    fleet.charge("2", Charge("b", Load("old", requests=(("cpu", 9),))))
    assert servers(fleet, Ask(Load("web", requests=ONE), pool="p", spread=spread), 1) == ["a"]


def test_a_zone_that_was_ahead_opens_again() -> None:
    fleet = zones(a=9, b=9)
    fleet.charge("1", Charge("a", Load("web", requests=ONE)))
    ask = Ask(Load("web", requests=ONE), spread=(Spread("zone"),))
    assert servers(fleet, ask, 4) == ["b", "a", "b", "a"]


def test_spreading_stops_where_the_emptiest_zone_is_full() -> None:
    ask = Ask(Load("web", requests=ONE), spread=(Spread("zone", max_skew=2),))
    assert servers(zones(a=9, b=1), ask, 9) == ["a", "b", "a", "a"]


def test_the_first_chooses_for_all_who_want_to_be_together() -> None:
    ask = Ask(Load("web", requests=ONE), affinity=(Term(frozenset({"web"}), "zone"),))
    assert servers(zones(a1=1, a2=1, b1=4, b2=4), ask, 9) == ["b1", "b2", "b1", "b2", "b1", "b2", "b1", "b2"]


def test_one_a_zone() -> None:
    apart = Term(frozenset({"web"}), "zone")
    ask = Ask(Load("web", requests=ONE, repels=(apart,)), anti_affinity=(apart,))
    assert servers(zones(a1=2, a2=2, b1=2), ask, 9) == ["a1", "b1"]


def test_a_pool_borrows_until_what_is_lent_is_gone() -> None:
    nodes = [Node(name, pool=name, allocatable={"cpu": 9, "memory": 9}) for name in ("giver", "taker")]
    fleet = Fleet(nodes, [
        FleetPool("giver", quota={"assignments": 3}, cohort="lab", lend={"assignments": 2}),
        FleetPool("taker", quota={"assignments": 1}, cohort="lab"),
    ])  # fmt: skip
    load = Load("web", requests=ONE, quota=(("assignments", 1),))
    assert servers(fleet, Ask(load, pool="taker"), 9) == ["taker"] * 3
    assert servers(fleet, Ask(load), 9) == ["giver", "taker", "giver", "taker"]


def test_a_gang_is_whole_or_absent_and_the_refusal_is_about_the_rest() -> None:
    fleet, gang = zones(a=1, b=1), Ask(Load("web", requests=ONE), gang=True)
    with fleet.trial():
        placed = place(fleet, gang, 3)
        assert placed.servers.tolist() == []
        assert placed.refusal is not None
        assert dict(placed.refusal.removed)["Cpu"] == 2
        assert fleet.free("cpu").tolist() == [1, 1]
        assert len(place(fleet, gang, 2).servers) == 2


def test_what_fits_is_placed_and_the_rest_refused() -> None:
    fleet = zones(a=1, b=1)
    with fleet.trial():
        placed = place(fleet, Ask(Load("web", requests=ONE)), 5)
        assert (len(placed.servers), placed.fit) == (2, 2)
        assert placed.refusal is not None


def test_nothing_is_asked() -> None:
    with (fleet := zones(a=1)).trial():
        placed = place(fleet, Ask(), 0)
    assert (placed.servers.tolist(), placed.refusal, placed.fit) == ([], None, 1)


def test_a_billion_instances_are_as_many_as_fit() -> None:
    fleet = zones(a=300, b=500)
    with fleet.trial():
        placed = place(fleet, Ask(Load("web", requests=ONE)), 10**9)
        assert len(placed.servers) == 800
        assert fleet.free("cpu").tolist() == [0, 0]


def test_reasons() -> None:
    fleet, ask = zones(a=4, b=2), Ask(Load("web", requests=ONE))
    with fleet.trial():
        several = placements(fleet, place(fleet, ask, 2))
        one = placements(fleet, place(fleet, Ask(Load("web", requests=ONE), server="a"), 1))
    assert several == [("a", "best of 2 that fit, then 25 % full"), ("b", "best of 2 that fit, then 50 % full")]
    assert one == [("a", "the only one that fits, then 50 % full")]


def placements(fleet: Fleet, placed: Placed) -> list[tuple[str, str]]:
    """The servers, each with the reason why."""
    chosen = zip(placed.servers, placed.use, strict=True)
    return [(fleet.names[server], str(Choice(placed.choices, int(use * 100)))) for server, use in chosen]


def test_none_is_the_only_one_that_fits_where_spreading_opens_others() -> None:
    fleet = zones(a=4, b=4)
    fleet.charge("1", Charge("a", Load("web", requests=ONE)))
    ask = Ask(Load("web", requests=ONE), spread=(Spread("zone"),))
    with fleet.trial():
        reasons = [reason for _, reason in placements(fleet, place(fleet, ask, 2))]
    assert reasons == ["best of 2 that fit, then 25 % full", "best of 2 that fit, then 50 % full"]
