"""What a deletion says that it waits for."""

from typing import Any

import msgspec

from starlink.api.kinds import ASSIGNMENT, NAMESPACE, POOL, SERVER, TASK
from starlink.cli.deleting import Doomed, Instance, Wait, leaving, of_assignments, of_object, of_server, still_there

PLAIN = "starlink {}".format


def instance(name: str, server: str, phase: str = "Running") -> Instance:
    obj = {"metadata": {"name": name}, "spec": {"server": server}, "status": {"phase": phase}}
    return msgspec.convert(obj, Instance)


def ready(reason: str, message: str) -> dict[str, Any]:
    condition = {"type": "Ready", "status": "False", "reason": reason, "message": message}
    return {"metadata": {"finalizers": ["a/b"]}, "status": {"conditions": [condition]}}


def test_a_task_is_gone_when_no_instance_is_left() -> None:
    assert of_assignments([], PLAIN) is None
    assert of_assignments([instance("a-0", "s1")], PLAIN) == Wait(
        "1 instance has not stopped yet: a-0 on s1", is_gone=True
    )
    many = of_assignments([instance(f"a-{number}", "s1", "AnewerPhase") for number in range(5)], PLAIN)
    assert many == Wait("5 instances have not stopped yet: a-0 on s1, a-1 on s1, a-2 on s1 and 2 more", is_gone=True)


def test_a_task_that_is_gone_is_told_from_its_instances_that_are_not() -> None:
    web = Doomed(TASK, "web", "team", "u1")
    left = of_assignments([instance("web-0", "s1")], PLAIN)
    assert left is not None
    assert still_there(web, left, 30) == "task team/web is gone; after 30s 1 instance has not stopped yet: web-0 on s1"
    held = of_object(TASK, {"metadata": {"finalizers": ["a/b"]}}, PLAIN)
    assert still_there(web, held, 30) == "task team/web is still there after 30s: held by a/b"


def test_servers_that_are_not_heard_are_named_with_the_way_out() -> None:
    some = [instance("a-0", "s2", "Unknown"), instance("a-1", "s1"), instance("a-2", "s3", "Unknown")]
    wait = of_assignments(some, "starlink --data-dir 'a b' {}".format)
    assert wait is not None and wait.help_ == (
        "s2, s3 are not heard: start the agent there again, or say that they are gone for good with "
        "`starlink --data-dir 'a b' delete server s2 s3 --force`"
    )
    alone = of_object(ASSIGNMENT, {"metadata": {}, "spec": {"server": "s2"}, "status": {"phase": "Unknown"}}, PLAIN)
    assert "its instance on s2 has not stopped yet; s2 is not heard" in str(alone)
    assert str(of_object(ASSIGNMENT, {"metadata": {}, "spec": {"server": "s2"}}, PLAIN)) == (
        "its instance on s2 has not stopped yet"
    )


def test_an_object_that_is_going_speaks_for_itself() -> None:
    assert of_object(SERVER, ready("Draining", "2 have not stopped"), PLAIN) == Wait("2 have not stopped")
    assert of_object(POOL, ready("Terminating", "task web names it"), PLAIN) == Wait("task web names it")
    assert of_object(POOL, ready("AllReady", "all is well"), PLAIN) == Wait("held by a/b")
    assert of_object(POOL, {"metadata": {}}, PLAIN) == Wait("it is still there")


def test_what_is_being_deleted_says_what_holds_it_and_that_applying_does_not() -> None:
    since = {"name": "x", "deletionTimestamp": "2026-11-30T00:00:00Z"}
    rest = "; applying it does not undo that: apply it again when it is gone"
    in_use = {**ready("Terminating", "it is being deleted, and held by 1 task"), "metadata": since}
    assert leaving(POOL, in_use) == f"it is being deleted, and held by 1 task{rest}"
    held = {"metadata": {**since, "finalizers": ["a/b", "c/d"]}}
    assert leaving(TASK, held) == f"it is being deleted: held by a/b, c/d{rest}"
    for spec in ("nonsense", {"finalizers": "nonsense"}, None):
        assert leaving(TASK, {"metadata": since, "status": "nonsense", "spec": spec}) == f"it is being deleted{rest}"
    namespace = {"metadata": since, "spec": {"finalizers": ["kubernetes"]}}
    assert leaving(NAMESPACE, namespace) == f"it is being deleted: held by kubernetes{rest}"
    assert leaving(POOL, ready("ServersReady", "all is well")) == ""


def test_what_holds_it_is_said_in_words_before_the_operator_says_more() -> None:
    held = {"metadata": {"name": "s1", "finalizers": ["starlink.dev/drained"]}}
    assert of_object(SERVER, held, PLAIN) == Wait("its instances move to other servers, or stop, before it goes")
    assert of_server(held, [], PLAIN) == of_object(SERVER, held, PLAIN)
    one, *more = [instance(f"a-{number}", "s1") for number in range(5)]
    assert of_server(held, [one], PLAIN) == Wait("1 instance moves to other servers, or stops, before it goes: a-0")
    assert of_server(held, more, PLAIN).why == (
        "4 instances move to other servers, or stop, before it goes: a-1, a-2, a-3 and 1 more"
    )
    silent = of_server(held, [instance("a-0", "s1", "Unknown")], "starlink --data-dir 'a b' {}".format)
    assert "`starlink --data-dir 'a b' delete server s1 --force`" in silent.help_
    assert of_server({**held, **ready("Draining", "1 has not stopped")}, [one], PLAIN) == Wait("1 has not stopped")
    pool = {"metadata": {"finalizers": ["starlink.dev/in-use", "a/b"]}}
    assert of_object(POOL, pool, PLAIN) == Wait(
        "it goes when no task names it any more and nothing runs on its servers; held by a/b"
    )
