"""What can't be read is kept and says so, and a value that this version doesn't know is read like any other."""

import copy
from collections.abc import Iterator
from typing import Any, get_args

import msgspec
import pytest
from tests.crds import schema_of

from starlink.api import enumerations
from starlink.api.assignment import FINAL_PHASES, Assignment, Phase
from starlink.api.lease import Lease
from starlink.api.meta import Object, ObjectKey
from starlink.api.pool import Pool
from starlink.api.reading import completed, read
from starlink.api.server import Server
from starlink.api.task import Task

Obj = dict[str, Any]
VIEWS: dict[str, type[Object]] = {"tasks": Task, "assignments": Assignment, "pools": Pool, "servers": Server}
META = {"name": "one", "namespace": "ns", "uid": "u1", "resourceVersion": "7", "labels": {"a": "b"}}
ASSIGNED = {
    "server": "s1",
    "slot": "3",
    "attempt": 2,
    "template": {"command": ["run"], "resources": {"requests": {"cpu": "2"}}},
}
GOOD: dict[type[Object], Obj] = {
    Task: {
        "spec": {"template": {"command": ["run"]}, "placement": {"pool": "p", "priority": 5}},
        "status": {"ready": 1},
    },
    Assignment: {"spec": ASSIGNED, "status": {"phase": "Running", "ready": True}},
    Pool: {"spec": {"selector": {"zone": "a"}}, "status": {"servers": 2}},
    Server: {"spec": {"pool": "p"}, "status": {"architecture": "amd64"}},
    Lease: {"spec": {"holderIdentity": "s1"}},
}
BROKEN: list[tuple[type[Object], str, Any]] = [
    (Task, "spec", None), (Task, "spec", 7), (Task, "spec.template", []), (Task, "spec.template.command", "run"),
    (Task, "spec.replicas", "three"), (Task, "spec.placement.priority", {}), (Task, "status", "well"),
    (Task, "status.completedSlots", 5), (Task, "status.slots", {"0": 1}), (Task, "status.conditions", "Ready"),
    (Assignment, "spec", []), (Assignment, "spec.server", 7), (Assignment, "spec.template.resources.requests", ["cpu"]),
    (Assignment, "spec.attempt", "2"), (Assignment, "spec.waitFor", {}), (Assignment, "status.phase", 9),
    (Assignment, "status.endpoints", [{"name": "http"}]), (Assignment, "metadata.labels", {"a": 1}),
    (Pool, "spec.selector", "all"), (Pool, "spec.quota", 5), (Pool, "status.headroom", []), (Pool, "status.servers", {}),
    (Server, "spec.taints", "none"), (Server, "spec.pool", 1), (Server, "status.allocatable", "much"),
    (Server, "status.conditions", [{"type": "Ready"}]), (Lease, "spec.renewTime", 5),
]  # fmt: skip


def body(view: type[Object], path: str = "", value: Any = None) -> bytes:
    obj = copy.deepcopy({"metadata": META, **GOOD[view]})
    *parents, last = path.split(".")
    at = obj
    for name in parents:
        at = at.setdefault(name, {})
    if last:
        at[last] = value
    return msgspec.json.encode(obj)


def seen(view: type[Any], path: str = "", value: Any = None) -> Any:
    return read(msgspec.json.Decoder(view), view, body(view, path, value))


@pytest.mark.parametrize(("view", "path", "value"), BROKEN)
def test_what_can_not_be_read_is_there_and_says_why(view: type[Object], path: str, value: Any) -> None:
    found = seen(view, path, value)
    assert isinstance(found, view)
    assert (found.key, found.uid, found.metadata.resource_version) == (ObjectKey("ns", "one"), "u1", "7")
    assert found.unreadable is not None and found.unreadable.why.startswith(f"{path}: ")
    assert found.unreadable.lacks(path)
    assert repr(value) not in found.unreadable.why, "no stored value"


@pytest.mark.parametrize("view", GOOD)
def test_what_can_be_read_is_not_marked_and_has_no_room_for_a_mark(view: type[Object]) -> None:
    found = seen(view)
    assert type(found) is view and found.unreadable is None
    assert "unreadable" not in view.__struct_fields__


def test_the_rest_is_read() -> None:
    found = seen(Assignment, "spec.template.command", "run")
    assert (found.spec.server, found.spec.slot, found.spec.attempt, found.status.phase) == ("s1", "3", 2, "Running")
    assert found.spec.template.resources.requests == {"cpu": "2"}
    assert found.unreadable.lacks("spec.template") and not found.unreadable.lacks("spec.template.resources")


def test_what_is_lost_is_as_it_was_read_last() -> None:
    before = seen(Assignment)
    lost = seen(Assignment, "spec.template.resources", 7)
    assert lost.spec.template.resources.requests == {}
    found = completed(lost, before)
    assert found.spec.template.resources.requests == {"cpu": "2"}
    assert found.unreadable.why == lost.unreadable.why and not found.unreadable.lacks("spec.template.resources")
    again = completed(seen(Assignment, "spec", 7), found)
    assert again.spec == before.spec, "also after two that can't be read"
    other = msgspec.structs.replace(before, metadata=msgspec.structs.replace(before.metadata, uid="u2"))
    assert completed(lost, other) == lost, "another object of the name tells nothing of it"


def test_what_was_never_read_stays_missing() -> None:
    first = seen(Assignment, "spec.template.resources", 7)
    found = completed(seen(Assignment, "spec.template", 7), first)
    assert found.unreadable.lacks("spec.template.resources")


@pytest.mark.parametrize("text", [b"7", b"{", b"{}", b'{"metadata":{"name":3}}'])
def test_what_has_no_name_is_no_object(text: bytes) -> None:
    with pytest.raises(msgspec.MsgspecError):
        read(msgspec.json.Decoder(Task), Task, text)


# Enumerations


def enumerated(schema: Obj, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], list[str]]]:
    """The paths of a schema that have an enumeration; an item of a list is `0`."""
    if "enum" in schema:
        yield path, schema["enum"]
    for name, part in schema.get("properties", {}).items():
        yield from enumerated(part, (*path, name))
    if isinstance(schema.get("items"), dict):
        yield from enumerated(schema["items"], (*path, "0"))


ENUMERATIONS = [(plural, path, values) for plural in VIEWS for path, values in enumerated(schema_of(plural))]
ITEMS: dict[str, Obj] = {
    "conditions": {"type": "Ready", "status": "True", "reason": "Well"},
    "taints": {"key": "k", "effect": "NoSchedule"},
    "addresses": {"type": "Hostname", "address": "a"},
    "variants": {"architecture": "amd64", "url": "u", "sha256": "s"},
    "spread": {"topologyKey": "z"},
}
UNJUDGED = {"architectures", "preferredArchitectures", "architecture", "phase", "status", "addresses", "signal"}
"""Where nobody has to know all values; `stop.signal` is judged by the agent as a signal of its system."""


def with_value(view: type[Object], path: tuple[str, ...], value: str) -> bytes:
    def put(at: Any, path: tuple[str, ...]) -> Any:
        if not path:
            return value
        name, *rest = path
        if rest[:1] == ["0"]:
            item = ITEMS.get(name, {}) if rest[1:] else value
            return {**at, name: [put(item, tuple(rest[1:]))]}
        return {**at, name: put(at.get(name, {}), tuple(rest))}

    return msgspec.json.encode(put({"metadata": META, **GOOD[view]}, path))


@pytest.mark.parametrize(("plural", "path", "values"), ENUMERATIONS)
def test_an_enumeration_is_open_and_judged_in_one_place(plural: str, path: tuple[str, ...], values: list[str]) -> None:
    """A value of a newer version is read by every view, and named where it matters; all that a CRD takes is known."""
    view: type[Any] = VIEWS[plural]
    decoder = msgspec.json.Decoder(view)
    newer = decoder.decode(with_value(view, path, "Newer"))
    judged = list(enumerations.unknown(newer.spec, "spec"))
    if UNJUDGED & {*path}:
        assert judged == []
    else:
        (told,) = judged
        assert told.startswith(".".join(path).replace(".0", "[0]") + ": 'Newer' is no value that this version knows")
        assert all(value in told for value in values)
    for value in values:
        assert list(enumerations.unknown(decoder.decode(with_value(view, path, value)).spec, "spec")) == []


def test_there_are_as_many_enumerations_as_the_crds_have() -> None:
    assert len(ENUMERATIONS) > 20


def test_the_phases_of_another_version_are_none_of_the_final_ones() -> None:
    for phase in ("Warming", "Evicted"):
        found = msgspec.json.decode(with_value(Assignment, ("status", "phase"), phase), type=Assignment)
        assert not found.finished and not found.doubted
    assert {*FINAL_PHASES} < {*get_args(Phase)}
