"""What a round of planning looks at: everything declared and observed, at one moment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlink.api.assignment import Assignment
from starlink.api.kinds import ASSIGNMENT, POOL, SERVER, TASK, Kind
from starlink.api.meta import Object, ObjectKey
from starlink.api.pool import Pool
from starlink.api.server import Server
from starlink.api.task import ArtifactFinding, Task
from starlink.planning.contract import Known, O


@dataclass(frozen=True, slots=True)
class World:
    """One consistent view, and a `Sight` of its four kinds.

    `assignments` are grouped by the namespace and name of their task, also of tasks that are gone.
    `silence` is, for each server, how many seconds ago its heartbeat was last seen to be renewed,
    on the observer's own monotonic clock. `now` is seconds since the epoch, for timestamps only.
    `findings` say what was found inside the artifacts of tasks, `looking` are the tasks whose artifacts
    are being looked into. `ready_for` says, by UID, for how many seconds instances have been ready that became so
    lately, on the observer's own clock; the others have been so for long.
    """

    tasks: Mapping[ObjectKey, Task]
    assignments: Mapping[ObjectKey, tuple[Assignment, ...]]
    pools: Mapping[str, Pool]
    servers: Mapping[str, Server]
    silence: Mapping[str, float]
    now: float
    findings: Mapping[ObjectKey, ArtifactFinding] = field(default_factory=dict)
    looking: frozenset[ObjectKey] = frozenset()
    ready_for: Mapping[str, float] = field(default_factory=dict)

    # What a planner sees (planning.contract.Sight)

    def all(self, known: Known[O]) -> Mapping[ObjectKey, O]:
        objects: Mapping[ObjectKey, Any] = self._all(known.kind)
        return objects

    def owned(self, known: Known[O], owner: Object) -> Sequence[O]:
        objects = sorted(self.all(known).items())
        return [obj for _, obj in objects if obj.metadata.controller_uid == owner.uid]

    def unreadable(self, kind: Kind) -> Mapping[ObjectKey, str]:
        return {key: obj.unreadable.why for key, obj in self._all(kind).items() if obj.unreadable is not None}

    def _all(self, kind: Kind) -> Mapping[ObjectKey, Any]:
        if kind == TASK:
            return self.tasks
        if kind == ASSIGNMENT:
            return {a.key: a for group in self.assignments.values() for a in group}
        return {obj.key: obj for obj in {SERVER: self.servers, POOL: self.pools}[kind].values()}
