"""Which tasks the affinities of a task are about."""

from collections.abc import Iterable, Mapping

from starlink.api import labels
from starlink.api.meta import ObjectKey
from starlink.api.task import Affinity, Task
from starlink.scheduling.ask import Term


class Neighbours:
    """The tasks of one world, as the groups that the scheduler knows them by."""

    def __init__(self, tasks: Mapping[ObjectKey, Task]) -> None:
        self._tasks = tasks
        self._by_namespace: dict[str, list[Task]] | None = None
        self._found: dict[tuple[str, tuple[tuple[str, str], ...]], frozenset[str]] = {}

    def terms(self, task: Task, affinities: Iterable[Affinity]) -> tuple[Term, ...]:
        """The affinities with the groups that they select now."""
        namespace = task.metadata.namespace
        return tuple(Term(self._groups(namespace, one), one.topology_key, one.weight) for one in affinities)

    def _groups(self, namespace: str, affinity: Affinity) -> frozenset[str]:
        if affinity.task:
            return frozenset({group_of(ObjectKey(namespace, affinity.task))})
        alike = namespace, tuple(sorted(affinity.task_selector.items()))
        found = self._found.get(alike)
        if found is None:
            found = self._found[alike] = frozenset(
                group_of(task.key)
                for task in self._in(namespace)
                if labels.selects(affinity.task_selector, task.metadata.labels)
            )
        return found

    def _in(self, namespace: str) -> list[Task]:
        if self._by_namespace is None:
            self._by_namespace = {}
            for key, task in self._tasks.items():
                self._by_namespace.setdefault(key.namespace, []).append(task)
        return self._by_namespace.get(namespace, [])

    def circle(self, task: Task, placed: Mapping[str, object]) -> tuple[str, ...]:
        """The groups that wait for each other, from the task's own back to it, when every required affinity on the
        way is about a group that has no instance yet; () when there is no such circle."""
        return self._circle(task, placed, (group_of(task.key),))

    def _circle(self, task: Task, placed: Mapping[str, object], path: tuple[str, ...]) -> tuple[str, ...]:
        for group in self._awaited(task, placed):
            if group == path[0]:
                return (*path, group) if len(path) > 1 else ()
            other = self._tasks.get(_key_of(group))
            if other is not None and group not in path and (found := self._circle(other, placed, (*path, group))):
                return found
        return ()

    def _awaited(self, task: Task, placed: Mapping[str, object]) -> list[str]:
        required = [one for one in task.spec.placement.affinity if one.weight is None]
        waits = [term.groups for term in self.terms(task, required) if not any(placed.get(one) for one in term.groups)]
        return sorted({group for groups in waits for group in groups})


def group_of(key: ObjectKey) -> str:
    """The name of a task's group: `namespace/name`."""
    return f"{key.namespace}/{key.name}"


def _key_of(group: str) -> ObjectKey:
    return ObjectKey(*group.split("/", 1))
