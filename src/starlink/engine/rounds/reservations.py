"""The fleet of a world, kept from round to round: what did not change is not counted anew.

It holds nothing that a fresh one would not hold: it is rebuilt from servers, pools, tasks and assignments at any time.
What is held for those that wait follows once all tasks have been looked at.
"""

import math
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import NamedTuple

from starlink.api import quantity
from starlink.api.assignment import Assignment
from starlink.api.meta import ObjectKey
from starlink.api.pool import Overcommit
from starlink.api.server import Server
from starlink.api.task import Task
from starlink.engine.rounds.loads import Loads, repels
from starlink.engine.rounds.neighbours import Neighbours
from starlink.engine.rounds.pools import scheduling_pool
from starlink.planning.containing import Faults
from starlink.planning.health import Health
from starlink.planning.world import World
from starlink.scheduling import tally
from starlink.scheduling.ask import Load, Term
from starlink.scheduling.fleet import Fleet, Node
from starlink.scheduling.tally import Tally

_AS_DECLARED = Overcommit()
_TAKES = ("spec.template.resources", "spec.template.ports", "spec.hostPorts")
"""The fields of an assignment that say what it takes."""


class _Group(NamedTuple):
    """The assignments of one task as they were counted."""

    task: Task | None
    assignments: tuple[Assignment, ...]
    priority: int
    repels: tuple[Term, ...]
    uids: tuple[str, ...]
    servers: frozenset[str]
    lost: frozenset[str]  # of these
    is_steady: bool  # while task and assignments are the same, and none of the servers falls silent


class Held(NamedTuple):
    """What is kept for a task that waits for others to stop: an instance's load on each of the servers, for quota of
    the pool, which `borrows` it or has it of its own."""

    load: Load
    pool: str
    servers: tuple[str, ...]
    borrows: bool = False


class Reservations:
    """`fleet` follows the worlds that `follow` is given. `waiting` has what is held for tasks, as found when each was
    looked at last."""

    def __init__(self) -> None:
        self.fleet = Fleet(())
        self.loads = Loads()
        self.faults = Faults()
        self.waiting: dict[ObjectKey, Held] = {}
        self._servers: dict[str, tuple[Server, str, bool, Overcommit, bool]] = {}
        self._groups: dict[ObjectKey, _Group] = {}
        self._gone: frozenset[str] = frozenset()
        self._shutting: dict[ObjectKey, frozenset[str]] = {}
        self._shut: frozenset[str] = frozenset()
        self._artifacts: dict[str, Tally[str]] = {}

    def follow(self, world: World, pools: Mapping[str, str], health: Health, neighbours: Neighbours) -> Fleet:
        """The fleet of this world; `pools` says the effective pool of each server."""
        self._follow_servers(world, pools, health)
        self._follow_assignments(world, health, neighbours)
        shut = frozenset(name for group in self._shutting.values() for name in group)
        if shut != self._shut:
            self._shut = shut
            self._follow_servers(world, pools, health)
        self.fleet.set_pools([scheduling_pool(pool, self.fleet) for pool in world.pools.values()])
        return self.fleet

    def _follow_servers(self, world: World, pools: Mapping[str, str], health: Health) -> None:
        changed: list[Node] = []
        for name, server in world.servers.items():
            ready = bool(server.status.architecture) and not health.is_suspect(name) and not server.declared_gone
            pool = world.pools.get(pools[name])
            overcommit = pool.spec.overcommit if pool else _AS_DECLARED
            now = (server, pools[name], ready, overcommit, name in self._shut)
            before = self._servers.get(name)
            if before is not None and before[0] is server and before[1:] == now[1:]:
                continue
            self._servers[name] = now
            if (node := _node(*now)) != self.fleet.node(name):
                changed.append(node)
        gone = [name for name in self._servers if name not in world.servers]
        for name in gone:
            del self._servers[name]
        if changed or gone:
            self.fleet.set_nodes(changed, gone)

    def _follow_assignments(self, world: World, health: Health, neighbours: Neighbours) -> None:
        if health.gone != self._gone:
            self._gone = health.gone
            for key in list(self._groups):
                self._forget(key)
        for key in [key for key in self._groups if key not in world.assignments]:
            self._forget(key)
        groups, tasks, silent = self._groups, world.tasks, health.silent
        for key, assignments in world.assignments.items():
            before, task = groups.get(key), tasks.get(key)
            if before is not None and before.assignments is assignments:
                if before.task is task and before.is_steady and silent.isdisjoint(before.servers):
                    continue
                if _is_so(before, task, health, neighbours):
                    groups[key] = before._replace(task=task)
                    continue
            self._count(key, task, assignments, health, _apart(task, neighbours))

    def _count(
        self,
        key: ObjectKey,
        task: Task | None,
        assignments: tuple[Assignment, ...],
        health: Health,
        apart: tuple[Term, ...],
    ) -> None:
        before = self._groups.get(key)
        taking = [a for a in assignments if not a.finished and a.spec.server not in health.gone]
        uids = tuple(a.uid for a in taking)
        self._release(set(before.uids if before else ()) - set(uids))
        self._hold_artifacts(before.assignments if before else (), -1)
        servers = frozenset(a.spec.server for a in taking)
        lost = _lost(servers, task, health)
        for assignment in taking:
            charge = self.loads.charge(assignment, task, apart)
            is_lost = assignment.spec.server in lost
            self.fleet.charge(assignment.uid, charge._replace(counted=False) if is_lost else charge)
        self._hold_artifacts(assignments, 1)
        self._shutting.pop(key, None)
        if shut := frozenset(a.spec.server for a in taking if _takes_unknown(a)):
            self._shutting[key] = shut
        steady = not lost and not (task and task.spec.placement.anti_affinity)
        self._groups[key] = _Group(task, assignments, _priority(task), apart, uids, servers, lost, steady)

    def _forget(self, key: ObjectKey) -> None:
        group = self._groups.pop(key)
        self._shutting.pop(key, None)
        self._release(group.uids)
        self._hold_artifacts(group.assignments, -1)

    def _release(self, uids: Iterable[str]) -> None:
        for uid in uids:
            self.fleet.release(uid)

    def _hold_artifacts(self, assignments: Iterable[Assignment], number: int) -> None:
        for assignment in assignments:
            artifact = assignment.spec.template.artifact
            if artifact is not None:
                tally.add_in(self._artifacts, artifact.sha256, ((assignment.spec.server, number),))

    def holders(self, task: Task) -> frozenset[str]:
        """The servers that had an instance with one of the task's artifacts, which they keep for a while."""
        artifact = task.spec.template.artifact
        if artifact is None:
            return frozenset()
        digests = [artifact.sha256, *(variant.sha256 for variant in artifact.variants)]
        return frozenset(
            server for digest in digests for server, count in self._artifacts.get(digest, {}).items() if count > 0
        )


def _takes_unknown(assignment: Assignment) -> bool:
    """Whether it can't be read what it takes, and nobody read it before: nothing more comes to its server."""
    trouble = assignment.unreadable
    return trouble is not None and any(map(trouble.lacks, _TAKES))


def _apart(task: Task | None, neighbours: Neighbours) -> tuple[Term, ...]:
    return repels(task, neighbours) if task and task.spec.placement.anti_affinity else ()


def _priority(task: Task | None) -> int:
    return task.spec.placement.priority if task else 0


def _is_so(group: _Group, task: Task | None, health: Health, neighbours: Neighbours) -> bool:
    """Whether the assignments of a group, which are the same, count as they did."""
    if (group.priority, group.repels) != (_priority(task), _apart(task, neighbours)):
        return False
    return group.lost == _lost(group.servers, task, health)


def _lost(servers: frozenset[str], task: Task | None, health: Health) -> frozenset[str]:
    """Of servers on which a task has instances, those that are lost: nobody waits for the quota of the dead. An
    instance that is taken back counts again."""
    lost_after = task.spec.placement.lost_after_seconds if task else math.inf
    return frozenset(name for name in servers & health.silent if health.is_lost(name, lost_after))


def _offered(server: Server) -> dict[str, int]:
    """What instances may request there; what the agent reported in words that can't be read is not offered."""
    offered: dict[str, int] = {}
    for name, value in server.status.allocatable.items():
        with suppress(ValueError):
            offered[name] = quantity.amount(name, value)
    return offered


def _node(server: Server, pool: str, ready: bool, overcommit: Overcommit, shut: bool) -> Node:
    allocatable = _offered(server)
    if "cpu" in allocatable:
        allocatable["cpu"] = min(allocatable["cpu"] * overcommit.cpu // 100, quantity.MOST)
    open_but_for_cordon = not (server.metadata.deleting or shut or server.unreadable is not None)
    return Node(
        name=server.name,
        architecture=server.status.architecture,
        pool=pool,
        labels=server.metadata.labels,
        taints=server.spec.taints,
        runtimes=server.status.runtimes or ("Process",),
        features=server.status.features,
        ready=ready,
        schedulable=open_but_for_cordon and not server.spec.unschedulable,
        cordoned=open_but_for_cordon and server.spec.unschedulable,
        allocatable=allocatable,
    )
