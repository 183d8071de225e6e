"""A gate: no greeting is said while there is a curfew, which is a task of that name."""

from tests.greeting.view import GREETING

from starlink.api.meta import ObjectKey
from starlink.planning.contract import TASKS, Hold, Sight
from starlink.planning.plan import Plan

CURFEW = ObjectKey("default", "curfew")


class Curfew:
    reads = (TASKS,)

    def holds(self, plan: Plan, sight: Sight) -> Hold | None:
        if plan.kind != GREETING or CURFEW not in sight.all(TASKS):
            return None
        return Hold("Curfew", CURFEW, f"nothing is said while task {CURFEW} is there")
