"""Gates asked: what is left of plans that are held back, and when they are made again."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from starlink.api.change import Change
from starlink.planning.contract import Gate, Hold
from starlink.planning.failure import INTERNAL_ERROR, where
from starlink.planning.plan import Plan, RecordEvent
from starlink_operator.caches import Caches
from starlink_operator.compartment import Compartment
from starlink_operator.reporting import Subject

RETRY_SECONDS = 10.0
"""Until a gate is asked again that raised, or whose kinds are not known yet."""
NOT_KNOWN = "NotKnownYet"


class Gatekeeper:
    """Asks the gates in turn. `look` is called with an object that was held back when its gate is to be asked again.

    A gate that raises holds back the plan that it was asked of, and no other: it is there to keep something from being
    done, and what runs goes on meanwhile. So does one whose kinds have not been listed yet.
    """

    def __init__(
        self,
        gates: Sequence[Gate],
        observed: Caches,
        look: Callable[[Subject], None],
        monotonic: Callable[[], float],
    ) -> None:
        self._observed = observed
        self._look = look
        self._gates = {gate: Compartment(f"gate {type(gate).__name__}", monotonic) for gate in gates}
        self._held: dict[Subject, tuple[Gate, Hold]] = {}
        for gate in gates:
            for known in gate.reads:
                observed.cache(known.kind).subscribe(partial(self._changed, gate))

    def let_through(self, plans: Iterable[Plan]) -> Sequence[Plan]:
        """The plans, and of those that are held back what only tells."""
        return [self._let_through(plan) for plan in plans]

    def forget(self, subject: Subject) -> None:
        """The object is another, or gone."""
        self._held.pop(subject, None)

    def _changed(self, gate: Gate, change: Change[Any]) -> None:
        for subject in [subject for subject, (by, _) in self._held.items() if by is gate]:
            self._look(subject)

    def _let_through(self, plan: Plan) -> Plan:
        subject = plan.kind, plan.subject
        found = next(filter(None, map(partial(self._asked, plan), self._gates)), None) if plan.acts else None
        if found is None:
            self._held.pop(subject, None)
            return plan
        known = self._held.get(subject)
        self._held[subject] = found
        is_news = known is None or (known[1].code, known[1].message) != (found[1].code, found[1].message)
        return self._held_back(plan, found[1], is_news=is_news)

    def _asked(self, plan: Plan, gate: Gate) -> tuple[Gate, Hold] | None:
        now = self._observed.now
        for kind in (known.kind for known in gate.reads):
            if not self._observed.cache(kind).lists:
                return gate, Hold(NOT_KNOWN, plan.subject, f"{kind.plural} are not known yet", now + RETRY_SECONDS)
        try:
            hold = gate.holds(plan, self._observed)
        except Exception as error:
            self._gates[gate].failed("holds", error)
            message = f"whether it is held back could not be told ({where(error)}); see the operator's log"
            return gate, Hold(INTERNAL_ERROR, plan.subject, message, now + RETRY_SECONDS)
        return (gate, hold) if hold else None

    def _held_back(self, plan: Plan, hold: Hold, *, is_news: bool) -> Plan:
        """Nothing of it is done, and once an Event says why."""
        obj = self._observed.cache(plan.kind).objects.get(plan.subject)
        told: tuple[RecordEvent, ...] = ()
        if is_news and obj is not None:
            told = (RecordEvent(plan.kind, plan.subject, obj.uid, "Normal", hold.code, hold.message, lasting=True),)
        until = hold.until - self._observed.now if hold.until is not None else None
        waits = [seconds for seconds in (plan.recheck_after, until) if seconds is not None]
        return replace(
            plan, actions=(*plan.tells, *told), reason=hold.code, recheck_after=min(waits) if waits else None
        )
