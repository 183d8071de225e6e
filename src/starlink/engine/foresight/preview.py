"""What applying tasks would do: `starlink plan -f`. Writes nothing, asks the same engine as the operator.

Where all that is new finds a place at once, that is one look. What is replaced, and what needs others to go first, is
rehearsed to its end, and the rows are the difference.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import msgspec

from starlink.api import conditions
from starlink.api.assignment import Assignment
from starlink.api.meta import ObjectKey
from starlink.api.slots import order
from starlink.api.task import Task, TaskStatus
from starlink.engine.foresight.rehearsal import Rehearsal, rehearse
from starlink.engine.foresight.scenario import Scenario, missing
from starlink.engine.rounds.budgets import budget
from starlink.engine.rounds.placing import Found
from starlink.planning.examined import Examined
from starlink.planning.reasons import Unplaced
from starlink.planning.replacements import OUTDATED, MustMove
from starlink.planning.world import World
from starlink.scheduling.place import Choice

Fate = Literal["create", "keep", "replace", "stop"]
Sequel = Literal["", "NotHeard", "NoServer", "Stays", "NotLookedAt"]
"""What does not follow on an instance that has to go: another one before its agent is heard again, or at all; that it
goes; that what it does is looked at."""


@dataclass(frozen=True, slots=True)
class Row:
    """Instances that share what becomes of them: on `server`, or from there, if they are replaced, to `to`. `leaves` is
    the reason in one word for which they have to go, `choice` why they go where they go, of the last one."""

    slots: tuple[str, ...]
    action: Fate
    server: str
    leaves: str = ""
    sequel: Sequel = ""
    choice: Choice | None = None
    to: str = ""


@dataclass(frozen=True, slots=True)
class Victim:
    """An instance that is told to stop to make room."""

    assignment: ObjectKey
    server: str
    priority: int


@dataclass(frozen=True, slots=True)
class Preview:
    """`removed` counts the servers that each filter removed; `unplaced` instances found none, and `waiting` ones have a
    place where what has to stop first does not: `why` is the reason of both. `waited` says for whom those waited that
    are created all the same. `held` are to be replaced and stay, `absent` being missing of those wanted; `more`:
    further instances follow once these are placed; of those `desired` only so many are `looked_at`. What comes after so
    many `rounds` was not looked at; 0 when nothing does.
    `unknown`: which architectures the artifact runs on is not known before the operator has looked inside, so that
    any is taken here."""

    task: Task
    rows: Sequence[Row]
    removed: Sequence[tuple[str, int]]
    servers: int
    unplaced: int = 0
    waiting: int = 0
    why: Unplaced | None = None
    victims: Sequence[Victim] = ()
    more: bool = False
    desired: int = 0
    looked_at: int = 0
    unknown: bool = False
    waited: Unplaced | None = None
    held: int = 0
    absent: int = 0
    rounds: int = 0

    @property
    def falls_short(self) -> bool:
        """Whether something that is wanted can't be placed."""
        return bool(self.unplaced or (self.held and self.why))


def preview(world: World, task: Task) -> Preview:
    """The preview of one task."""
    return previews(world, (task,))[0]


def previews(world: World, tasks: Sequence[Task]) -> list[Preview]:
    """The previews of tasks that are applied together, in the order given."""
    world = with_applied(world, tasks)
    trial = Scenario(world)
    examined = [trial.examine(world.tasks[key]) for key in dict.fromkeys(task.key for task in tasks)]
    found = trial.place(examined)
    if not (_unfolds(examined, found) or _lets_in(examined, world)):
        return [_at_once(trial, one, found[one.task.key]) for one in examined]
    rehearsal = rehearse(world)
    end = Scenario(rehearsal.world)
    return [_in_the_end(trial, one, found[one.task.key], rehearsal, end) for one in examined]


def with_applied(world: World, tasks: Iterable[Task]) -> World:
    """The world with the tasks as they would be applied; those that exist keep their identity and status."""
    return replace(
        world, tasks={**world.tasks, **{task.key: _applied(world.tasks.get(task.key), task) for task in tasks}}
    )


def _applied(existing: Task | None, task: Task) -> Task:
    uid = existing.uid if existing else "new"
    metadata = msgspec.structs.replace(task.metadata, uid=uid, deletion_timestamp=None)
    return msgspec.structs.replace(task, metadata=metadata, status=existing.status if existing else TaskStatus())


def _unfolds(examined: Sequence[Examined], found: Mapping[ObjectKey, Found]) -> bool:
    """Whether a second round would go on: something is replaced, or what has no place yet may get one once others have
    gone, or one of these tasks makes room for another."""
    victims = [a for one in found.values() for a in one.placement.victims]
    leaving = victims or any(one.decision.remove or one.decision.stop for one in examined)
    short = any(missing(one, found[one.task.key]) for one in examined)
    own = any(ObjectKey(a.metadata.namespace, a.task) in found for a in victims)
    return bool(own or (leaving and short) or any(one.decision.updating for one in examined))


def _lets_in(examined: Sequence[Examined], world: World) -> bool:
    """Whether what becomes of tasks that are there may let others in that have found no place, by what their statuses
    say."""
    changed = {one.task.key for one in examined}
    others = (task for task in world.tasks.values() if task.key not in changed)
    return any(one.observed.live for one in examined) and any(map(_is_short, others))


def _is_short(task: Task) -> bool:
    told = conditions.find(task.status.conditions, conditions.SCHEDULED)
    return told is not None and told.status == "False"


# What one look says


def _at_once(trial: Scenario, examined: Examined, found: Found) -> Preview:
    return replace(
        _common(trial, examined),
        rows=_together([*_present(examined), *_new(examined, found)]),
        removed=found.removed,
        unplaced=missing(examined, found) - found.waiting,
        waiting=found.waiting,
        why=found.placement.unplaced,
        victims=_victims(trial.world, found.placement.victims),
        more=examined.decision.more,
        looked_at=len(examined.decision.wants),
    )


def _common(trial: Scenario, examined: Examined) -> Preview:
    """What is known of a task before anything is placed."""
    task = examined.task
    unknown = task.spec.template.artifact is not None and not examined.architectures and not examined.nowhere
    desired = task.completions if task.is_batch else task.replicas
    return Preview(task, (), (), len(trial.fleet), desired=desired, unknown=unknown)


def _victims(world: World, assignments: Iterable[Assignment]) -> tuple[Victim, ...]:
    return tuple(_victim(world, a) for a in assignments)


def _victim(world: World, assignment: Assignment) -> Victim:
    task = world.tasks.get(ObjectKey(assignment.metadata.namespace, assignment.task))
    return Victim(assignment.key, assignment.spec.server, task.spec.placement.priority if task else 0)


class _Instance(NamedTuple):
    """One instance, and what becomes of it; the names are those of a Row."""

    slot: str
    action: Fate
    server: str
    leaves: str = ""
    sequel: Sequel = ""
    choice: Choice | None = None
    to: str = ""

    @property
    def kind(self) -> tuple[Any, ...]:
        """Alike are told together, however full the server then is."""
        makes_room = self.choice if self.choice and not self.choice.fit else None
        return self.action, self.server, self.to, self.leaves, self.sequel, makes_room


def _present(examined: Examined) -> list[_Instance]:
    leaving = {one.assignment.uid: one.reason for one in (*examined.decision.remove, *examined.decision.stop)}
    found = []
    for slot, a in examined.observed.live.items():
        reason = leaving.get(a.uid, "")
        found.append(_Instance(slot, "stop" if reason else "keep", a.spec.server, reason))
    return found


def _new(examined: Examined, found: Found) -> list[_Instance]:
    placed = zip(examined.decision.wants, found.placement.servers, found.choices, strict=False)
    return [_Instance(want.slot, "create", server, choice=choice) for want, server, choice in placed if choice]


# What a rehearsal says


def _in_the_end(trial: Scenario, examined: Examined, first: Found, rehearsal: Rehearsal, end: Scenario) -> Preview:
    key = examined.task.key
    last = end.examine(end.world.tasks[key])
    found = rehearsal.found.get(key, first)
    rows, held = _difference(examined, last, rehearsal, end)
    wants, why = len(last.decision.wants), found.placement.unplaced
    return replace(
        _common(trial, examined),
        rows=_together(rows),
        removed=found.removed,
        unplaced=wants - found.waiting if why and wants else 0,
        waiting=found.waiting if wants else 0,
        why=why if wants or held else None,
        victims=_victims(trial.world, rehearsal.victims.get(key, {}).values()),
        more=last.decision.more,
        looked_at=wants,
        waited=rehearsal.waited.get(key),
        held=held,
        absent=budget(last.task, end.world, end.health).missing if held else 0,
        rounds=0 if rehearsal.whole else rehearsal.rounds,
    )


def _difference(examined: Examined, last: Examined, rehearsal: Rehearsal, end: Scenario) -> tuple[list[_Instance], int]:
    """What becomes of each slot, and how many stay that are to be replaced."""
    before, after = examined.observed.live, last.observed.live
    wanted = {want.slot for want in last.decision.wants}
    must_move = end.must_move(last.task)
    found, held = [], 0
    for slot in {**before, **after}:
        was, now = before.get(slot), after.get(slot)
        if now is None:
            assert was is not None
            found.append(_gone(slot, was, rehearsal, _sequel(slot in wanted, slot in last.observed.active)))
        elif was is None:
            found.append(_come(slot, now, rehearsal))
        elif was.uid != now.uid:
            found.append(_replaced(slot, was, now, rehearsal))
        else:
            why = _due(last, now, must_move)
            held += bool(why)
            stays: Sequel = "Stays" if rehearsal.whole else "NotLookedAt"
            found.append(_Instance(slot, "keep", now.spec.server, why, stays if why else ""))
    return found, held


def _due(last: Examined, assignment: Assignment, must_move: MustMove) -> str:
    """Why one that is there is to be replaced, in one word; "" when it is not."""
    if last.task.is_batch:
        return ""
    return must_move(assignment) or (OUTDATED if assignment.revision != last.revision else "")


def _sequel(is_wanted: bool, is_stopping: bool) -> Sequel:
    if is_stopping:
        return "NotHeard"
    return "NoServer" if is_wanted else ""


def _gone(slot: str, was: Assignment, rehearsal: Rehearsal, sequel: Sequel) -> _Instance:
    return _Instance(slot, "stop", was.spec.server, rehearsal.leaves.get(was.uid, ""), sequel)


def _come(slot: str, now: Assignment, rehearsal: Rehearsal) -> _Instance:
    return _Instance(slot, "create", now.spec.server, choice=rehearsal.placed.get(now.uid))


def _replaced(slot: str, was: Assignment, now: Assignment, rehearsal: Rehearsal) -> _Instance:
    leaves, choice = rehearsal.leaves.get(was.uid, ""), rehearsal.placed.get(now.uid)
    return _Instance(slot, "replace", was.spec.server, leaves, choice=choice, to=now.spec.server)


def _together(instances: Iterable[_Instance]) -> list[Row]:
    """A row for all of a kind, with the last one's choice: how full its server then is."""
    rows: dict[tuple[Any, ...], list[_Instance]] = {}
    for one in sorted(instances, key=lambda one: (order(one.slot), one.action)):
        rows.setdefault(one.kind, []).append(one)
    return [Row(tuple(one.slot for one in alike), *alike[-1][1:]) for alike in rows.values()]
