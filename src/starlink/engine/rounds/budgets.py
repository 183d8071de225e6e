"""How much of each task may be disrupted now."""

from collections.abc import Mapping
from typing import NamedTuple

from starlink.api.assignment import Assignment
from starlink.api.meta import ObjectKey
from starlink.api.task import Task
from starlink.engine.rounds.neighbours import group_of
from starlink.planning.health import Health
from starlink.planning.observed import ready_now
from starlink.planning.reasons import Protected
from starlink.planning.unreadable import unclear
from starlink.planning.world import World


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


def protected(
    world: World, health: Health, victims: Mapping[ObjectKey, int], told: Mapping[ObjectKey, int]
) -> tuple[Protected, ...]:
    """The tasks whose `update.maxUnavailable` keeps their victims where they are, each with the value that would do.

    `victims` counts, by task, the instances that have to go; `told` those that were told to go since the world was
    seen."""
    judged = (_protected(world.tasks[key], world, health, number, told.get(key, 0)) for key, number in victims.items())
    return tuple(sorted((one for one in judged if one is not None), key=lambda one: one.task))


def _protected(task: Task, world: World, health: Health, number: int, going: int) -> Protected | None:
    its = budget(task, world, health)
    its = its._replace(missing=its.missing + going)
    if its.left >= number:
        return None
    given, enough = str(task.spec.update.max_unavailable), its.missing + number
    fewer = enough - its.most
    is_given = not given.endswith("%") and not (task.is_batch or task.spec.servers)
    replicas = its.desired - fewer if is_given and fewer <= its.missing else None
    return Protected(task.key, given, its.desired, its.missing, bool(going), enough, replicas)
