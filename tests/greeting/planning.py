"""Greetings: a task says each of them. Pure."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from tests.greeting.view import GREETING, GREETINGS, Greeting

from starlink.api import conditions
from starlink.api.change import Change
from starlink.api.kinds import TASK
from starlink.api.meta import Condition, ObjectKey
from starlink.api.task import Task
from starlink.api.timestamp import format_time
from starlink.planning.contract import TASKS, Sight, concerned
from starlink.planning.plan import Action, Create, Patch, Plan, UpdateStatus


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
    said, times = ["echo", greeting.spec.words], 12 // greeting.spec.times
    spec = {"replicas": times, "template": {"command": said}}
    actions: list[Action] = []
    if task is None:
        actions.append(Create(TASK, {"metadata": _metadata(greeting), "spec": spec}))
    elif task.unreadable is None and (list(task.spec.template.command), task.spec.replicas) != (said, times):
        actions.append(Patch(TASK, task.key, task.uid, {"spec": spec}, task.metadata.resource_version))
    told = conditions.merge(greeting.status.conditions, _conditions(greeting, task), now=format_time(sight.now))
    if told != greeting.status.conditions:
        status = {"conditions": [conditions.entry(one) for one in told]}
        actions.append(UpdateStatus(GREETING, greeting.key, greeting.uid, status))
    return Plan(GREETING, greeting.key, tuple(actions))


def _conditions(greeting: Greeting, task: Task | None) -> Sequence[Condition]:
    its = conditions.find(task.status.conditions, "Ready") if task else None
    found = its or Condition(type="Ready", status="False", reason="NoTaskYet")
    told = (
        Condition(type="Ready", status=found.status, reason=found.reason),
        Condition(type="Reconciling", status="False", reason="Settled"),
        Condition(type="Stalled", status="False", reason="NotStalled"),
    )
    return conditions.of_generation(told, greeting.metadata.generation)


def _metadata(greeting: Greeting) -> dict[str, Any]:
    owner = {"apiVersion": GREETING.api_version, "kind": "Greeting", "name": greeting.name, "uid": greeting.uid}
    return {
        "name": f"{greeting.name}-greeting",
        "namespace": greeting.metadata.namespace,
        "ownerReferences": [{**owner, "controller": True, "blockOwnerDeletion": True}],
    }
