"""What applying tasks would do: `starlink plan -f`. Writes nothing, asks the same engine as the operator."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import msgspec

from starlink.api.assignment import Assignment
from starlink.api.meta import ObjectKey
from starlink.api.slots import order
from starlink.api.task import Task, TaskStatus
from starlink.engine.placing import Found
from starlink.engine.trial import Trial, missing
from starlink.planning.task import Examined, renewed
from starlink.planning.world import World

Fate = Literal["create", "keep", "replace", "stop"]


@dataclass(frozen=True, slots=True)
class Row:
    """Instances of one server that share what becomes of them, and why."""

    slots: tuple[str, ...]
    action: Fate
    server: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Victim:
    """An instance that is told to stop to make room."""

    assignment: ObjectKey
    server: str
    priority: int


@dataclass(frozen=True, slots=True)
class Preview:
    """`removed` counts the servers that each filter removed; `unplaced` instances found none, and `waiting` ones
    are created once others have stopped, as `refusal` says. `more`: further instances follow once these are placed;
    of those `desired` only so many are `looked_at`.
    `unknown`: which architectures the artifact runs on is not known before the operator has looked inside, so that
    any is taken here."""

    task: Task
    rows: Sequence[Row]
    removed: Sequence[tuple[str, int]]
    servers: int
    unplaced: int = 0
    waiting: int = 0
    refusal: str = ""
    victims: Sequence[Victim] = ()
    more: bool = False
    desired: int = 0
    looked_at: int = 0
    unknown: bool = False


def preview(world: World, task: Task) -> Preview:
    """The preview of one task."""
    return previews(world, (task,))[0]


def previews(world: World, tasks: Sequence[Task]) -> list[Preview]:
    """The previews of tasks that are applied together, in the order given."""
    world = with_applied(world, tasks)
    trial = Trial(world)
    examined = [trial.examine(world.tasks[key]) for key in dict.fromkeys(task.key for task in tasks)]
    found = trial.place(examined)
    return [_preview(trial, one, found[one.task.key]) for one in examined]


def with_applied(world: World, tasks: Iterable[Task]) -> World:
    """The world with the tasks as they would be applied; those that exist keep their identity and status."""
    return replace(
        world, tasks={**world.tasks, **{task.key: _applied(world.tasks.get(task.key), task) for task in tasks}}
    )


def _applied(existing: Task | None, task: Task) -> Task:
    uid = existing.uid if existing else "new"
    metadata = msgspec.structs.replace(task.metadata, uid=uid, deletion_timestamp=None)
    return msgspec.structs.replace(task, metadata=metadata, status=existing.status if existing else TaskStatus())


def _preview(trial: Trial, examined: Examined, found: Found) -> Preview:
    examined = renewed(examined, found.placement)
    return Preview(
        task=examined.task,
        rows=_together([*_present(examined), *_new(examined, found)]),
        removed=found.removed,
        servers=len(trial.fleet),
        unplaced=missing(examined, found) - found.waiting + _not_renewed(examined, found),
        waiting=found.waiting,
        refusal=found.placement.refusal,
        victims=tuple(_victim(trial.world, a) for a in found.placement.victims),
        more=examined.decision.more,
        desired=examined.task.completions if examined.task.is_batch else examined.task.replicas,
        looked_at=len(examined.decision.wants),
        unknown=examined.task.spec.template.artifact is not None
        and not examined.architectures
        and not examined.nowhere,
    )


def _not_renewed(examined: Examined, found: Found) -> int:
    """How many of a changed gang don't fit, so that it goes on as it was: all of it."""
    renewal = examined.decision.renewal
    return len(renewal.wants) if renewal is not None and not found.placement.renews else 0


def _victim(world: World, assignment: Assignment) -> Victim:
    task = world.tasks.get(ObjectKey(assignment.metadata.namespace, assignment.task))
    return Victim(assignment.key, assignment.spec.server, task.spec.placement.priority if task else 0)


class _Instance(NamedTuple):
    """One instance; those with the same `kind` of reason on one server are told together."""

    slot: str
    action: Fate
    server: str
    reason: str
    kind: str


def _present(examined: Examined) -> list[_Instance]:
    leaving = {a.uid: reason for a, reason in (*examined.decision.remove, *examined.decision.stop)}
    found = []
    for slot, a in examined.observed.live.items():
        reason = leaving.get(a.uid, "")
        if reason and reason != "Outdated":
            found.append(_Instance(slot, "stop", a.spec.server, reason, reason))
        else:
            stays = a.revision == examined.revision or (examined.decision.renewal is not None and not reason)
            fate: Fate = "keep" if stays else "replace"
            found.append(_Instance(slot, fate, a.spec.server, "", ""))
    return found


def _new(examined: Examined, found: Found) -> list[_Instance]:
    placed = zip(examined.decision.wants, found.placement.servers, found.reasons, strict=False)
    return [
        _Instance(want.slot, "create", server, reason, reason if number in found.placement.wait_for else "")
        for number, (want, server, reason) in enumerate(placed)
        if server
    ]


def _together(instances: Iterable[_Instance]) -> list[Row]:
    """A row for all that share server, action and kind of reason, with the last one's reason: how full it then is."""
    rows: dict[tuple[str, str, str], list[_Instance]] = {}
    for one in sorted(instances, key=lambda one: (order(one.slot), one.action)):
        rows.setdefault((one.action, one.server, one.kind), []).append(one)
    return [
        Row(tuple(one.slot for one in alike), alike[-1].action, alike[-1].server, alike[-1].reason)
        for alike in rows.values()
    ]
