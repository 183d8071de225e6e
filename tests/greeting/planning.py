"""Greetings: a task says each of them. Pure."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from tests.greeting.view import GREETING, GREETINGS, Greeting

from starlink.api import conditions
from starlink.api.change import Change
from starlink.api.kinds import TASK
from starlink.api.meta import Condition, ObjectKey
from starlink.api.status import changes
from starlink.api.task import Task
from starlink.planning.children import applied
from starlink.planning.contract import TASKS, Sight, concerned
from starlink.planning.plan import Action, Create, Plan, UpdateStatus


class Greeter:
    subject = GREETINGS
    reads = (GREETINGS, TASKS)

    def wakes(self, change: Change[Any], sight: Sight) -> Iterable[ObjectKey]:
        return concerned(GREETINGS, change)

    def plan(self, keys: Collection[ObjectKey], sight: Sight) -> Sequence[Plan]:
        there = sight.all(GREETINGS)
        return [_plan(there[key], sight) for key in keys if key in there and not there[key].metadata.deleting]


def _plan(greeting: Greeting, sight: Sight) -> Plan:
    task = next(iter(sight.owned(TASKS, greeting)), None)
    spec = {"replicas": 12 // greeting.spec.times, "template": {"command": ["echo", greeting.spec.words]}}
    actions: list[Action] = []
    if task is None:
        actions.append(Create(TASK, {"metadata": _metadata(greeting), "spec": spec}))
    else:
        actions += applied(TASK, task, spec)
    if changed := changes(greeting, {}, _conditions(task), sight.now):
        actions.append(UpdateStatus(GREETING, greeting.key, greeting.uid, changed))
    return Plan(GREETING, greeting.key, tuple(actions))


def _conditions(task: Task | None) -> Sequence[Condition]:
    its = conditions.find(task.status.conditions, "Ready") if task else None
    found = its or Condition(type="Ready", status="False", reason="NoTaskYet")
    return (
        Condition(type="Ready", status=found.status, reason=found.reason),
        Condition(type="Reconciling", status="False", reason="Settled"),
        Condition(type="Stalled", status="False", reason="NotStalled"),
    )


def _metadata(greeting: Greeting) -> dict[str, Any]:
    owner = {"apiVersion": GREETING.api_version, "kind": "Greeting", "name": greeting.name, "uid": greeting.uid}
    return {
        "name": f"{greeting.name}-greeting",
        "namespace": greeting.metadata.namespace,
        "ownerReferences": [{**owner, "controller": True, "blockOwnerDeletion": True}],
    }
