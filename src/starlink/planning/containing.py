"""What can't be used is set apart, so that it harms nothing but itself. Pure but for what is remembered."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeVar

import msgspec

from starlink.api.meta import ObjectKey, Unreadable
from starlink.api.pool import Overcommit, Pool, Quota, Watermarks, Weights
from starlink.api.reading import marked
from starlink.api.server import Server, ServerSpec
from starlink.api.task import Placement, Task, TaskSpec, Update
from starlink.api.template import Template
from starlink.planning.failure import where
from starlink.planning.faults import pool_fault, task_fault
from starlink.planning.unreadable import trouble
from starlink.planning.world import World

K = TypeVar("K")
T = TypeVar("T", Task, Pool, Server)


@dataclass(frozen=True, slots=True)
class Contained:
    """A world with stand-ins for what can't be used, and why it can't: `tasks` by key, `pools` by name. So it has for
    what can't be read, in `unread`: those are left alone."""

    world: World
    tasks: Mapping[ObjectKey, str]
    pools: Mapping[str, str]
    unread: "Unread"


@dataclass(frozen=True, slots=True)
class Unread:
    """What can't be read, and why: `tasks` by key, `pools` and `servers` by name."""

    tasks: Mapping[ObjectKey, str]
    pools: Mapping[str, str]
    servers: Mapping[str, str]


class Faults:
    """Finds them. An object that is the very same as before is not looked into again."""

    def __init__(self) -> None:
        self._tasks: dict[ObjectKey, tuple[Task, _Fault | None]] = {}
        self._pools: dict[str, tuple[Pool, _Fault | None]] = {}
        self._servers: dict[str, tuple[Server, _Fault | None]] = {}

    def contain(self, world: World) -> Contained:
        """The world as the engine may use it."""
        tasks = _found(self._tasks, world.tasks, task_fault)
        pools = _found(self._pools, world.pools, pool_fault)
        servers = _found(self._servers, world.servers, lambda _: "")
        if tasks:
            idle = {key: _marked(_idle(world.tasks[key]), fault) for key, fault in tasks.items()}
            world = replace(world, tasks={**world.tasks, **idle})
        if pools:
            closed = {name: _marked(_closed(world.pools[name]), fault) for name, fault in pools.items()}
            world = replace(world, pools={**world.pools, **closed})
        if servers:
            shut = {name: _marked(_shut(world.servers[name]), fault) for name, fault in servers.items()}
            world = replace(world, servers={**world.servers, **shut})
        unread = Unread(_of(tasks, unread=True), _of(pools, unread=True), _of(servers, unread=True))
        return Contained(world, _of(tasks, unread=False), _of(pools, unread=False), unread)


class _Fault(NamedTuple):
    """Why an object can't be used, or `unread`: why it can't be read."""

    why: str
    unread: bool


def _of(faults: Mapping[K, _Fault], *, unread: bool) -> dict[K, str]:
    return {key: fault.why for key, fault in faults.items() if fault.unread == unread}


def _found(
    known: dict[K, tuple[T, _Fault | None]], objects: Mapping[K, T], fault: Callable[[T], str]
) -> dict[K, _Fault]:
    found: dict[K, _Fault] = {}
    for key, one in objects.items():
        before = known.get(key)
        if before is None or before[0] is not one:
            before = known[key] = (one, _judged(one, fault))
        if before[1] is not None:
            found[key] = before[1]
    for key in known.keys() - objects.keys() if len(known) > len(objects) else ():
        del known[key]
    return found


def _judged(obj: T, fault: Callable[[T], str]) -> _Fault | None:
    """What is wrong with an object. A judge that raises has met what nobody thought of."""
    try:
        if why := trouble(obj):
            return _Fault(why, unread=True)
        why = fault(obj)
        return _Fault(why, unread=False) if why else None
    except Exception as error:
        return _Fault(f"spec: it could not be judged ({where(error)})", unread=True)


def _marked(stand_in: T, fault: _Fault) -> T:
    """Whoever is given the stand-in for what can't be read sees that it is one."""
    if not fault.unread or stand_in.unreadable is not None:
        return stand_in
    return marked(stand_in, Unreadable(why=fault.why))


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
        strategy="Spread",
        quota=Quota(assignments=0),
        cohort="",
        lend=Quota(),
        borrow=None,
        watermarks=Watermarks(),
        overcommit=Overcommit(),
        weights=Weights(),
    )
    return msgspec.structs.replace(pool, spec=spec)


def _shut(server: Server) -> Server:
    """It stays in its pool, what runs there stays, and nothing more comes."""
    trouble = server.unreadable
    unsure = trouble is not None and (trouble.lacks("spec.pool") or trouble.lacks("metadata.labels"))
    pool = server.status.pool if unsure else server.spec.pool
    return msgspec.structs.replace(server, spec=ServerSpec(pool=pool, unschedulable=True))
