"""What an action makes of an object is the same, whether the object is a view or plain JSON."""

from typing import Any

import msgspec
import pytest

from starlink.api.assignment import Assignment
from starlink.api.kinds import ASSIGNMENT
from starlink.api.meta import ObjectKey
from starlink.api.reading import read
from starlink.planning.children import applied
from starlink.planning.effects import after, effect, patched
from starlink.planning.plan import Apply, Create, Delete, Patch, ReleaseFinalizer, UpdateStatus, Writing

KEY, NOW = ObjectKey("default", "web-0"), "2026-01-01T00:00:00Z"
CONDITION = {"type": "Ready", "status": "False", "reason": "Stopped"}


def body(*, deleting: bool = False, finalizers: tuple[str, ...] = ("a", "b")) -> dict[str, Any]:
    meta = {"name": KEY.name, "namespace": KEY.namespace, "uid": "u1", "resourceVersion": "7", "generation": 1}
    meta |= {"labels": {"tier": "cache"}, "finalizers": list(finalizers)}
    meta |= {"deletionTimestamp": "2025-01-01T00:00:00Z"} if deleting else {}
    template = {"command": ["run"], "resources": {"requests": {"cpu": "2"}}}
    spec = {"server": "s1", "slot": "0", "attempt": 1, "desired": "Running", "template": template}
    return {"metadata": meta, "spec": spec, "status": {"phase": "Running", "ready": True, "restarts": 2}}


@pytest.mark.parametrize(
    "action",
    [
        Patch(ASSIGNMENT, KEY, "u1", {"spec": {"desired": "Stopped", "reason": "Scale"}}),
        Patch(ASSIGNMENT, KEY, "u1", {"metadata": {"labels": {"tier": None, "zone": "a"}}}, "7"),
        Patch(ASSIGNMENT, KEY, "u1", {"spec": {"template": {"resources": {"requests": {"memory": "1Gi"}}}}}),
        Apply(ASSIGNMENT, KEY, "u1", "7", body()["spec"], {"server": "s1", "slot": "0", "attempt": 1, "template": {}}),
        UpdateStatus(ASSIGNMENT, KEY, "u1", {"ready": None, "phase": "Stopped", "conditions": [CONDITION]}),
        Delete(ASSIGNMENT, KEY, "u1", "Scale"),
        ReleaseFinalizer(ASSIGNMENT, KEY, "u1", "7", ("a", "b"), "a"),
    ],
)
@pytest.mark.parametrize("deleting", [False, True])
def test_a_view_and_plain_json_come_to_the_same(action: Writing, deleting: bool) -> None:
    plain = body(deleting=deleting)
    view = msgspec.convert(plain, Assignment)
    changed = after(effect(action), plain, NOW)
    assert changed != plain or (deleting and isinstance(action, Delete)), "what is being deleted keeps its time"
    assert after(effect(action), view, NOW) == msgspec.convert(changed, Assignment)
    assert plain == body(deleting=deleting), "what is given stays as it is"


@pytest.mark.parametrize("uid, version", [("u2", ""), ("u2", "7"), ("u1", "6")])
def test_another_object_and_another_version_stay_as_they_are(uid: str, version: str) -> None:
    view = msgspec.convert(body(), Assignment)
    patch = Patch(ASSIGNMENT, KEY, uid, {"spec": {"desired": "Stopped"}}, version)
    assert after(effect(patch), view, NOW) is view
    assert effect(patch).conditional["metadata"].get("resourceVersion", "") == version
    if uid != "u1":
        assert after(effect(Delete(ASSIGNMENT, KEY, uid, "")), view, NOW) is view


def test_what_is_deleted_goes_with_its_last_finalizer() -> None:
    last = ReleaseFinalizer(ASSIGNMENT, KEY, "u1", "7", ("a",), "a")
    assert after(effect(last), body(deleting=True, finalizers=("a",)), NOW) is None
    assert after(effect(last), body(finalizers=("a",)), NOW) is not None
    assert after(effect(Delete(ASSIGNMENT, KEY, "u1", "")), body(finalizers=()), NOW) is None
    assert effect(last).body == {"metadata": {"finalizers": None}}, "an empty list is told by null"


def test_a_view_that_could_not_be_read_stays_marked_and_shares_what_is_left_alone() -> None:
    plain = body()
    plain["status"]["restarts"] = "many"
    view = read(msgspec.json.Decoder(Assignment), Assignment, msgspec.json.encode(plain))
    changed = patched(view, {"spec": {"desired": "Stopped"}})
    assert changed.unreadable == view.unreadable is not None
    assert changed.spec.desired == "Stopped" and changed.spec.template is view.spec.template


SPEC = {"server": "s1", "slot": "0", "attempt": 1, "template": {"command": ["go"]}}


def test_a_child_comes_to_be_of_the_spec_and_no_more_is_asked_then() -> None:
    """What it has more goes, but for what its view does not know."""
    plain = body()
    plain["spec"] |= {"reason": "Scale", "newer": 1}
    (action,) = applied(ASSIGNMENT, msgspec.convert(plain, Assignment), SPEC)
    changed = after(effect(action), plain, NOW)
    assert changed is not None and changed["spec"] == {**SPEC, "desired": "Running", "newer": 1}
    assert applied(ASSIGNMENT, msgspec.convert(changed, Assignment), SPEC) == ()
    assert applied(ASSIGNMENT, msgspec.convert(changed, Assignment), {**SPEC, "desired": "Running"}) == (), "by default"


@pytest.mark.parametrize("uid, version", [("u2", "7"), ("u1", "6")])
def test_a_child_that_is_another_than_was_seen_is_not_written_over(uid: str, version: str) -> None:
    plain = body()
    action = Apply(ASSIGNMENT, KEY, uid, version, plain["spec"], SPEC)
    assert after(effect(action), plain, NOW) is plain
    assert effect(action).conditional["metadata"] == {"uid": uid, "resourceVersion": version}


def test_a_child_that_goes_or_can_not_be_read_is_left_alone() -> None:
    plain = body()
    plain["spec"]["template"] = 7
    odd = read(msgspec.json.Decoder(Assignment), Assignment, msgspec.json.encode(plain))
    assert odd.unreadable is not None and applied(ASSIGNMENT, odd, SPEC) == ()
    assert applied(ASSIGNMENT, msgspec.convert(body(deleting=True), Assignment), SPEC) == ()


def test_what_is_created_is_the_manifest() -> None:
    done = effect(Create(ASSIGNMENT, body()))
    assert (done.verb, done.key, done.body) == ("create", KEY, body())
