"""A world that is acted upon as the API and obedient agents would, in thought only."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, assert_never

import msgspec

from starlink.api.assignment import Assignment
from starlink.api.kinds import POOL, TASK
from starlink.api.merge_patch import merge
from starlink.api.meta import ObjectKey
from starlink.api.pool import PoolStatus
from starlink.api.task import TaskStatus
from starlink.api.timestamp import format_time
from starlink.planning.health import SUSPECT_AFTER
from starlink.planning.plan import (
    Action,
    AddFinalizer,
    CreateAssignment,
    DeleteAssignment,
    Doubt,
    Plan,
    RecordEvent,
    ReleaseFinalizer,
    StopAssignment,
    UpdateStatus,
)
from starlink.planning.world import World

_Change = Callable[[Assignment], Assignment | None]


class Stage:
    """`world` is as it is after all that was done. Time stands still, and servers stay as silent as they were."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._tasks, self._pools = dict(world.tasks), dict(world.pools)
        self._groups = dict(world.assignments)
        self._group_of = {a.uid: key for key, group in world.assignments.items() for a in group}
        self._restless = {key for key, group in world.assignments.items() if any(map(_restless, group))}

    def apply(self, plans: Iterable[Plan]) -> frozenset[ObjectKey]:
        """Does what the plans say, and gives the tasks of whose assignments some changed."""
        changed = {key for plan in plans for action in plan.actions if (key := self._act(action)) is not None}
        self._restless |= changed
        self.world = replace(self.world, tasks=dict(self._tasks), pools=dict(self._pools), assignments=self._groups)
        self._groups = dict(self._groups)
        return frozenset(changed)

    def obey(self) -> frozenset[ObjectKey]:
        """Every agent that is heard stops what is told to stop and starts what waits for nobody, which is ready then;
        gives the tasks of whose assignments some changed."""
        before = {key: self._groups.get(key, ()) for key in self._restless}
        for step in (self._stopped, self._started):
            for key in before:
                self._groups[key] = tuple(map(step, self._groups.get(key, ())))
        self._restless = {key for key in before if any(map(_restless, self._groups[key]))}
        self.world = replace(self.world, assignments=self._groups)
        self._groups = dict(self._groups)
        return frozenset(key for key, group in before.items() if self._groups[key] != group)

    # What the API does

    def _act(self, action: Action) -> ObjectKey | None:
        """The task of whose assignments one changed, if any did."""
        match action:
            case CreateAssignment():
                return self._create(action)
            case StopAssignment():
                return self._change(action.uid, lambda a: _with_spec(a, desired="Stopped", reason=action.reason))
            case DeleteAssignment():
                return self._change(action.uid, self._deleted)
            case Doubt():
                return self._change(action.uid, lambda a: _with_status(a, phase="Unknown", ready=False))
            case ReleaseFinalizer():
                return self._change(action.uid, lambda a: _released(a, action.finalizer))
            case UpdateStatus():
                self._tell(action)
            case RecordEvent() | AddFinalizer():
                pass
            case _:
                assert_never(action)
        return None

    def _create(self, action: CreateAssignment) -> ObjectKey:
        metadata = action.manifest["metadata"]
        body = {**action.manifest, "metadata": {**metadata, "uid": uid_of(action), "creationTimestamp": self._now}}
        created = msgspec.convert(body, Assignment)
        key = ObjectKey(created.metadata.namespace, created.task)
        self._groups[key] = (*self._groups.get(key, ()), created)
        self._group_of[created.uid] = key
        return key

    def _change(self, uid: str, change: _Change) -> ObjectKey | None:
        """One that is gone by now changes no more."""
        key = self._group_of.get(uid)
        if key is None:
            return None
        changed = ((change(a) if a.uid == uid else a) for a in self._groups[key])
        self._groups[key] = tuple(a for a in changed if a is not None)
        if all(a.uid != uid for a in self._groups[key]):
            del self._group_of[uid]
        return key

    def _deleted(self, assignment: Assignment) -> Assignment | None:
        meta = assignment.metadata
        if not meta.finalizers:
            return None
        when = meta.deletion_timestamp or self._now
        return msgspec.structs.replace(assignment, metadata=msgspec.structs.replace(meta, deletion_timestamp=when))

    def _tell(self, action: UpdateStatus) -> None:
        if action.kind == TASK and (task := self._tasks.get(action.key)):
            status = msgspec.convert(merge(msgspec.to_builtins(task.status), action.status), TaskStatus)
            self._tasks[action.key] = msgspec.structs.replace(task, status=status)
        if action.kind == POOL and (pool := self._pools.get(action.key.name)):
            told = msgspec.convert(merge(msgspec.to_builtins(pool.status), action.status), PoolStatus)
            self._pools[action.key.name] = msgspec.structs.replace(pool, status=told)

    @property
    def _now(self) -> str:
        return format_time(self.world.now)

    # What the agents do

    def _stopped(self, assignment: Assignment) -> Assignment:
        if not assignment.stopping or not self._is_heard(assignment.spec.server):
            return assignment
        return _with_status(assignment, phase="Stopped", ready=False, finished_at=self._now)

    def _started(self, assignment: Assignment) -> Assignment:
        starts = _restless(assignment) and not assignment.stopping and not self._waits(assignment)
        if not starts or not self._is_heard(assignment.spec.server):
            return assignment
        return _with_status(assignment, phase="Running", ready=True)

    def _is_heard(self, server: str) -> bool:
        return server in self.world.servers and self.world.silence.get(server, 0.0) < SUSPECT_AFTER

    def _waits(self, assignment: Assignment) -> bool:
        awaited = [(uid, self._group_of[uid]) for uid in assignment.spec.wait_for if uid in self._group_of]
        return any(a.uid == uid and not a.finished for uid, key in awaited for a in self._groups[key])


def uid_of(action: CreateAssignment) -> str:
    """The UID that what it creates has on a stage."""
    metadata = action.manifest["metadata"]
    return f"{metadata['ownerReferences'][0]['uid']}/{metadata['namespace']}/{metadata['name']}"


def _restless(assignment: Assignment) -> bool:
    """Whether its agent has something to do."""
    return not assignment.finished and (assignment.stopping or assignment.status.phase != "Running")


def _released(assignment: Assignment, finalizer: str) -> Assignment | None:
    meta = assignment.metadata
    left = tuple(one for one in meta.finalizers if one != finalizer)
    if meta.deleting and not left:
        return None
    return msgspec.structs.replace(assignment, metadata=msgspec.structs.replace(meta, finalizers=left))


def _with_spec(assignment: Assignment, **changed: Any) -> Assignment:
    return msgspec.structs.replace(assignment, spec=msgspec.structs.replace(assignment.spec, **changed))


def _with_status(assignment: Assignment, **changed: Any) -> Assignment:
    return msgspec.structs.replace(assignment, status=msgspec.structs.replace(assignment.status, **changed))
