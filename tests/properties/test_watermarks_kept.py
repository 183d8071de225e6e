"""Watermarks are exceeded by one instance at most, whatever is placed or makes others go."""

from collections.abc import Iterable
from dataclasses import replace

from hypothesis import given
from tests.profiles import examples
from tests.properties.fleets import GROUPS, Shape, scenario, shapes

from starlink.scheduling.ask import Ask
from starlink.scheduling.fleet import Fleet
from starlink.scheduling.place import place
from starlink.scheduling.preemption.preempt import preempt

Requested = dict[tuple[str, str], int]


@examples(2_000, push=150)
@given(shapes())
def test_the_instance_that_crosses_a_watermark_is_the_last(shape: Shape) -> None:
    given_ = scenario(replace(shape, features=shape.features | {"watermark"}))
    fleet = given_.fleet()
    with fleet.trial():
        for ask, count in given_.asks:
            before = _requested(fleet)
            placed = place(fleet, ask, count).servers.tolist()
            _check(fleet, ask, before, placed)
            before = _requested(fleet)
            made = preempt(fleet, ask, count - len(placed), dict.fromkeys(GROUPS, 9))
            _check(fleet, ask, before, [one.server for one in made])


def _check(fleet: Fleet, ask: Ask, before: Requested, placed: Iterable[int]) -> None:
    asked = dict(ask.load.requests)
    after = _requested(fleet)
    for name in {fleet.nodes[server].pool for server in placed} & fleet.pools.keys():
        assert not fleet.pools[name].closed
        for resource, percent in fleet.pools[name].high.items():
            capacity = sum(node.allocatable.get(resource, 0) for node in fleet.nodes if node.pool == name)
            assert before[name, resource] * 100 <= percent * capacity
            assert (after[name, resource] - asked.get(resource, 0)) * 100 <= percent * capacity


def _requested(fleet: Fleet) -> Requested:
    found: Requested = dict.fromkeys(((name, key) for name in fleet.pool_names for key in ("cpu", "memory")), 0)
    for index, node in enumerate(fleet.nodes):
        for key in ("cpu", "memory"):
            found[node.pool, key] += int(fleet.used[key][index])
    return found
