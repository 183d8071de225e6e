"""What is left of a plan that a gate holds back, and what is remembered of it."""

import time
from typing import Any

import msgspec
from tests.greeting.gates import CURFEW, Curfew
from tests.greeting.view import GREETING, GREETINGS

from starlink.api.kinds import TASK
from starlink.api.meta import ObjectKey
from starlink.planning.plan import Create, Plan, RecordEvent, UpdateStatus
from starlink_operator.caches import Caches, Reads
from starlink_operator.gatekeeper import NOT_KNOWN, RETRY_SECONDS, Gatekeeper
from starlink_operator.reporting import Subject

KEY = ObjectKey("default", "hello")
STATUS = UpdateStatus(GREETING, KEY, "u1", {"conditions": []})
PLAN = Plan(GREETING, KEY, (Create(TASK, {"metadata": {"name": "hello-greeting"}}), STATUS), recheck_after=60.0)


class Site:
    """Caches that are connected to nothing, a gate, and whom it has looked at again."""

    def __init__(self, *, listed: bool = True) -> None:
        nothing: Any = None
        self.observed = Caches(
            nothing, time.monotonic, time.time, lambda: 1.0, reads=[Reads(few=(GREETINGS,), many=())]
        )
        self.observed.tasks.lists = int(listed)
        self.looked: list[Subject] = []
        self.keeper = Gatekeeper([Curfew()], self.observed, self.looked.append, time.monotonic)
        meta = {"name": KEY.name, "namespace": KEY.namespace, "uid": "u1", "resourceVersion": "4"}
        self.observed.cache(GREETING).hear("ADDED", msgspec.json.encode({"metadata": meta, "spec": {"words": "hi"}}))

    def curfew(self, event: str, version: int) -> None:
        meta = {"name": CURFEW.name, "namespace": CURFEW.namespace, "uid": "u2", "resourceVersion": str(version)}
        self.observed.tasks.hear(event, msgspec.json.encode({"metadata": meta, "spec": {"template": {}}}))

    def through(self) -> Plan:
        (plan,) = self.keeper.let_through([PLAN])
        return plan


def test_what_only_tells_is_left_and_an_event_says_why_once() -> None:
    site = Site()
    assert site.through() is PLAN
    site.curfew("ADDED", 5)
    status, event = site.through().actions
    assert status is STATUS and isinstance(event, RecordEvent) and event.reason == "Curfew"
    again = site.through()
    assert again.actions == (STATUS,) and again.recheck_after == PLAN.recheck_after
    site.curfew("DELETED", 6)
    assert site.looked == [(GREETING, KEY)], "it is looked at again"
    assert site.through() is PLAN and not site.keeper._held


def test_a_plan_is_held_back_until_what_the_gate_reads_is_known() -> None:
    held = Site(listed=False).through()
    assert held.reason == NOT_KNOWN and held.acts == ()
    assert held.recheck_after is not None and held.recheck_after <= RETRY_SECONDS


def test_nothing_is_kept_of_an_object_that_is_gone() -> None:
    site = Site()
    site.curfew("ADDED", 5)
    site.through()
    site.keeper.forget((GREETING, KEY))
    assert not site.keeper._held
