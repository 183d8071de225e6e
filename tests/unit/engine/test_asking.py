"""A planner asked over what is there: together, and object by object once it raises. And the whole life of a greeting."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from tests.greeting.planning import Greeter
from tests.greeting.view import Greeting

from starlink.api.change import Change
from starlink.api.kinds import Kind
from starlink.api.meta import Object, ObjectKey
from starlink.api.reading import read
from starlink.api.task import Task
from starlink.engine.rounds.asking import ask
from starlink.planning.contract import Known
from starlink.planning.effects import effect
from starlink.planning.plan import Apply, Create, Plan, RecordEvent, UpdateStatus


class Seen:
    """Objects as a test puts them."""

    now = 1_750_000_000.0

    def __init__(self, *objects: Object) -> None:
        self.objects = objects

    def all(self, known: Known[Any]) -> Mapping[ObjectKey, Any]:
        return {obj.key: obj for obj in self.objects if isinstance(obj, known.view)}

    def owned(self, known: Known[Any], owner: Object) -> Sequence[Any]:
        return [obj for obj in self.all(known).values() if obj.metadata.controller_uid == owner.uid]

    def unreadable(self, kind: Kind) -> Mapping[ObjectKey, str]:
        return {obj.key: obj.unreadable.why for obj in self.objects if obj.unreadable is not None}


class Counted(Greeter):
    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def plan(self, keys: Any, sight: Any) -> Sequence[Plan]:
        self.asked.append([key.name for key in keys])
        return super().plan(keys, sight)


def greeting(name: str, words: Any = "hello", times: int = 1) -> Greeting:
    meta = {"name": name, "namespace": "default", "uid": f"uid-{name}", "generation": 1}
    body = {"metadata": meta, "spec": {"words": words, "times": times}}
    return read(msgspec.json.Decoder(Greeting), Greeting, msgspec.json.encode(body))


def asked(planner: Greeter, *objects: Object, also: Sequence[str] = ()) -> dict[str, Plan]:
    keys = [obj.key for obj in objects if isinstance(obj, Greeting)]
    plans = ask(planner, [*keys, *(ObjectKey("default", name) for name in also)], Seen(*objects))
    return {plan.subject.name: plan for plan in plans}


def test_those_that_are_well_are_planned_together() -> None:
    planner = Counted()
    plans = asked(planner, greeting("a"), greeting("b"), also=["gone"])
    assert planner.asked == [["a", "b", "gone"]] and set(plans) == {"a", "b"}
    assert [type(action) for action in plans["a"].actions] == [Create, UpdateStatus]


def test_who_makes_the_planner_raise_is_told_and_the_others_are_planned() -> None:
    planner = Counted()
    plans = asked(planner, greeting("a"), greeting("bad", times=0), greeting("z"))
    assert planner.asked == [["a", "bad", "z"], ["a"], ["bad"], ["z"]]
    assert all(isinstance(plans[name].actions[0], Create) for name in ("a", "z"))
    status, event = plans["bad"].actions
    assert isinstance(status, UpdateStatus) and isinstance(event, RecordEvent) and event.reason == "InternalError"
    told = {one["type"]: (one["status"], one["reason"]) for one in status.status["conditions"]}
    assert told["Stalled"] == ("True", "InternalError") and isinstance(plans["bad"].error, ZeroDivisionError)


def test_what_can_not_be_read_is_not_shown_to_the_planner() -> None:
    planner = Counted()
    plans = asked(planner, greeting("a"), greeting("odd", words=["newer"]))
    assert planner.asked == [["a"]]
    assert plans["odd"].reason == "Unreadable" and plans["odd"].acts == ()


def test_a_change_of_the_child_wakes_its_owner_and_what_differs_is_put_right() -> None:
    parent = greeting("a")
    (create, _) = asked(Greeter(), parent)["a"].actions
    assert isinstance(create, Create)
    meta = {**create.manifest["metadata"], "uid": "uid-task", "resourceVersion": "5"}
    task = msgspec.convert({"metadata": meta, "spec": create.manifest["spec"]}, Task)
    changed = Change(task.key, None, task)
    assert list(Greeter().wakes(changed, Seen())) == [parent.key]
    assert asked(Greeter(), parent, task)["a"].acts == ()
    other = msgspec.structs.replace(parent, spec=msgspec.structs.replace(parent.spec, words="good morning"))
    (apply,) = asked(Greeter(), other, task)["a"].acts
    assert isinstance(apply, Apply) and (apply.uid, apply.resource_version) == ("uid-task", "5")
    assert effect(apply).body == {"spec": {"template": {"command": ["echo", "good morning"]}}}
