"""What of a driver's task reaches its living instances without another attempt: its spec and its ports. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from starlink.api.assignment import Assignment
from starlink.api.kinds import ASSIGNMENT
from starlink.api.merge_patch import difference, merge
from starlink.api.task import Task
from starlink.planning.examined import Examined
from starlink.planning.plan import Patch


def instances(examined: Examined) -> Iterator[Assignment]:
    """The living instances of the driver that the task asks for now, but those that are told to go."""
    driver, decision = examined.task.spec.template.driver, examined.decision
    if driver is None:
        return
    going = {one.assignment.uid for one in (*decision.remove, *decision.stop)}
    for a in examined.observed.live.values():
        its = a.spec.template.driver
        if a.uid not in going and its is not None and (its.name, its.operation) == (driver.name, driver.operation):
            yield a


def other_ports(task: Task, assignment: Assignment) -> frozenset[int]:
    """The hostPorts that an instance is to have and has not."""
    return frozenset(task.spec.host_ports) - frozenset(assignment.spec.host_ports)


def changes_ports(examined: Examined) -> bool:
    """Whether an instance is to have others, for which its server is asked."""
    return any(other_ports(examined.task, a) for a in instances(examined))


def patches(examined: Examined, waiting: Mapping[str, str]) -> list[Patch]:
    """One for each instance that is not as the task says, of the version that was seen; `waiting` are those, by UID,
    whose ports others have: they keep what they have."""
    task = examined.task
    found = []
    for a in instances(examined):
        patch = {**_of_spec(task, a), **({} if a.uid in waiting else _of_ports(task, a))}
        if patch:
            found.append(Patch(ASSIGNMENT, a.key, a.uid, {"spec": patch}, a.metadata.resource_version))
    return found


def _of_spec(task: Task, a: Assignment) -> dict[str, Any]:
    """A patch can't write a null, so in a driver's spec it is as if it was not there."""
    wanted, its = task.spec.template.driver, a.spec.template.driver
    assert wanted is not None and its is not None
    change = difference(merge({}, its.spec), merge({}, wanted.spec))
    return {"template": {"driver": {"spec": change}}} if change else {}


def _of_ports(task: Task, a: Assignment) -> dict[str, Any]:
    """In whatever order: they are a set."""
    if frozenset(task.spec.host_ports) == frozenset(a.spec.host_ports):
        return {}
    return {"hostPorts": list(task.spec.host_ports) or None}
