"""How much of each task may be disrupted now."""

from collections.abc import Mapping
from typing import NamedTuple

from starlink.api.assignment import Assignment
from starlink.api.meta import ObjectKey
from starlink.api.task import Task
from starlink.engine.rounds.neighbours import group_of
from starlink.planning.health import Health
from starlink.planning.observed import ready_now
from starlink.planning.unreadable import unclear
from starlink.planning.world import World

_MOST_TOLD = 3


class Budget(NamedTuple):
    """At most so many of a task's instances may be missing, and so many of the `desired` are already, whatever the
    cause: it is a disruption budget (https://kubernetes.io/docs/tasks/run-application/configure-pdb/)."""

    most: int
    missing: int
    desired: int

    @property
    def left(self) -> int:
        """How many may be made to go."""
        return max(0, self.most - self.missing)


def budgets(world: World, health: Health) -> dict[str, int]:
    """By group, how many instances may be made to go: `update.maxUnavailable` less what is missing already. Of a gang
    all that run or none."""
    found = ((key, task) for key, task in world.tasks.items() if key in world.assignments)
    return {group_of(key): _left(task, world, health) for key, task in found}


def gangs(world: World) -> frozenset[str]:
    """The groups of which all go if one does."""
    return frozenset(group_of(key) for key, task in world.tasks.items() if task.spec.placement.gang)


def _left(task: Task, world: World, health: Health) -> int:
    """None of a task of which something can't be read: it is not known what is disturbed then."""
    if any(map(unclear, world.assignments[task.key])):
        return 0
    left = budget(task, world, health).left
    if left and task.spec.placement.gang:
        return left if left >= sum(1 for a in _of(task, world) if not a.stopping) else 0
    return left


def _of(task: Task, world: World) -> list[Assignment]:
    there = world.assignments.get(task.key, ())
    return [a for a in there if a.metadata.controller_uid == task.uid and not a.finished]


def budget(task: Task, world: World, health: Health) -> Budget:
    """The budget of one task. A Batch's instances are never ready on purpose, so only those of its own that are
    stopping are missing."""
    assignments = _of(task, world)
    if task.is_batch:
        missing = sum(1 for a in assignments if a.stopping)
        return Budget(task.max_unavailable(task.parallelism), missing, task.parallelism)
    desired = 0 if task.spec.suspend else task.replicas
    ready = ready_now(health)
    missing = max(0, desired - sum(1 for a in assignments if ready(a)))
    return Budget(task.max_unavailable(desired), missing, desired)


def obstacle(world: World, health: Health, victims: Mapping[ObjectKey, int], told: Mapping[ObjectKey, int]) -> str:
    """What to say where so many `victims` of tasks would make room, were it not for the budgets, and what gives them
    leave; "" if no budget is in the way. `told` are those who were told to go since the world was seen."""
    found = []
    for key, number in sorted(victims.items()):
        task = world.tasks[key]
        its = budget(task, world, health)
        going = told.get(key, 0)
        its = its._replace(missing=its.missing + going)
        if its.left < number:
            found.append(_in_words(task, its, number, "missing or making room" if going else "missing"))
    more = f" and {len(found) - _MOST_TOLD} more tasks" if len(found) > _MOST_TOLD else ""
    return f"others could make room, but {', and '.join(found[:_MOST_TOLD])}{more}" if found else ""


def _in_words(task: Task, its: Budget, number: int, absent: str) -> str:
    given = str(task.spec.update.max_unavailable)
    are = "is" if its.missing == 1 else "are"
    missing = f" and {its.missing} of its {its.desired} instances {are} {absent}" if its.missing else ""
    needed = its.missing + number
    said = f"{task.key}'s update.maxUnavailable is {given}{missing}: raise it to {needed}"
    fewer = needed - its.most
    is_given = not given.endswith("%") and not (task.is_batch or task.spec.servers)
    return f"{said}, or lower its replicas to {its.desired - fewer}" if is_given and fewer <= its.missing else said
