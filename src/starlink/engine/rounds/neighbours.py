"""Which tasks the affinities of a task are about."""

from collections import deque
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

    def unknown(self, task: Task) -> frozenset[str]:
        """The groups that the task's affinities name and that there is no task of."""
        named = {ObjectKey(task.metadata.namespace, one.task) for one in task.spec.placement.affinity if one.task}
        return frozenset(group_of(key) for key in named if key not in self._tasks)

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
        """The groups each of which requires to be near the next, and the last near the task's own, the first, when none
        of them has an instance yet; () when there is no such circle. The shortest one; each group is looked at once."""
        own = group_of(task.key)
        before: dict[str, str] = {}
        queue = deque([own])
        while queue:
            group = queue.popleft()
            for awaited in self._awaited(group, placed):
                if awaited == own:
                    return _path(before, group) if group != own else ()
                if awaited not in before:
                    before[awaited] = group
                    queue.append(awaited)
        return ()

    def _awaited(self, group: str, placed: Mapping[str, object]) -> list[str]:
        """The groups that this one can't be placed without: where one of several would do, none is."""
        task = self._tasks.get(_key_of(group))
        if task is None:
            return []
        required = self.terms(task, (one for one in task.spec.placement.affinity if one.weight is None))
        return sorted(one for term in required if len(term.groups) == 1 for one in term.groups if not placed.get(one))


def _path(before: Mapping[str, str], group: str) -> tuple[str, ...]:
    """The way to a group, from where the search began."""
    path = [group]
    while path[-1] in before:
        path.append(before[path[-1]])
    return tuple(reversed(path))


def group_of(key: ObjectKey) -> str:
    """The name of a task's group: `namespace/name`."""
    return f"{key.namespace}/{key.name}"


def _key_of(group: str) -> ObjectKey:
    return ObjectKey(*group.split("/", 1))
