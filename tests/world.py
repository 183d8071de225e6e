"""A cluster in memory: applies plans as the API would, and plays the agents. For golden files and properties."""

import itertools
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from starlink.api.assignment import Assignment
from starlink.api.kinds import STARLINK_KINDS
from starlink.api.merge_patch import merge
from starlink.api.meta import ObjectKey
from starlink.api.pool import Pool
from starlink.api.reading import read
from starlink.api.server import Server
from starlink.api.task import Task
from starlink.api.timestamp import format_time
from starlink.engine.rounds.fleet import plan_fleet
from starlink.engine.rounds.round import plan_round
from starlink.planning.effects import Effect, after, effect
from starlink.planning.observed import PREEMPTED
from starlink.planning.plan import Action, Create, Delete, Plan, RecordEvent
from starlink.planning.world import World

Obj = dict[str, Any]
START = 1_750_000_000.0


def _seen(obj: Obj, view: type[Any]) -> Any:
    """The object as a cache has it."""
    try:
        return msgspec.convert(obj, view)
    except msgspec.ValidationError:
        return read(msgspec.json.Decoder(view), view, msgspec.json.encode(obj))


class Cluster:
    """Objects as plain values; `silence` and `now` are moved by the test."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str, str], Obj] = {}
        self.silence: dict[str, float] = {}
        self.now = START
        self.ready_for: dict[str, float] = {}
        self.names: list[str] = []
        self.events: list[RecordEvent] = []
        self._numbers = itertools.count(1)

    # What people write

    def add(self, obj: Obj) -> Obj:
        meta = obj.setdefault("metadata", {})
        meta.setdefault("namespace", "default" if obj["kind"] in ("Task", "Assignment") else "")
        meta.update(uid=f"uid-{next(self._numbers)}", generation=1, creationTimestamp=format_time(self.now))
        self._touch(obj)
        self.objects[obj["kind"], meta["namespace"], meta["name"]] = obj
        return obj

    def server(self, name: str, cpu: str = "4", memory: str = "8Gi", arch: str = "amd64", **spec: Any) -> Obj:
        labels = {"kubernetes.io/arch": arch, **spec.pop("labels", {})}
        self.silence[name] = 0.0
        allocatable = {"cpu": cpu, "memory": memory}
        meta = {"name": name, "labels": labels, "finalizers": ["starlink.dev/drained"]}
        status = {"architecture": arch, "allocatable": allocatable}
        return self.add({"kind": "Server", "metadata": meta, "spec": spec, "status": status})

    def task(self, name: str, **spec: Any) -> Obj:
        spec.setdefault("template", {"command": ["run"]})
        return self.add({"kind": "Task", "metadata": {"name": name}, "spec": spec})

    def pool(self, name: str, **spec: Any) -> Obj:
        return self.add({"kind": "Pool", "metadata": {"name": name}, "spec": spec})

    def change(self, obj: Obj, **spec: Any) -> None:
        obj["spec"] = merge(obj["spec"], spec)
        obj["metadata"]["generation"] += 1
        self._touch(obj)

    def preempt(self, name: str) -> None:
        """Tells the assignment to make room, as a round that preempts it does."""
        self.change(self.objects["Assignment", "default", name], desired="Stopped", reason=PREEMPTED)

    def delete(self, obj: Obj) -> None:
        kind = next(kind for kind in STARLINK_KINDS if kind.kind == obj["kind"])
        meta = obj["metadata"]
        self.apply(Delete(kind, ObjectKey(meta["namespace"], meta["name"]), meta["uid"], "a person does"))

    def _touch(self, obj: Obj) -> None:
        obj["metadata"]["resourceVersion"] = str(next(self._numbers))

    # What the operator sees

    def world(self) -> World:
        grouped: dict[ObjectKey, list[Assignment]] = {}
        for assignment in self.all("Assignment", Assignment):
            grouped.setdefault(ObjectKey(assignment.metadata.namespace, assignment.task), []).append(assignment)
        return World(
            tasks={task.key: task for task in self.all("Task", Task)},
            assignments={key: tuple(group) for key, group in grouped.items()},
            pools={pool.name: pool for pool in self.all("Pool", Pool)},
            servers={server.name: server for server in self.all("Server", Server)},
            silence=dict(self.silence),
            now=self.now,
            ready_for=self.ready_for,
        )

    def all(self, kind: str, view: type[Any]) -> list[Any]:
        return [_seen(obj, view) for key, obj in sorted(self.objects.items()) if key[0] == kind]

    def assignments(self) -> list[Assignment]:
        return self.all("Assignment", Assignment)

    # What the operator does

    def round(self, fails: Callable[[Action], bool] = lambda _: False) -> list[Plan]:
        """One round of everything; an action for which `fails` is true ends its plan."""
        plans = [*plan_round(self.world()).plans, *plan_fleet(self.world())]
        for plan in plans:
            for action in plan.actions:
                if fails(action):
                    break
                self.apply(action)
        return [plan for plan in plans if plan]

    def settle(self, rounds: int = 200, fails: Callable[[Action], bool] = lambda _: False) -> None:
        """Operator and agents in turn until nothing is left to do."""
        for _ in range(rounds):
            plans = self.round(fails)
            if not self.agents() and not plans:
                return
        raise AssertionError(f"not settled after {rounds} rounds: {plans}")

    def apply(self, action: Action) -> None:
        if isinstance(action, RecordEvent):
            self.events.append(action)
        elif isinstance(action, Create):
            self._create(action.manifest)
        else:
            self._change(effect(action))

    def _change(self, done: Effect) -> None:
        """Where it is there; versions and generations are the store's."""
        key = done.kind.kind, done.key.namespace, done.key.name
        obj = self.objects.get(key)
        if obj is None:
            return
        changed = after(done, obj, format_time(self.now))
        if changed is None:
            del self.objects[key]
            self._collect(obj["metadata"]["uid"])
        elif changed != obj:
            changed["metadata"]["generation"] += changed.get("spec") != obj.get("spec")
            obj.update(changed)
            self._touch(obj)

    def _collect(self, uid: str) -> None:
        """The garbage collector."""
        for other in list(self.objects.values()):
            owners = other["metadata"].get("ownerReferences", ())
            if any(isinstance(owner, dict) and owner["uid"] == uid for owner in owners):
                self.delete(other)

    def _create(self, manifest: Obj) -> None:
        obj = msgspec.json.decode(msgspec.json.encode(manifest))
        name = obj["metadata"]["name"]
        assert ("Assignment", obj["metadata"]["namespace"], name) not in self.objects, f"{name} is there already"
        self.names.append(f"{obj['metadata']['ownerReferences'][0]['uid']}/{name}")
        self.add(obj)

    # What the agents do

    def agents(self, only: Iterable[str] | None = None) -> bool:
        """Every agent that is heard takes a step for each of its assignments; whether anything changed."""
        changed = False
        for key, obj in sorted(self.objects.items()):
            if key[0] != "Assignment" or self.silence.get(obj["spec"]["server"], 1e9) >= 5:
                continue
            if only is not None and obj["metadata"]["name"] not in only:
                continue
            phase = obj.get("status", {}).get("phase", "Pending")
            if phase in ("Stopped", "Exited", "Failed"):
                continue
            if obj["metadata"].get("deletionTimestamp") or obj["spec"].get("desired") == "Stopped":
                self.report(obj, phase="Stopped", ready=False, finishedAt=format_time(self.now))
                changed = True
            elif phase in ("Pending", "Unknown") and not self._waits(obj):
                self.report(obj, phase="Running", ready=True)
                changed = True
        return changed

    def _waits(self, obj: Obj) -> bool:
        awaited = obj["spec"].get("waitFor", ())
        return any(a.uid in awaited and not a.finished for a in self.assignments())

    def report(self, obj: Obj, **status: Any) -> None:
        obj["status"] = {**obj.get("status", {}), **status}
        self._touch(obj)

    def report_named(self, name: str, **status: Any) -> None:
        self.report(self.objects["Assignment", "default", name], **status)
