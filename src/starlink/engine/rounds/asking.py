"""A planner asked, so that no object troubles another. Pure."""

from collections.abc import Collection, Sequence

from starlink.api.meta import ObjectKey
from starlink.engine.rounds.bulkhead import Bulkhead
from starlink.planning.contract import Planner, Sight
from starlink.planning.failure import plan_of_failure, plan_of_unreadable
from starlink.planning.plan import Plan


def ask(planner: Planner, keys: Collection[ObjectKey], sight: Sight) -> Sequence[Plan]:
    """The plans of these objects. Those that can't be read are left alone, and a planner that raises is asked object by
    object: what it raises again is told on that object."""
    kind, objects = planner.subject.kind, sight.all(planner.subject)
    why = sight.unreadable(kind)
    unread = [plan_of_unreadable(kind, objects[key], why[key], sight.now) for key in keys if key in why]
    rest = [key for key in keys if key not in why]
    try:
        return [*unread, *planner.plan(rest, sight)]
    except Exception:
        return [*unread, *_one_by_one(planner, rest, sight)]


def _one_by_one(planner: Planner, keys: Collection[ObjectKey], sight: Sight) -> Sequence[Plan]:
    kind, objects, bulkhead = planner.subject.kind, sight.all(planner.subject), Bulkhead[ObjectKey]()
    plans: list[Plan] = []
    for key in keys:
        with bulkhead.around(key):
            plans += planner.plan((key,), sight)
    failed = (plan_of_failure(kind, key, objects.get(key), error, sight.now) for key, error in bulkhead.errors.items())
    return [*plans, *failed]
