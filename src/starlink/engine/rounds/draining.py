"""Why instances don't leave a server that is being deleted."""

from collections.abc import Callable, Iterator
from functools import cached_property

from starlink.api.meta import ObjectKey
from starlink.api.task import Task
from starlink.planning.health import Health
from starlink.planning.replacements import MustMove
from starlink.planning.task import examine
from starlink.planning.world import World

_MOST_TOLD = 3


class Drains:
    """The servers of a world that are being deleted, and the tasks that have instances there."""

    def __init__(self, world: World, health: Health, must_move: Callable[[Task], MustMove]) -> None:
        self._world, self._health, self._must_move = world, health, must_move
        self._told: dict[ObjectKey, str] = {}

    def held_up(self, server: str) -> str:
        """What the tasks wait for that let nothing leave the server now; "" for a server that is not being deleted."""
        if not self._world.servers[server].metadata.deleting:
            return ""
        told = [f"{key}: {why}" for key in self._tasks.get(server, ()) if (why := self._waits(key))]
        more = f"; and {len(told) - _MOST_TOLD} more tasks" if len(told) > _MOST_TOLD else ""
        return f"{'; '.join(told[:_MOST_TOLD])}{more}"

    @cached_property
    def _tasks(self) -> dict[str, list[ObjectKey]]:
        """By server, the tasks of which something runs there that has not been told to stop."""
        found: dict[str, list[ObjectKey]] = {}
        for server, key in sorted(set(self._running())):
            found.setdefault(server, []).append(key)
        return found

    def _running(self) -> Iterator[tuple[str, ObjectKey]]:
        for key, group in self._world.assignments.items():
            yield from ((a.spec.server, key) for a in group if not (a.finished or a.stopping))

    def _waits(self, key: ObjectKey) -> str:
        if key not in self._told:
            self._told[key] = self._why(key)
        return self._told[key]

    def _why(self, key: ObjectKey) -> str:
        task = self._world.tasks.get(key)
        if task is None:
            return ""
        if task.is_batch:
            return "a Batch may finish first"
        try:
            decision = examine(task, self._world, self._health, self._must_move(task)).decision
        except Exception:
            return "its planning fails; the task's condition Stalled says more"
        if decision.renewal is not None:
            return "its gang goes once all of it fits as it would be; the task's condition Scheduled says what it lacks"
        return "" if decision.remove else decision.updating
