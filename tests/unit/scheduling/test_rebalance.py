"""Moves that pay, and none that do not."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from tests.profiles import examples
from tests.properties.fleets import GROUPS, Shape, scenario, shapes

from starlink.scheduling.ask import HOSTNAME, Ask, Load, Spread, Term
from starlink.scheduling.filters import feasible
from starlink.scheduling.fleet import Charge, Fleet, Node
from starlink.scheduling.pool import FleetPool
from starlink.scheduling.rebalance import Move, rebalance

BUDGETS = {"web": 9, "db": 9}


def ask(group: str = "web", cores: int = 1, **other: object) -> Ask:
    return replace(Ask(Load(group, requests=(("cpu", 1000 * cores),))), **other)  # type: ignore[arg-type]


def node(name: str, **other: object) -> Node:
    return replace(Node(name, allocatable={"cpu": 4000, "memory": 100}), **other)  # type: ignore[arg-type]


def fleet_of(nodes: list[Node], charges: Mapping[str, tuple[str, Ask]], pools: tuple[FleetPool, ...] = ()) -> Fleet:
    fleet = Fleet(nodes, pools)
    for uid, (server, asked) in charges.items():
        fleet.charge(uid, Charge(server, asked.load))
    return fleet


def apply(fleet: Fleet, moves: list[Move], asks: Mapping[str, Ask]) -> None:
    for move in moves:
        fleet.charge(move.uid, Charge(fleet.names[move.server_to], asks[fleet.charges[move.uid].load.group].load))


WEB = {"web": ask()}
TWO = [node("a"), node("b")]


def test_instances_spread_over_a_server_that_came() -> None:
    fleet = fleet_of(TWO, {f"u{number}": ("a", ask()) for number in range(4)})
    moves = rebalance(fleet, WEB, BUDGETS, 9)
    assert [(move.uid, move.server_from, move.server_to) for move in moves] == [("u0", 0, 1), ("u1", 0, 1)]
    assert moves[0].reason == "scores 34.50 more on b (25 % full) than on a (100 % full)"
    assert moves[0].gain == 34.5
    apply(fleet, moves, WEB)
    assert rebalance(fleet, WEB, BUDGETS, 9) == []


def test_no_more_than_the_most_and_the_budget() -> None:
    charges = {f"u{number}": ("a", ask()) for number in range(4)}
    assert len(rebalance(fleet_of(TWO, charges), WEB, BUDGETS, 1)) == 1
    assert len(rebalance(fleet_of(TWO, charges), WEB, {"web": 1}, 9)) == 1
    assert rebalance(fleet_of(TWO, charges), WEB, {}, 9) == []
    assert rebalance(fleet_of(TWO, charges), {}, BUDGETS, 9) == []


def test_what_gains_less_than_the_margin_stays() -> None:
    fleet = fleet_of(TWO, {"u0": ("a", ask("db")), "u1": ("a", ask())})
    asks = {"web": ask()}
    assert rebalance(fleet, asks, BUDGETS, 9) == []
    assert [move.gain for move in rebalance(fleet, asks, BUDGETS, 9, margin=1.0)] == [1.5]


def test_the_largest_gain_goes_first() -> None:
    asks = {"web": ask(preferred_architectures=("arm64",)), "db": ask("db", homes=frozenset({"b"}))}
    nodes = [node("a"), node("b", architecture="arm64")]
    moves = rebalance(fleet_of(nodes, {"u0": ("a", asks["db"]), "u1": ("a", asks["web"])}), asks, BUDGETS, 9)
    assert [move.uid for move in moves] == ["u1"]


@pytest.mark.parametrize(
    "other", [node("b", ready=False), node("b", schedulable=False), node("b", allocatable={"cpu": 500})]
)
def test_no_move_to_where_a_filter_forbids(other: Node) -> None:
    assert (
        rebalance(fleet_of([node("a"), other], {f"u{number}": ("a", ask()) for number in range(4)}), WEB, BUDGETS, 9)
        == []
    )


def test_a_full_quota_does_not_keep_an_instance_from_moving_within_its_pool() -> None:
    asked = ask(load=Load("web", requests=(("cpu", 1000),), quota=(("assignments", 1),)))
    nodes = [node("a", pool="p"), node("b", pool="p")]
    fleet = fleet_of(nodes, {"u0": ("a", asked), "u1": ("a", asked)}, (FleetPool("p", quota={"assignments": 2}),))
    assert [move.server_to for move in rebalance(fleet, {"web": asked}, BUDGETS, 9)] == [1]


def test_nothing_moves_from_where_it_must_be_near_another() -> None:
    near = ask(affinity=(Term(frozenset({"db"}), HOSTNAME),))
    assert (
        rebalance(
            fleet_of(TWO, {"u0": ("a", near), "u1": ("a", near), "u2": ("a", ask("db"))}), {"web": near}, BUDGETS, 9
        )
        == []
    )


def test_wishes_count() -> None:
    wishes = [
        ask(spread=(Spread("zone", required=False),), load=Load("web")),
        ask(anti_affinity=(Term(frozenset({"web"}), "zone", 100),), load=Load("web")),
    ]
    nodes = [node(name, labels={"zone": zone}) for name, zone in (("a", "x"), ("b", "x"), ("c", "y"))]
    for wish in wishes:
        moves = rebalance(fleet_of(nodes, {"u0": ("a", wish), "u1": ("b", wish)}), {"web": wish}, BUDGETS, 9)
        assert [move.server_to for move in moves] == [2]


def test_what_stops_is_lost_or_is_of_a_gang_stays() -> None:
    fleet = Fleet(TWO)
    for number, state in enumerate(({"stopping": True}, {"counted": False}, {"stopping": True})):
        fleet.charge(f"u{number}", Charge("a", ask().load, **state))
    assert rebalance(fleet, WEB, BUDGETS, 9) == []
    gang = {"web": ask(gang=True)}
    assert rebalance(fleet_of(TWO, {"u0": ("a", ask()), "u1": ("a", ask())}), gang, BUDGETS, 9) == []


def test_two_groups_do_not_swap_their_servers() -> None:
    asks = {"web": ask(homes=frozenset({"b"}), cores=0), "db": ask("db", homes=frozenset({"a"}), cores=0)}
    fleet = fleet_of(TWO, {"u0": ("a", asks["web"]), "u1": ("b", asks["db"])})
    assert [(move.uid, move.gain) for move in rebalance(fleet, asks, BUDGETS, 9, margin=2.0)] == [("u0", 5.0)]


@examples(300)
@given(shapes(asks=4))
def test_moves_pay_fit_and_leave_the_fleet_as_it_was(shape: Shape) -> None:
    given_ = scenario(shape)
    fleet = given_.fleet()
    asks = {one.load.group: one for one, _ in given_.asks}
    budgets = {group: shape.dice("budget", number).randint(0, 3) for number, group in enumerate(GROUPS)}
    before = dict(fleet.charges)
    moves = rebalance(fleet, asks, budgets, 6)
    assert fleet.charges == before
    assert moves == rebalance(given_.fleet(), asks, budgets, 6)
    assert len({move.uid for move in moves}) == len(moves) <= 6
    assert not {(m.server_from, m.server_to) for m in moves} & {(m.server_to, m.server_from) for m in moves}
    for move in moves:
        charge = fleet.charges[move.uid]
        assert move.gain > 5 and charge.counted and not charge.stopping
        fleet.release(move.uid)
        assert feasible(fleet, asks[charge.load.group]).mask[move.server_to]
        fleet.charge(move.uid, Charge(fleet.names[move.server_to], asks[charge.load.group].load))
        budgets[charge.load.group] -= 1
    assert all(left >= 0 for left in budgets.values())


@examples(200)
@given(shapes(without=frozenset({"affinity", "antiAffinity", "wishes"}), asks=4))
def test_it_comes_to_rest(shape: Shape) -> None:
    """Where no group follows another that flees from it."""
    given_ = scenario(shape)
    fleet, asks = given_.fleet(), {one.load.group: one for one, _ in given_.asks}
    endless = dict.fromkeys(GROUPS, 99)
    for _ in range(2 * len(given_.charges) + 2):
        moves = rebalance(fleet, asks, endless, 99)
        apply(fleet, moves, asks)
        if not moves:
            return
    raise AssertionError("it never rests")
