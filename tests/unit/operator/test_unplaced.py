"""When the tasks that found no server are looked at again."""

from typing import Any

import msgspec

from starlink.api.assignment import Assignment
from starlink.api.change import Change
from starlink.api.meta import ObjectKey
from starlink.api.task import Task
from starlink_operator.unplaced import Unplaced

A, B, C = (ObjectKey("default", name) for name in "abc")


def task(generation: int = 1, labels: dict[str, str] | None = None, **status: Any) -> Task:
    metadata = {"namespace": "default", "name": "c", "uid": "1", "generation": generation, "labels": labels or {}}
    return msgspec.convert({"metadata": metadata, "spec": {"template": {}}, "status": status}, Task)


def assignment(ready: bool) -> Assignment:
    spec = {"server": "s1", "slot": "0", "attempt": 1, "template": {}}
    metadata = {"namespace": "default", "name": "c-0-1", "uid": "2"}
    return msgspec.convert({"metadata": metadata, "spec": spec, "status": {"ready": ready}}, Assignment)


def waiting() -> Unplaced:
    found = Unplaced()
    found.looked_at({A, B, C}, {A, B})
    return found


def test_those_that_were_looked_at_and_found_a_server_are_gone() -> None:
    found = waiting()
    assert found.keys == {A, B}
    found.looked_at({A, C}, {C})
    assert found.keys == {B, C}


def test_nothing_is_due_while_nothing_changes() -> None:
    found = waiting()
    assert not found.due(0.0)
    found.task_changed(Change(C, None, task()))
    found.task_changed(Change(C, task(), task(ready=3)))
    found.assignment_changed(Change(C, assignment(ready=True), assignment(ready=False)))
    assert not found.due(0.0)


def test_a_change_that_concerns_others_makes_them_due_once() -> None:
    changes = [(task(), task(generation=2)), (task(), task(labels={"tier": "x"})), (task(), None)]
    for old, new in changes:
        found = waiting()
        found.task_changed(Change(C, old, new))
        assert found.due(0.0) == {A, B}
        assert not found.due(1000.0)


def test_company_and_readiness_may_help() -> None:
    for old in (None, assignment(ready=False)):
        found = waiting()
        found.assignment_changed(Change(C, old, assignment(ready=True)))
        assert found.due(0.0) == {A, B}


def test_the_more_wait_the_longer_is_the_rest() -> None:
    many = {ObjectKey("default", str(number)) for number in range(400)}
    found = Unplaced()
    found.looked_at(many, many)
    found.task_changed(Change(C, task(), None))
    assert found.due(0.0) == many
    found.task_changed(Change(C, task(), None))
    assert not found.due(4.9)
    assert found.due(5.0) == many
