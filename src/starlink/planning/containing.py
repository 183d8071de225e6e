"""What can't be used is set apart, so that it harms nothing but itself. Pure but for what is remembered."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

import msgspec

from starlink.api.meta import ObjectKey
from starlink.api.pool import Overcommit, Pool, Quota, Watermarks, Weights
from starlink.api.task import Placement, Task, TaskSpec, Update
from starlink.api.template import Template
from starlink.planning.faults import pool_fault, task_fault
from starlink.planning.world import World

K = TypeVar("K")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Contained:
    """A world with stand-ins for what can't be used, and why it can't: `tasks` by key, `pools` by name."""

    world: World
    tasks: Mapping[ObjectKey, str]
    pools: Mapping[str, str]


class Faults:
    """Finds them. An object that is the very same as before is not looked into again."""

    def __init__(self) -> None:
        self._tasks: dict[ObjectKey, tuple[Task, str]] = {}
        self._pools: dict[str, tuple[Pool, str]] = {}

    def contain(self, world: World) -> Contained:
        """The world as the engine may use it."""
        tasks = _found(self._tasks, world.tasks, task_fault)
        pools = _found(self._pools, world.pools, pool_fault)
        if tasks:
            world = replace(world, tasks={**world.tasks, **{key: _idle(world.tasks[key]) for key in tasks}})
        if pools:
            world = replace(world, pools={**world.pools, **{name: _closed(world.pools[name]) for name in pools}})
        return Contained(world, tasks, pools)


def _found(known: dict[K, tuple[T, str]], objects: Mapping[K, T], fault: Callable[[T], str]) -> dict[K, str]:
    found: dict[K, str] = {}
    for key, one in objects.items():
        before = known.get(key)
        if before is None or before[0] is not one:
            before = known[key] = (one, fault(one))
        if before[1]:
            found[key] = before[1]
    for key in known.keys() - objects.keys() if len(known) > len(objects) else ():
        del known[key]
    return found


def _idle(task: Task) -> Task:
    """It wants nothing, and nobody makes its instances go; those keep away whom they kept away."""
    placement = task.spec.placement
    priority = placement.priority if abs(placement.priority) < 2**31 else 0
    spec = TaskSpec(
        template=Template(),
        type=task.spec.type,
        suspend=True,
        placement=Placement(pool=placement.pool, priority=priority, anti_affinity=placement.anti_affinity),
        update=Update(max_unavailable=0),
    )
    return msgspec.structs.replace(task, spec=spec)


def _closed(pool: Pool) -> Pool:
    """Its servers stay in it, and nothing more is placed there."""
    spec = msgspec.structs.replace(
        pool.spec,
        quota=Quota(assignments=0),
        cohort="",
        lend=Quota(),
        borrow=None,
        watermarks=Watermarks(),
        overcommit=Overcommit(),
        weights=Weights(),
    )
    return msgspec.structs.replace(pool, spec=spec)
