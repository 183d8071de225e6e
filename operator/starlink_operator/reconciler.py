"""The loop: it runs the controllers of all kinds over shared caches, and applies their plans."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from starlink.api.change import Change
from starlink.api.kinds import Kind
from starlink.api.meta import Object
from starlink.client.errors import ClientError, Forbidden, Invalid
from starlink.client.rights import denial
from starlink.planning.contract import Gate
from starlink.planning.plan import Plan, RecordEvent
from starlink_operator import rounds
from starlink_operator.apply import Applier
from starlink_operator.caches import Caches
from starlink_operator.compartment import RETRIES, Compartment
from starlink_operator.controller import Controller, Entry, Surroundings
from starlink_operator.failures import Failures
from starlink_operator.gatekeeper import Gatekeeper
from starlink_operator.gates import GATES
from starlink_operator.kinds import KINDS
from starlink_operator.refusals import Refusals
from starlink_operator.reporting import Subject, Teller
from starlink_operator.timers import Timers
from starlink_operator.writer import NotLeading, Writer

log = logging.getLogger(__name__)

TICK_SECONDS = 1.0
FULL_ROUND_SECONDS = 60.0
PLAN_REFUSED = "PlanRefused"
"""The reason of the Event that says that the API does not take the plan for an object."""


class Reconciler:
    """Level-driven: an event only says which object to look at again. Each controller goes at its own pace, one round
    after another; what comes meanwhile is in the next."""

    def __init__(
        self,
        observed: Caches,
        writer: Writer,
        monotonic: Callable[[], float],
        *,
        allow_local: bool = False,
        kinds: Sequence[Entry] = KINDS,
        gates: Sequence[Gate] = GATES,
    ) -> None:
        self._observed = observed
        self._writer = writer
        self._teller = Teller(writer, self._not_told, self._awaited)
        self._applier = Applier(writer, self._teller)
        self._monotonic = monotonic
        self._refusals = Refusals(self._look_again)
        self._retries = Refusals(self._look_again, RETRIES)
        self._looks = Refusals(self._look_again, RETRIES)
        self._failures = Failures(self._refusals)
        self._timers = Timers[Subject](self._look_again)
        self._gatekeeper = Gatekeeper(gates, observed, self._look_again, monotonic)
        around = Surroundings(observed, monotonic, self._refusals.waits, allow_local=allow_local)
        self._controllers = [(entry, entry.controller(around)) for entry in kinds]
        self.of = {kind: controller for _, controller in self._controllers for kind in controller.kinds}
        self._within = {one: Compartment(f"controller {type(one).__name__}", monotonic) for _, one in self._controllers}
        for kind in self.of:
            observed.cache(kind).subscribe(partial(self._heed, kind))

    def _look_again(self, subject: Subject) -> None:
        controller = self.of[subject[0]]
        with self._within[controller].around("look"):
            controller.look(subject)
            self._looks.forget(subject)
            return
        self._looks.refused(subject)

    def _awaited(self, subject: Subject) -> bool:
        controller = self.of[subject[0]]
        with self._within[controller].around("awaited"):
            return controller.awaited(subject)
        return False

    def _heed(self, kind: Kind, change: Change[Any]) -> None:
        """What was refused of an object may be taken of another."""
        if change.old is None or change.new is None or _generation(change.old) != _generation(change.new):
            self._refusals.forget((kind, change.key))
            self._retries.forget((kind, change.key))
            self._failures.forget((kind, change.key))
            self._gatekeeper.forget((kind, change.key))

    # The loop

    async def run(self) -> None:
        """Looks at everything, and then at what changes, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._tick())
            group.create_task(self._teller.run())
            for entry, controller in self._controllers:
                keep_on = self._within[controller].keep_on
                group.create_task(keep_on("run", controller.run))
                group.create_task(keep_on("a round", partial(self._follow, entry, controller)))

    async def _follow(self, entry: Entry, controller: Controller) -> None:
        """Begins, and goes from round to round. It may begin again: then all objects are looked at."""
        await self._observed.known(entry.reads)
        controller.begin()
        while True:
            await controller.some.wait()
            await asyncio.sleep(controller.settles)
            while (rest := self._writer.rest()) > 0:  # noqa: ASYNC110 - of neither end there is an event
                await asyncio.sleep(rest)
            await self._round(controller)

    async def _round(self, controller: Controller) -> None:
        subjects = [subject for subject in controller.take() if not self._failures.rests(subject)]
        if not subjects:
            return
        try:
            plans = self._gatekeeper.let_through(controller.plan(subjects))
        except Exception as error:
            self._within[controller].failed("plan", error)
            for subject in subjects:
                self._retry(subject)
            return
        for plan in plans:
            subject = plan.kind, plan.subject
            self._timers.set(subject, plan.recheck_after)
            self._failures.note(plan)
            if not plan:
                self._retries.forget(subject)
        rounds.note(len(subjects), plans)
        await self._apply(plans)

    def _retry(self, subject: Subject) -> None:
        """Looks again after 0.5 s, 1 s, 2 s … up to a minute of failures in a row."""
        if not self.of[subject[0]].periodic:
            self._retries.refused(subject)

    async def _tick(self) -> None:
        """Time alone changes things too: silence above all."""
        full_round = self._monotonic() + FULL_ROUND_SECONDS
        while True:
            await asyncio.sleep(TICK_SECONDS)
            self._observed.look()
            if self._writer.rest() > 0:
                continue
            for controller, within in self._within.items():
                within.do("tick", controller.tick)
            if self._monotonic() >= full_round:
                full_round = self._monotonic() + FULL_ROUND_SECONDS
                await self._observed.refresh()
                for controller, within in self._within.items():
                    within.do("a look at all", controller.look_at_all)

    # Plans applied

    async def _apply(self, plans: Iterable[Plan]) -> None:
        """What has to be done, all at once; what only tells is handed over."""
        acting = []
        for plan in plans:
            if plan.acts:
                acting.append(plan)
            else:
                self._teller.tell(plan)
        await asyncio.gather(*map(self._apply_one, acting))

    async def _apply_one(self, plan: Plan) -> None:
        """A plan that fails is made again, from what is so then."""
        subject = plan.kind, plan.subject
        log.debug("plan", extra={"subject": str(plan.subject), "why": plan.reason, "actions": len(plan.actions)})
        try:
            await self._applier.apply(plan)
            self._retries.forget(subject)
        except NotLeading:
            self._timers.hasten(subject, RETRIES.first)
        except (Invalid, Forbidden) as error:
            self._refused(subject, error)
        except ClientError as error:
            log.info("a plan was overtaken: %s", error, extra={"subject": str(plan.subject)})
            self._retry(subject)
        except Exception:
            log.exception("a plan could not be applied", extra={"subject": str(plan.subject)})
            self._retry(subject)

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


def _generation(obj: Object) -> tuple[str, int]:
    """What tells a spec from an earlier one."""
    return obj.uid, obj.metadata.generation
