"""How much of each task may be disrupted now."""

from starlink.api.task import Task
from starlink.engine.neighbours import group_of
from starlink.planning.health import Health
from starlink.planning.observed import ready_now
from starlink.planning.world import World


def budgets(world: World, health: Health) -> dict[str, int]:
    """By group, how many instances may be made to go: `update.maxUnavailable` less what is missing already. A Batch's
    instances are never ready on purpose, so only those of its own that are stopping are missing."""
    return {group_of(key): _left(task, world, health) for key, task in world.tasks.items() if key in world.assignments}


def _left(task: Task, world: World, health: Health) -> int:
    assignments = [a for a in world.assignments[task.key] if a.metadata.controller_uid == task.uid and not a.finished]
    if task.is_batch:
        missing = sum(1 for a in assignments if a.stopping)
        return max(0, task.max_unavailable(task.parallelism) - missing)
    desired = 0 if task.spec.suspend else task.replicas
    ready = ready_now(health)
    return max(0, task.max_unavailable(desired) - max(0, desired - sum(1 for a in assignments if ready(a))))
