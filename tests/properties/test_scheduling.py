"""Placing, whatever the fleet and the ask: as the oracle does it, within every limit, and the same in any order."""

from collections.abc import Iterable
from dataclasses import replace
from random import Random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from tests.profiles import examples
from tests.properties.fleets import Scenario, Shape, charge, node, pool, scenario, scores_of, shapes
from tests.properties.oracle import Oracle
from tests.properties.stock import own

from starlink.scheduling import firsts, score
from starlink.scheduling.ask import Ask
from starlink.scheduling.filters import Removed, feasible
from starlink.scheduling.fleet import Fleet, Node
from starlink.scheduling.place import Placed, place

ORACLE = examples(5_000, push=600)
"""Five faults that were planted in filters and scores were found within 6 to 372 examples, three seeds each."""
SOME = examples(500)
FEW = examples(150)
BETWEEN_SERVERS = frozenset({"affinity", "antiAffinity", "spread", "cohort", "gang"})


@ORACLE
@given(shapes())
def test_the_arrays_do_as_the_oracle(shape: Shape) -> None:
    given_ = scenario(shape)
    fleet, oracle = given_.fleet(), Oracle(given_.nodes, given_.pools, given_.charges.values())
    with fleet.trial():
        for ask, count in given_.asks:
            _compare(fleet, oracle, ask, count)


def _compare(fleet: Fleet, oracle: Oracle, ask: Ask, count: int) -> None:
    removed = oracle.removed(ask)
    scores = scores_of(fleet, ask)
    placed = place(fleet, ask, count)
    turns = oracle.try_out(ask, count)
    assert scores == (turns[0].scores if turns else {})
    assert counted(placed.removed) == removed
    assert placed.fit + sum(removed.values()) == len(fleet)
    assert (placed.refusal is None) == (len(turns) == count)
    if placed.refusal is not None:
        assert counted(placed.refusal.removed) == oracle.removed(ask)
    if ask.gang and len(turns) < count:
        oracle.take_back(len(turns))
        turns = []
    assert names(fleet, placed) == [turn.server for turn in turns]
    assert placed.use.tolist() == [turn.use for turn in turns]
    assert broken(oracle, ask, names(fleet, placed)) == []


def names(fleet: Fleet, placed: Placed) -> list[str]:
    return [fleet.names[index] for index in placed.servers]


def counted(removed: Removed) -> dict[str, int]:
    return {name: number for name, number in removed if number}


def broken(oracle: Oracle, ask: Ask, servers: list[str]) -> list[str]:
    """What is wrong with a fleet that has just taken an ask's instances, looked at as a whole and not turn by turn."""
    touched = [oracle.node[name] for name in sorted(set(servers))]
    found = [f"{node.name} lacks {what}" for node in touched for what in _lacking(oracle, ask, node)]
    found += [f"quota of {name}" for name in {node.pool for node in touched} if not _within_quota(oracle, ask, name)]
    found += [f"{node.name} is not near {term}" for node in touched for term in ask.affinity
              if term.weight is None and not oracle.near(node, term.groups, term.key)]  # fmt: skip
    found += [f"{term} on {node.name}" for node in touched for term in ask.anti_affinity
              if term.weight is None and _neighbours(oracle, ask, node, term.groups, term.key)]  # fmt: skip
    for spread in ask.spread:
        domains = oracle.eligible(ask, spread.key) if spread.required else ()
        numbers = {domain: oracle.number((ask.load.group,), spread.key, domain) for domain in domains}
        own = {domain for node in touched if (domain := oracle.domain(node, spread.key)) is not None}
        found += [f"{spread}: {numbers}" for domain in own & {*domains}
                  if numbers[domain] - min(numbers.values()) > spread.max_skew]  # fmt: skip
    return found


def _lacking(oracle: Oracle, ask: Ask, server: Node) -> Iterable[str]:
    yield from (key for key, amount in ask.load.requests
                if amount and oracle.used(server, key) > server.allocatable.get(key, 0))  # fmt: skip
    ports = [port for charge in oracle.on(server) for port in charge.load.ports]
    yield from (f"port {port}" for port in ask.load.ports if ports.count(port) > 1)


def _neighbours(oracle: Oracle, ask: Ask, server: Node, groups: Iterable[str], key: str) -> bool:
    """Whether there is somebody else whom the instance must not be near."""
    domain = oracle.domain(server, key)
    itself = ask.load.group in groups
    return domain is not None and oracle.number(groups, key, domain) > (1 if itself else 0)


def _within_quota(oracle: Oracle, ask: Ask, name: str) -> bool:
    pool = oracle.pools.get(name)
    keys = [key for key, amount in ask.load.quota if pool and amount and key in pool.quota]
    return pool is None or all(
        oracle.charged(name, key) <= pool.quota[key]
        if not pool.cohort
        else (key not in pool.borrow or oracle.charged(name, key) <= pool.quota[key] + pool.borrow[key])
        and (oracle.charged(name, key) <= own(pool, key) or oracle.shared(pool.cohort, key) <= oracle.lent(pool.cohort, key))
        for key in keys
    )  # fmt: skip


@SOME
@given(shapes(), st.integers(0, 2**32))
def test_the_order_of_what_is_given_does_not_matter(shape: Shape, seed: int) -> None:
    given_, dice = scenario(shape), Random(seed)
    uids = dice.sample(sorted(given_.charges), len(given_.charges))
    shuffled = replace(
        given_,
        nodes=dice.sample(given_.nodes, len(given_.nodes)),
        pools=dice.sample(given_.pools, len(given_.pools)),
        charges={uid: given_.charges[uid] for uid in uids},
    )
    assert _outcome(shuffled) == _outcome(given_)


def _outcome(given_: Scenario) -> list[object]:
    fleet = given_.fleet()
    with fleet.trial():
        placed = [place(fleet, ask, count) for ask, count in given_.asks]
        return [_told(fleet, one) for one in placed]


@SOME
@given(shapes(without=BETWEEN_SERVERS, asks=1), st.integers(0, 2**32))
def test_more_capacity_never_places_fewer(shape: Shape, seed: int) -> None:
    """Of one ask, where no rule ties servers to one another (affinity, anti-affinity, spreading, gangs, cohorts).

    Then a pool takes the lesser of what its quota has room for and what its servers have places for, whichever of its
    servers are first; the instances placed are the sum over the pools, or all that were asked; and every term of that
    grows with a server's allocatable, with a further server and with a quota. With several asks it would not hold: an
    instance that finds a better server may leave another a hole that it doesn't fit.
    """
    given_, dice = scenario(shape), Random(seed)
    assert _number(_larger(given_, shape, dice)) >= _number(given_)


def _larger(given_: Scenario, shape: Shape, dice: Random) -> Scenario:
    number = dice.randrange(len(given_.nodes))
    grown = given_.nodes[number]
    match dice.choice(("server", "allocatable", "quota")):
        case "server":
            return replace(given_, nodes=[*given_.nodes, replace(node(shape, 8), name=dice.choice(("a", "z")))])
        case "allocatable":
            more = {key: amount + dice.randint(0, 900) for key, amount in grown.allocatable.items()}
            nodes = [*given_.nodes[:number], replace(grown, allocatable=more), *given_.nodes[number + 1 :]]
            return replace(given_, nodes=nodes)
        case _:
            return replace(given_, pools=[
                replace(pool, quota={key: amount + dice.randint(0, 900) for key, amount in pool.quota.items()})
                for pool in given_.pools
            ])  # fmt: skip


def _number(given_: Scenario) -> int:
    fleet = given_.fleet()
    with fleet.trial():
        return len(place(fleet, *given_.asks[0]).servers)


@FEW
@given(shapes(without=frozenset({"gang"}), asks=1), st.integers(9, 90), st.integers(1, 60), st.integers(1, 120))
def test_a_batch_is_as_its_instances_one_by_one(shape: Shape, servers: int, charges: int, count: int) -> None:
    given_ = scenario(replace(shape, servers=servers, charges=charges))
    ask, _ = given_.asks[0]
    fleet = given_.fleet()
    with fleet.trial():
        at_once = place(fleet, ask, count)
    with fleet.trial():
        each = [place(fleet, ask, 1) for _ in range(len(at_once.servers))]
        assert len(at_once.servers) == count or not len(place(fleet, ask, 1).servers)
    assert at_once.servers.tolist() == [int(one.servers[0]) for one in each]
    assert at_once.use.tolist() == [float(one.use[0]) for one in each]


@SOME
@given(shapes(), st.lists(st.integers(0, 2**32), max_size=12))
def test_a_fleet_that_changed_equals_one_built_anew(shape: Shape, steps: list[int]) -> None:
    given_ = scenario(shape)
    fleet = given_.fleet()
    for step in steps:
        given_ = _changed(fleet, given_, shape, step)
    _same(fleet, given_)


@examples(500, push=60)
@given(shapes(), st.lists(st.integers(0, 2**32), max_size=12))
def test_what_is_kept_from_ask_to_ask_is_as_worked_out_anew(shape: Shape, steps: list[int]) -> None:
    """After each change, in trials within trials, and with instances that another trial has taken back."""
    given_ = scenario(shape)
    fleet = given_.fleet()
    for step in steps:
        assert _placed(fleet, given_) == _placed(given_.fleet(), given_)
        given_ = _changed(fleet, given_, shape, step)
        dice = Random(step)
        with fleet.trial():
            _place_some(fleet, given_, dice)
            with fleet.trial():
                _place_some(fleet, given_, dice)
            _place_some(fleet, given_, dice)
    assert _placed(fleet, given_) == _placed(given_.fleet(), given_)


@SOME
@given(shapes(), st.lists(st.integers(0, 2**32), max_size=12))
def test_what_is_kept_of_two_turns_is_what_each_alone_comes_to(shape: Shape, steps: list[int]) -> None:
    given_ = scenario(shape)
    fleet = given_.fleet()
    for step in steps:
        _two_turns(fleet, given_)
        given_ = _changed(fleet, given_, shape, step)
    _two_turns(fleet, given_)


def _two_turns(fleet: Fleet, given_: Scenario) -> None:
    for ask, _ in given_.asks:
        own = fleet.on_servers(ask.load.group).astype(np.float64)
        scores, use = firsts.filled(fleet, ask)
        for turn in (0, 1):
            alone = score.filled(fleet, ask, np.arange(len(fleet)), turn, own)
            assert (scores[turn].tolist(), use[turn].tolist()) == (alone.scores.tolist(), alone.use.tolist())


def _placed(fleet: Fleet, given_: Scenario) -> list[object]:
    """What comes of each ask alone, and then of all, one after the other."""
    found: list[object] = []
    for ask, count in given_.asks:
        with fleet.trial():
            found.append(_told(fleet, place(fleet, ask, count)))
    with fleet.trial():
        return found + [_told(fleet, place(fleet, ask, count)) for ask, count in given_.asks]


def _told(fleet: Fleet, placed: Placed) -> object:
    return names(fleet, placed), placed.use.tolist(), placed.fit, placed.removed, placed.refusal


def _place_some(fleet: Fleet, given_: Scenario, dice: Random) -> None:
    for ask, count in dice.sample(given_.asks, dice.randint(0, len(given_.asks))):
        place(fleet, ask, count)


def _changed(fleet: Fleet, given_: Scenario, shape: Shape, step: int) -> Scenario:
    """Changes the fleet, and gives the scenario that it is then."""
    dice = Random(step)
    number = dice.randrange(20)
    nodes, charges = {one.name: one for one in given_.nodes}, dict(given_.charges)
    match dice.choice(("charge", "charge", "release", "nodes", "gone", "pools", "trial")):
        case "charge":
            charges[f"uid-{number}"] = charge(shape, step)
            fleet.charge(f"uid-{number}", charges[f"uid-{number}"])
        case "release":
            charges.pop(f"uid-{number}", None)
            fleet.release(f"uid-{number}")
        case "nodes":
            changed = replace(node(shape, step), name=f"s{number % 9}")
            nodes[changed.name] = changed
            fleet.set_nodes([changed])
        case "gone":
            nodes.pop(f"s{number % 9}", None)
            fleet.set_nodes([], [f"s{number % 9}"])
        case "pools":
            given_ = replace(given_, pools=[pool(shape, one) for one in range(number % 4)])
            fleet.set_pools(given_.pools)
        case _:
            with fleet.trial():
                for ask, count in given_.asks:
                    place(fleet, ask, count)
    return replace(given_, nodes=list(nodes.values()), charges=charges)


def _same(fleet: Fleet, given_: Scenario) -> None:
    anew = given_.fleet()
    for plain in (
        "nodes",
        "names",
        "index",
        "pools",
        "pool_names",
        "charges",
        "ports",
        "groups",
        "repelled",
        "quota_used",
    ):
        assert getattr(fleet, plain) == getattr(anew, plain), plain
    assert np.array_equal(fleet.pool_codes, anew.pool_codes)
    for arrays in ("capacity", "used"):
        mine, theirs = getattr(fleet, arrays), getattr(anew, arrays)
        assert {key: value.tolist() for key, value in mine.items()} == {
            key: value.tolist() for key, value in theirs.items()
        }
    for ask, _ in given_.asks:
        assert feasible(fleet, ask).removed == feasible(anew, ask).removed
        assert scores_of(fleet, ask) == scores_of(anew, ask)
