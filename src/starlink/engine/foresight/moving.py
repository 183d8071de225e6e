"""What moving servers to another pool would do: `starlink pool move`."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec

from starlink.api.assignment import Assignment
from starlink.api.meta import ObjectKey
from starlink.api.pool import Pool
from starlink.api.server import Server
from starlink.api.task import Task
from starlink.engine.foresight.scenario import Scenario
from starlink.engine.rounds.pools import pool_use
from starlink.engine.rounds.round import POOL_CHANGED
from starlink.planning.decision import Decision, Want
from starlink.planning.reasons import Unplaced
from starlink.planning.world import World
from starlink.scheduling.explaining.amounts import quantity
from starlink.scheduling.place import Choice
from starlink.scheduling.pool import room


@dataclass(frozen=True, slots=True)
class Leaving:
    """An instance that has to leave its server, where it would go and why there; `server_to` "" when nowhere fits, and
    why not."""

    task: ObjectKey
    slot: str
    server: str
    server_to: str
    choice: Choice | None
    unplaced: Unplaced | None


@dataclass(frozen=True, slots=True)
class PoolMove:
    """`servers` with their pools now. `staying` instances go on where they are. `objections` say against what of the
    new pool's rules. `headroom` is the new pool's, once all that leave have left."""

    pool: str
    servers: Mapping[str, str]
    staying: int
    leaving: tuple[Leaving, ...]
    objections: tuple[str, ...]
    headroom: Mapping[str, str]

    @property
    def fits(self) -> bool:
        """Whether all that has to leave finds a place, and what stays keeps to the new pool's rules."""
        return not self.objections and all(one.server_to for one in self.leaving)


def preview_move(world: World, servers: Sequence[str], pool: str) -> PoolMove:
    """What would become of the instances of the servers, and of their gangs. The servers and the pool exist."""
    now = Scenario(world)
    then = Scenario(
        replace(world, servers={**world.servers, **{name: _in(world.servers[name], pool) for name in servers}})
    )
    there = [one for one in _instances(world) if one[0].spec.server in servers]
    leaving = [one for one in there if one[1] is not None and _has_to_leave(then, one[1], one[0])]
    leaving += _with_their_gangs(world, leaving)
    gone = {a.uid for a, _ in leaving}
    for uid in gone:
        then.fleet.release(uid)
    staying = [a for a, _ in there if a.uid not in gone]
    headroom = pool_use(then.fleet, world.pools[pool]).headroom
    return PoolMove(
        pool=pool,
        servers={name: now.pools[name] for name in servers},
        staying=len(staying),
        leaving=tuple(_resettled(then, leaving)),
        objections=tuple(_objections(now, then, world.pools[pool], servers, staying)),
        headroom={name: quantity(name, amount) for name, amount in sorted(headroom.items())},
    )


def _in(server: Server, pool: str) -> Server:
    return msgspec.structs.replace(server, spec=msgspec.structs.replace(server.spec, pool=pool))


def _instances(world: World) -> Iterator[tuple[Assignment, Task | None]]:
    """What has not finished, by task and slot, each with its task."""
    for key in sorted(world.assignments):
        for assignment in sorted(world.assignments[key], key=lambda a: (a.spec.slot, a.spec.attempt)):
            if not assignment.finished:
                yield assignment, world.tasks.get(key)


def _has_to_leave(then: Scenario, task: Task, assignment: Assignment) -> bool:
    if task.is_batch or assignment.stopping or assignment.metadata.controller_uid != task.uid:
        return False
    return then.must_move(task)(assignment) == POOL_CHANGED


def _with_their_gangs(
    world: World, leaving: Sequence[tuple[Assignment, Task | None]]
) -> list[tuple[Assignment, Task | None]]:
    """The others of the gangs of which some leave: all go elsewhere, or none."""
    gangs = {task.key for _, task in leaving if task is not None and task.spec.placement.gang}
    known = {a.uid for a, _ in leaving}
    return [
        (a, task)
        for a, task in _instances(world)
        if task is not None and task.key in gangs and not a.stopping and a.uid not in known
    ]


def _resettled(then: Scenario, leaving: Iterable[tuple[Assignment, Task | None]]) -> Iterator[Leaving]:
    by_task: dict[ObjectKey, list[Assignment]] = {}
    for assignment, task in leaving:
        assert task is not None
        by_task.setdefault(task.key, []).append(assignment)
    wants = {key: tuple(_want(then.world.tasks[key], a) for a in group) for key, group in by_task.items()}
    examined = [
        replace(then.examine(then.world.tasks[key]), decision=Decision(wants=wanted)) for key, wanted in wants.items()
    ]
    for key, found in then.place(examined).items():
        for number, assignment in enumerate(by_task[key]):
            server = found.placement.servers[number]
            choice, unplaced = (found.choices[number], None) if server else (None, found.placement.unplaced)
            yield Leaving(key, assignment.spec.slot, assignment.spec.server, server, choice, unplaced)


def _want(task: Task, assignment: Assignment) -> Want:
    slot = assignment.spec.slot
    return Want(slot, assignment.spec.attempt + 1, task.fixed_slots.get(slot, ""))


def _objections(
    now: Scenario, then: Scenario, pool: Pool, servers: Sequence[str], staying: Sequence[Assignment]
) -> Iterator[str]:
    strangers = [a for a in staying if pool.spec.namespaces and a.metadata.namespace not in pool.spec.namespaces]
    if strangers:
        names = ", ".join(sorted({a.metadata.namespace for a in strangers}))
        yield f"pool {pool.name} is closed to namespaces of {len(strangers)} of the instances that stay ({names})"
    taken = pool.spec.architectures
    others = [name for name in servers if taken and then.world.servers[name].status.architecture not in taken]
    if others:
        yield f"pool {pool.name} takes {' or '.join(taken)} only: nothing would be placed on {', '.join(others)}"
    yield from _exceeded(now, then, pool.name)


def _exceeded(now: Scenario, then: Scenario, pool: str) -> Iterator[str]:
    """The keys of the quota that the move brings above what the pool may take."""
    before, after = now.fleet.quota_used.get(pool, {}), then.fleet.quota_used.get(pool, {})
    for key, limit in then.fleet.pools[pool].quota.items():
        used = after.get(key, 0)
        if used > before.get(key, 0) and room(then.fleet.pools, then.fleet.quota_used, pool, key) < 0:
            yield f"pool {pool}'s quota would be exceeded: {quantity(key, used)} of {quantity(key, limit)} {key}"
