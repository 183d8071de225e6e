"""Tasks: which to look at, and one round of the fleet for all of them."""

from collections.abc import Collection, Sequence

from starlink.api.assignment import Assignment
from starlink.api.change import Change
from starlink.api.kinds import ASSIGNMENT, TASK
from starlink.api.meta import ObjectKey
from starlink.api.pool import Pool
from starlink.api.server import Server
from starlink.api.task import Task
from starlink.client.rights import of
from starlink.engine.rounds.round import plan_round
from starlink.planning.contract import ASSIGNMENTS, POOLS, SERVERS, TASKS
from starlink.planning.plan import Plan
from starlink.planning.server import ServerPlanner
from starlink_operator.caches import Reads, task_of
from starlink_operator.controller import Entry, Surroundings
from starlink_operator.echoes import Echoes
from starlink_operator.findings import Findings
from starlink_operator.reporting import Subject
from starlink_operator.unplaced import Unplaced
from starlink_operator.worklist import Worklist


class Tasks:
    """The controller of tasks, and of what is left of those that are gone."""

    kinds = (TASK,)
    settles, periodic = 0.0, False

    def __init__(self, around: Surroundings) -> None:
        self._observed, self._monotonic = around.observed, around.monotonic
        self._reservations = around.reservations
        self._worklist = Worklist()
        self.some, self._mark = self._worklist.some, self._worklist.mark
        self._findings = Findings(self._mark, around.allow_local)
        self._unplaced = Unplaced()
        self._echoes = Echoes(self._mark)
        self._silent: frozenset[str] = frozenset()
        self._observed.tasks.subscribe(self._task_changed)
        self._observed.pools.subscribe(self._pool_changed)
        self._observed.assignments.subscribe(self._assignment_changed)
        self._observed.servers.subscribe(self._server_changed)
        self._observed.on_return(self._server_helps)

    async def run(self) -> None:
        await self._findings.run()

    # What makes a task worth a look

    def begin(self) -> None:
        self._worklist.begin()
        self.look_at_all()

    def look(self, subject: Subject) -> None:
        self._mark(subject[1])

    def look_at_all(self) -> None:
        self._mark(*self._observed.tasks.objects, *map(task_of, self._observed.assignments.objects.values()))

    def awaited(self, subject: Subject) -> bool:
        return self._echoes.has(subject)

    def tick(self) -> None:
        """Those that something may help by now, those of which only echoes have come, and those on servers that are
        silent."""
        self._mark(*self._unplaced.due(self._monotonic()), *self._echoes.take())
        silent = self._observed.silent()
        for name in silent | self._silent:
            self._mark(*self._observed.tasks_on(name))
        if silent != self._silent:
            self._mark(*self._unplaced.keys)
        self._silent = silent

    def _task_changed(self, change: Change[Task]) -> None:
        self._unplaced.task_changed(change)
        self._echoes.task_changed(change)

    def _assignment_changed(self, change: Change[Assignment]) -> None:
        self._echoes.assignment_changed(change)
        self._unplaced.assignment_changed(change)
        freed = change.new is None or (change.new.finished and not (change.old and change.old.finished))
        if freed:
            self._mark(*self._unplaced.keys, *self._last_on(change))

    def _last_on(self, change: Change[Assignment]) -> Collection[ObjectKey]:
        """The tasks on the server of an assignment, where that is being deleted: some go last."""
        found = change.new or change.old
        server = self._observed.servers.objects.get(ObjectKey("", found.spec.server)) if found else None
        return self._observed.tasks_on(server.name) if server and server.metadata.deleting else ()

    def _server_changed(self, change: Change[Server]) -> None:
        for key in ServerPlanner.wakes(change, self._observed):
            self._server_helps(key.name)

    def _server_helps(self, name: str) -> None:
        """Also when it is heard again: a tick just before and one just after would not see that it was silent."""
        self._mark(*self._unplaced.keys, *self._observed.tasks_on(name))

    def _pool_changed(self, change: Change[Pool]) -> None:
        old, new = change.old, change.new
        if old is None or new is None or (old.uid, old.metadata.generation) != (new.uid, new.metadata.generation):
            self.look_at_all()  # its selector may have servers change their pools, with all that is on them

    # The round

    def take(self) -> Collection[Subject]:
        tasks = self._observed.tasks.objects
        return [(TASK, key) for key in self._worklist.take(lambda key: priority(tasks.get(key)))]

    def plan(self, subjects: Collection[Subject]) -> Sequence[Plan]:
        keys = frozenset(key for _, key in subjects)
        planned = plan_round(self._findings.known_in(self._observed.world(), keys), keys, self._reservations)
        self._unplaced.looked_at(keys, planned.unplaced)
        return planned.plans


def priority(task: Task | None) -> int:
    """A task's priority; that of one that is gone is the lowest, for there is only something to clean up."""
    return task.spec.placement.priority if task else -(2**31)


WRITES = [
    *of(TASK, "create", "patch", "delete"),  # of drivers, for which nobody else may ask
    *of(TASK, "patch", sub="status"),
    *of(ASSIGNMENT, "get", "create", "patch", "delete"),
    *of(ASSIGNMENT, "patch", sub="status"),
]
ENTRY = Entry(Tasks, Reads(many=(TASKS, ASSIGNMENTS, SERVERS), few=(POOLS,)), writes=WRITES)
