"""A world that is acted upon as the API and obedient agents would, in thought only."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import msgspec

from starlink.api.assignment import Assignment
from starlink.api.kinds import ASSIGNMENT, POOL, TASK
from starlink.api.meta import ObjectKey
from starlink.api.timestamp import format_time
from starlink.planning.effects import Effect, after, effect
from starlink.planning.health import SUSPECT_AFTER
from starlink.planning.plan import Action, Create, Plan, RecordEvent
from starlink.planning.world import World


class Simulation:
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
        if isinstance(action, RecordEvent):
            return None
        done = effect(action)
        if done.kind == TASK and (task := self._tasks.get(done.key)):
            _put(self._tasks, done.key, after(done, task, self._now))
        if done.kind == POOL and (pool := self._pools.get(done.key.name)):
            _put(self._pools, done.key.name, after(done, pool, self._now))
        if done.kind != ASSIGNMENT:
            return None
        return self._create(action) if isinstance(action, Create) else self._change(done)

    def _create(self, action: Create) -> ObjectKey:
        metadata = action.manifest["metadata"]
        body = {**action.manifest, "metadata": {**metadata, "uid": uid_of(action), "creationTimestamp": self._now}}
        created = msgspec.convert(body, Assignment)
        key = ObjectKey(created.metadata.namespace, created.task)
        self._groups[key] = (*self._groups.get(key, ()), created)
        self._group_of[created.uid] = key
        return key

    def _change(self, done: Effect) -> ObjectKey | None:
        """One that is gone by now changes no more."""
        key = self._group_of.get(done.uid)
        if key is None:
            return None
        changed = ((after(done, a, self._now) if a.uid == done.uid else a) for a in self._groups[key])
        self._groups[key] = tuple(a for a in changed if a is not None)
        if all(a.uid != done.uid for a in self._groups[key]):
            del self._group_of[done.uid]
        return key

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


def _put(objects: dict[Any, Any], key: Any, obj: Any) -> None:
    """An object as it is now; None when it is gone."""
    if obj is None:
        del objects[key]
    else:
        objects[key] = obj


def uid_of(action: Create) -> str:
    """The UID that what it creates has on a stage."""
    metadata = action.manifest["metadata"]
    return f"{metadata['ownerReferences'][0]['uid']}/{metadata['namespace']}/{metadata['name']}"


def _restless(assignment: Assignment) -> bool:
    """Whether its agent has something to do."""
    return not assignment.finished and (assignment.stopping or assignment.status.phase != "Running")


def _with_status(assignment: Assignment, **changed: Any) -> Assignment:
    return msgspec.structs.replace(assignment, status=msgspec.structs.replace(assignment.status, **changed))
