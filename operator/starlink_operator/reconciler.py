"""The loop: which tasks to look at, one round for all of them, and the plans applied."""

import asyncio
import contextlib
import heapq
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from starlink.api.assignment import Assignment
from starlink.api.kinds import POOL, SERVER, TASK, Kind
from starlink.api.meta import Object, ObjectKey
from starlink.api.pool import Pool
from starlink.api.server import Server
from starlink.api.task import Task
from starlink.client.cache import Change
from starlink.client.errors import ClientError, Forbidden, Invalid
from starlink.client.rights import denial
from starlink.engine.reservations import Reservations
from starlink.engine.round import plan_round
from starlink.planning.health import SUSPECT_AFTER
from starlink.planning.plan import Plan, RecordEvent
from starlink_operator import rounds
from starlink_operator.apply import Applier
from starlink_operator.echoes import Echoes
from starlink_operator.failures import Failures
from starlink_operator.findings import Findings
from starlink_operator.fleet_plans import FleetPlans
from starlink_operator.observed import Observed, task_of
from starlink_operator.refusals import Refusals
from starlink_operator.telling import Subject, Teller
from starlink_operator.timers import Timers
from starlink_operator.unplaced import Unplaced
from starlink_operator.writer import NotLeading, Writer

log = logging.getLogger(__name__)

TICK_SECONDS = 1.0
SETTLE_SECONDS = 0.05  # changes of servers that come together are looked at together
FULL_ROUND_SECONDS = 60.0
RETRY_SECONDS, LONGEST_RETRY_SECONDS = 0.5, 60.0
PLAN_REFUSED = "PlanRefused"
"""The reason of the Event that says that the API does not take the plan for an object."""
MOST_IN_A_ROUND = 200
"""It bounds how long a round, which nothing interrupts, keeps the leadership from being renewed."""


class Reconciler:
    """Level-driven: an event only says which key to look at again."""

    def __init__(
        self, observed: Observed, writer: Writer, monotonic: Callable[[], float], *, allow_local: bool = False
    ) -> None:
        self._observed = observed
        self._writer = writer
        self._echoes = Echoes(self.mark)
        self._teller = Teller(writer, self._not_told, self._echoes.has)
        self._applier = Applier(writer, self._teller)
        self._monotonic = monotonic
        self._reservations = Reservations()
        self._findings = Findings(self.mark, allow_local)
        self._refusals = Refusals(self._look_again)
        self._retries = Refusals(self._look_again, RETRY_SECONDS, LONGEST_RETRY_SECONDS)
        self._failures = Failures(self._refusals)
        self._timers = Timers[ObjectKey](self.mark)
        self._fleet_plans = FleetPlans(self._reservations, self._refusals.waits)
        self._begun = False
        self._dirty: dict[ObjectKey, None] = {}  # the one that has waited longest first
        self._unplaced = Unplaced()
        self._wake = asyncio.Event()
        self._fleet_wake = asyncio.Event()
        self._unhealthy: frozenset[str] = frozenset()
        observed.tasks.subscribe(self._task_changed)
        observed.pools.subscribe(self._pool_changed)
        observed.assignments.subscribe(self._assignment_changed)
        observed.servers.subscribe(self._server_changed)
        observed.on_return(self._server_returned)

    # What makes a task worth a look

    def mark(self, *keys: ObjectKey) -> None:
        """These tasks are to be looked at. Before it leads, nothing is: then all are."""
        if keys and self._begun:
            self._dirty.update(dict.fromkeys(keys))
            self._wake.set()

    def _look_again(self, subject: Subject) -> None:
        """Servers and pools are looked at every second anyway."""
        kind, key = subject
        if kind == TASK:
            self.mark(key)

    def _heed(self, kind: Kind, change: Change[Any]) -> None:
        """What was refused of an object may be taken of another."""
        if change.old is None or change.new is None or _generation(change.old) != _generation(change.new):
            self._refusals.forget((kind, change.key))
            self._retries.forget((kind, change.key))
            self._failures.forget((kind, change.key))

    def _task_changed(self, change: Change[Task]) -> None:
        self._heed(TASK, change)
        self._unplaced.task_changed(change)
        self._echoes.task_changed(change)

    def _assignment_changed(self, change: Change[Assignment]) -> None:
        self._echoes.assignment_changed(change)
        self._unplaced.assignment_changed(change)
        freed = change.new is None or (change.new.finished and not (change.old and change.old.finished))
        if freed:
            self.mark(*self._unplaced.keys)

    def _server_changed(self, change: Change[Server]) -> None:
        self._heed(SERVER, change)
        if change.old is None or change.new is None or _what_matters(change.old) != _what_matters(change.new):
            self._fleet_wake.set()
            self.mark(*self._unplaced.keys, *self._observed.tasks_on(change.key.name))

    def _server_returned(self, name: str) -> None:
        """A tick that came just before and just after would not see that it was silent in between."""
        self._fleet_wake.set()
        self.mark(*self._unplaced.keys, *self._observed.tasks_on(name))

    def _pool_changed(self, change: Change[Pool]) -> None:
        self._heed(POOL, change)
        self._fleet_wake.set()
        if change.old is None or change.new is None or _generation(change.old) != _generation(change.new):
            self.mark_all()  # its selector may have servers change their pools, with all that is on them

    def mark_all(self) -> None:
        """Everything is to be looked at."""
        self.mark(*self._observed.tasks.objects, *map(task_of, self._observed.assignments.objects.values()))

    # The loop

    async def run(self) -> None:
        """Looks at everything, and then at what changes, until cancelled. One round at a time; what comes meanwhile is
        in the next."""
        self._begun = True
        self.mark_all()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._tick())
            group.create_task(self._findings.run())
            group.create_task(self._teller.run())
            while True:
                await self._wake.wait()
                while (rest := self._writer.rest()) > 0:  # noqa: ASYNC110 - of neither end there is an event
                    await asyncio.sleep(rest)
                self._wake.clear()
                await self._round()

    async def _round(self) -> None:
        dirty = frozenset(key for key in self._next() if not self._failures.rests((TASK, key)))
        if not dirty:
            return
        try:
            planned = plan_round(self._findings.known_in(self._observed.world(), dirty), dirty, self._reservations)
        except Exception as error:
            self._failures.note_all("a round", error)
            for key in dirty:
                self._retry((TASK, key))
            return
        self._unplaced.looked_at(dirty, planned.unplaced)
        for plan in planned.plans:
            self._timers.set(plan.subject, plan.recheck_after)
            self._failures.note(plan)
            if not plan:
                self._retries.forget((TASK, plan.subject))
        rounds.note(len(dirty), planned.plans)
        await self._apply(planned.plans, self._apply_to_task)

    def _next(self) -> frozenset[ObjectKey]:
        """The tasks of the next round: the highest priorities first, and of one priority those that wait longest. What
        is left is for the round after it."""
        if len(self._dirty) <= MOST_IN_A_ROUND:
            dirty, self._dirty = frozenset(self._dirty), {}
            return dirty
        tasks = self._observed.tasks.objects
        chosen = heapq.nsmallest(MOST_IN_A_ROUND, self._dirty, key=lambda key: -priority(tasks.get(key)))
        for key in chosen:
            del self._dirty[key]
        self._wake.set()
        return frozenset(chosen)

    def _retry(self, subject: Subject) -> None:
        """Looks again after 0.5 s, 1 s, 2 s … up to a minute of failures in a row."""
        if subject[0] == TASK:
            self._retries.refused(subject)

    async def _apply(self, plans: Iterable[Plan], apply: Callable[[Plan], Awaitable[None]]) -> None:
        """What has to be done, all at once; what only tells is handed over."""
        acting = []
        for plan in plans:
            if plan.acts:
                acting.append(plan)
            else:
                self._teller.tell(plan)
        await asyncio.gather(*map(apply, acting))

    async def _apply_to_task(self, plan: Plan) -> None:
        """A plan that fails is made again, from what is so then."""
        log.debug("plan", extra={"subject": str(plan.subject), "why": plan.reason, "actions": len(plan.actions)})
        try:
            await self._applier.apply(plan)
            self._retries.forget((plan.kind, plan.subject))
        except NotLeading:
            self._timers.hasten(plan.subject, RETRY_SECONDS)
        except (Invalid, Forbidden) as error:
            self._refused((plan.kind, plan.subject), error)
        except ClientError as error:
            log.info("a plan was overtaken: %s", error, extra={"subject": str(plan.subject)})
            self._retry((plan.kind, plan.subject))
        except Exception:
            log.exception("a plan could not be applied", extra={"subject": str(plan.subject)})
            self._retry((plan.kind, plan.subject))

    def _refused(self, subject: Subject, error: Invalid | Forbidden) -> None:
        """The same plan would be refused again, so it is tried ever more seldom; the object is told by an Event, for
        its status may be what is refused."""
        kind, key = subject
        seconds = self._refusals.refused(subject)
        level = logging.DEBUG if denial(error) else logging.WARNING  # a missing right is told once for all objects
        log.log(level, "a plan was refused: %s", error, extra={"subject": str(key), "next_try_seconds": seconds})
        known = self._observed.cache(kind).objects.get(key)
        if known is not None:
            told = RecordEvent(kind, key, known.uid, "Warning", PLAN_REFUSED, f"the API refuses its plan: {error}")
            self._teller.tell(Plan(kind, key, (told,)))

    def _not_told(self, subject: Subject, error: Exception) -> None:
        if isinstance(error, Invalid | Forbidden):
            self._refused(subject, error)
        elif isinstance(error, NotLeading):
            self._look_again(subject)
        else:
            self._retry(subject)

    async def _tick(self) -> None:
        """Time alone changes things too: silence above all."""
        full_round = self._monotonic() + FULL_ROUND_SECONDS
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK_SECONDS):
                    await self._fleet_wake.wait()
                    await asyncio.sleep(SETTLE_SECONDS)
            self._fleet_wake.clear()
            self._observed.look()
            if self._writer.rest() > 0:
                continue
            self.mark(*self._unplaced.due(self._monotonic()), *self._echoes.take())
            await self._fleet()
            if self._monotonic() >= full_round:
                full_round = self._monotonic() + FULL_ROUND_SECONDS
                with contextlib.suppress(ClientError):
                    await self._observed.pools.refresh()
                self.mark_all()

    async def _fleet(self) -> None:
        """Servers and pools, and the tasks on servers that are silent."""
        world = self._observed.world()
        try:
            plans = self._fleet_plans.due(world, self._monotonic())
        except Exception as error:
            self._failures.note_all("servers and pools", error)
            plans = ()
        for plan in plans:
            self._failures.note(plan)
        await self._apply(plans, self._apply_to_fleet)
        silent = frozenset(name for name, seconds in world.silence.items() if seconds >= SUSPECT_AFTER)
        for name in silent | self._unhealthy:
            self.mark(*self._observed.tasks_on(name))
        if silent != self._unhealthy:
            self.mark(*self._unplaced.keys)
        self._unhealthy = silent

    async def _apply_to_fleet(self, plan: Plan) -> None:
        with contextlib.suppress(ClientError, NotLeading):
            await self._applier.apply(plan)


def priority(task: Task | None) -> int:
    """A task's priority; that of one that is gone is the lowest, for there is only something to clean up."""
    return task.spec.placement.priority if task else -(2**31)


def _generation(obj: Object) -> tuple[str, int]:
    """What tells a spec from an earlier one."""
    return obj.uid, obj.metadata.generation


def _what_matters(server: Server) -> tuple[object, ...]:
    """What of a server decides who may be there. What the operator itself tells of it is not among it."""
    meta, status = server.metadata, server.status
    return (
        server.spec, meta.labels, meta.annotations, meta.deleting, status.architecture, status.allocatable,
        status.runtimes, status.features,
    )  # fmt: skip
