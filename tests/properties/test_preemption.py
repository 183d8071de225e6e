"""Preemption, whatever the fleet: only who may go does, no more than are needed, and what comes then fits."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from itertools import chain, combinations

import numpy as np
from hypothesis import example, given
from tests.profiles import examples
from tests.properties.fleets import Scenario, Shape, scenario, shapes

from starlink.scheduling.ask import Ask
from starlink.scheduling.filters import every
from starlink.scheduling.fleet import Charge, Fleet
from starlink.scheduling.place import place
from starlink.scheduling.pool import borrowed
from starlink.scheduling.preemption.preempt import Preemption, preempt
from starlink.scheduling.quotas import quota_left
from starlink.scheduling.watermarks import below

SOME = examples(1_500)
TINY = examples(1_000)
ENDLESS = dict.fromkeys("abcd", 99)


def budgets_of(shape: Shape) -> dict[str, int]:
    return {group: shape.dice("budget", number).randint(0, 3) for number, group in enumerate("abc")}


class World:
    """A fleet that is built anew from the charges for each question."""

    def __init__(self, given_: Scenario) -> None:
        self._given = given_
        self.charges = dict(given_.charges)

    def fleet(self, gone: Collection[str] = ()) -> Fleet:
        charges = {uid: charge for uid, charge in self.charges.items() if uid not in gone}
        return replace(self._given, charges=charges).fleet()

    def stopping(self) -> set[str]:
        return {uid for uid, charge in self.charges.items() if charge.stopping}

    def fits(self, ask: Ask, server: int, on_server: Collection[str], anywhere: Collection[str]) -> bool:
        """Whether all filters keep a server once those on it have gone, and the quota once those anywhere have."""
        fleet = self.fleet(on_server)
        others = all(mask[server] for name, mask in every(fleet, ask) if name not in ("Quota", "Watermark"))
        return others and self.is_below_watermark(server) and self.has_quota(ask, server, anywhere)

    def is_below_watermark(self, server: int) -> bool:
        """Whether the server's pool takes more; who is told to go is requested until it has gone."""
        return bool(below(self.fleet())[server])

    def has_quota(self, ask: Ask, server: int, gone: Collection[str] = ()) -> bool:
        """Whether the server's pool has quota for it once these have gone."""
        fleet = self.fleet(gone)
        return bool(quota_left(fleet, ask)[fleet.pool_codes[server]] > 0)


@SOME
@given(shapes())
def test_only_who_may_go_does_and_what_comes_fits(shape: Shape) -> None:
    given_ = scenario(shape)
    fleet, world, budgets = given_.fleet(), World(given_), budgets_of(shape)
    before = dict(fleet.charges)
    told: set[str] = set()
    with fleet.trial():
        for number, (ask, count) in enumerate(given_.asks):
            placed = place(fleet, ask, count)
            _come(world, fleet, ask, f"placed-{number}", placed.servers.tolist())
            left = count - len(placed.servers)
            found = preempt(fleet, ask, left, budgets, told)
            assert len(found) in ({0, left} if ask.gang else range(left + 1))
            for turn, one in enumerate(found):
                _check(world, fleet, ask, one, told)
                _come(world, fleet, ask, f"made-{number}-{turn}", [one.server])
                for uid in one.victims:
                    budgets[before[uid].load.group] -= 1
                told |= {*one.victims}
    assert all(left >= 0 for left in budgets.values())
    assert fleet.charges == before


def _come(world: World, fleet: Fleet, ask: Ask, name: str, servers: list[int]) -> None:
    for number, index in enumerate(servers):
        world.charges[f"{name}-{number}"] = Charge(fleet.names[index], ask.load)


def _check(world: World, fleet: Fleet, ask: Ask, one: Preemption, told: set[str]) -> None:
    server = fleet.names[one.server]
    there = {uid for uid in one.victims if world.charges[uid].server == server}
    awaited, soon = {*one.wait_for}, world.stopping() | told
    here = {uid for uid in awaited if world.charges[uid].server == server}
    reclaimed = [uid for uid in one.victims if _may_go(world, fleet, ask, uid, one.server, told)]
    assert not (told & {*one.victims}) and (one.waits or here == awaited)
    assert awaited <= soon
    assert world.fits(ask, one.server, there | here, soon | {*one.victims})
    assert ask.gang or one.waits != world.has_quota(ask, one.server)
    for uid in () if reclaimed else one.victims:
        assert not world.fits(ask, one.server, (there | here) - {uid}, (soon | {*one.victims}) - {uid})
    for uid in () if one.waits else awaited:
        assert not world.fits(ask, one.server, (there | awaited) - {uid}, soon | {*one.victims})


def _may_go(world: World, fleet: Fleet, ask: Ask, uid: str, server: int, told: set[str]) -> bool:
    """Whether it goes because its pool gives back what it borrows."""
    charge = world.charges[uid]
    assert charge.counted and not charge.stopping and charge.load.group != ask.load.group
    home, theirs = fleet.nodes[server].pool, fleet.nodes[fleet.index[charge.server]].pool
    if theirs == home:
        assert charge.load.priority < ask.load.priority
        return False
    usage = world.fleet(world.stopping() | told).quota_used
    assert fleet.pools[home].cohort and fleet.pools[home].cohort == fleet.pools[theirs].cohort
    assert any(borrowed(fleet.pools, usage, theirs, key) for key, _ in ask.load.quota)
    return True


@SOME
@given(shapes())
@example(Shape(seed=922, servers=1, pools=0, charges=12, asks=1, features=frozenset()))  # one whole gang is enough
def test_a_gang_makes_room_whole_or_not_at_all(shape: Shape) -> None:
    given_ = scenario(shape)
    fleet, world, gangs = given_.fleet(), World(given_), frozenset("ab")
    there = {uid: c for uid, c in given_.charges.items() if c.server in fleet.index}
    may_go = {uid: c.load.group for uid, c in there.items() if c.counted and not c.stopping}
    sizes = Counter(may_go.values())
    budgets = {group: sizes[group] * shape.dice("whole", number).randint(0, 1) for number, group in enumerate("abc")}
    told: set[str] = set()
    with fleet.trial():
        for number, (ask, count) in enumerate(given_.asks):
            found = preempt(fleet, ask, count, budgets, told, gangs=gangs)
            for turn, one in enumerate(found):
                gone = world.stopping() | told | {*one.victims}
                here = {
                    uid for uid in (*one.victims, *one.wait_for) if world.charges[uid].server == fleet.names[one.server]
                }
                assert world.fits(ask, one.server, here, gone)
                assert not told & {*one.victims}
                _none_goes_for_nothing(world, ask, one, here, gone, gangs)
                _come(world, fleet, ask, f"made-{number}-{turn}", [one.server])
                for uid in one.victims:
                    budgets[may_go[uid]] -= 1
                told |= {*one.victims}
                for group in gangs:
                    going = told & {uid for uid in may_go if may_go[uid] == group}
                    assert len(going) in (0, sizes[group])
    assert all(left >= 0 for left in budgets.values())


def _none_goes_for_nothing(
    world: World, ask: Ask, one: Preemption, here: set[str], gone: set[str], gangs: Collection[str]
) -> None:
    """Neither of no gang, nor a gang as a whole."""
    parts = [{uid for uid in one.victims if world.charges[uid].load.group == group} for group in gangs]
    parts += [{uid} for uid in one.victims if world.charges[uid].load.group not in gangs]
    if not world.fleet().pools or not any(pool.cohort for pool in world.fleet().pools.values()):
        for part in filter(None, parts):
            assert not world.fits(ask, one.server, here - part, gone - part)


@SOME
@given(shapes())
def test_nothing_is_overcommitted_when_all_have_gone(shape: Shape) -> None:
    given_ = scenario(shape)
    fleet, world = given_.fleet(), World(given_)
    ask, count = given_.asks[0]
    with fleet.trial():
        found = preempt(fleet, ask, count, ENDLESS)
    _come(world, fleet, ask, "made", [one.server for one in found])
    after = world.fleet(world.stopping() | {uid for one in found for uid in one.victims})
    touched = [one.server for one in found]
    for key, amount in ask.load.requests:
        assert not amount or (after.free(key)[touched] >= 0).all()
    assert all(after.ports.get(port, {}).get(index, 0) <= 1 for port in ask.load.ports for index in touched)
    assert not found or _within_quotas(after, ask, touched)


def _within_quotas(fleet: Fleet, ask: Ask, servers: list[int]) -> bool:
    """Without one of its instances, a pool has room for it."""
    freed = {name: dict(used) for name, used in fleet.quota_used.items()}
    pool = fleet.nodes[servers[-1]].pool
    for key, amount in ask.load.quota:
        freed[pool][key] = freed[pool].get(key, 0) - amount
    return bool(quota_left(fleet, ask, freed)[fleet.pool_codes[servers[-1]]] > 0)


@TINY
@given(shapes(without=frozenset({"quota", "cohort"}), asks=1))
def test_a_place_is_found_if_there_is_one_and_its_highest_victim_is_the_lowest(shape: Shape) -> None:
    """Against all sets of victims. Budgets have no end, or the instances of each group are alike: else to choose within
    a budget is the knapsack problem."""
    given_ = _small(scenario(shape), alike=shape.seed % 2 == 0)
    budgets = budgets_of(shape) if shape.seed % 2 == 0 else ENDLESS
    fleet, world, ask = given_.fleet(), World(given_), replace(given_.asks[0][0], gang=False)
    best = min((_highest(world, victims) for victims in _ways(world, fleet, ask, budgets)), default=None)
    with fleet.trial():
        found = preempt(fleet, ask, 1, budgets)
    assert [_highest(world, one.victims) for one in found] == ([] if best is None else [best])


def _small(given_: Scenario, *, alike: bool) -> Scenario:
    uids = sorted(given_.charges)[:9]
    first = {given_.charges[uid].load.group: given_.charges[uid].load for uid in reversed(uids)}
    charges = {uid: given_.charges[uid] for uid in uids}
    same = {uid: charge._replace(load=first[charge.load.group]) for uid, charge in charges.items()}
    return replace(given_, nodes=given_.nodes[:4], charges=same if alike else charges)


def _highest(world: World, victims: Collection[str]) -> float:
    return max((world.charges[uid].load.priority for uid in victims), default=-np.inf)


def _ways(world: World, fleet: Fleet, ask: Ask, budgets: Mapping[str, int]) -> Iterator[set[str]]:
    needed = {group for term in ask.affinity if term.weight is None for group in term.groups}
    for server, name in enumerate(fleet.names):
        there = {uid: c for uid, c in world.charges.items() if c.server == name and c.load.group not in needed}
        going = {uid for uid, charge in there.items() if charge.stopping}
        able = [uid for uid in there if uid not in going and _is_able(there[uid], ask)]
        for victims in chain.from_iterable(combinations(able, size) for size in range(len(able) + 1)):
            groups = [world.charges[uid].load.group for uid in victims]
            within = all(groups.count(group) <= budgets.get(group, 0) for group in groups)
            if within and world.fits(ask, server, going | {*victims}, ()):
                yield {*victims}


def _is_able(charge: Charge, ask: Ask) -> bool:
    return charge.counted and charge.load.priority < ask.load.priority and charge.load.group != ask.load.group
