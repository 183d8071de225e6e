"""Server-side apply: who owns what, and what an apply does to the rest."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from starlink.api.errors import StatusError
from starlink.apiserver.objects import fieldset, managed
from starlink.apiserver.objects.managed import APPLY, UPDATE, Entry, Writer
from starlink.apiserver.schema.structure import build

SCHEMA = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "properties": {
                "replicas": {"type": "integer"},
                "size": {"type": "string"},
                "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                "whole": {
                    "type": "object",
                    "x-kubernetes-map-type": "atomic",
                    "additionalProperties": {"type": "string"},
                },
                "args": {"type": "array", "items": {"type": "string"}},
                "users": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
                "ports": {
                    "type": "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["name"],
                    "items": {
                        "type": "object",
                        "properties": {"name": {"type": "string"}, "port": {"type": "integer"}},
                    },
                },
            },
        },
        "status": {"type": "object", "properties": {"phase": {"type": "string"}}},
    },
}
NODE = build(SCHEMA, root=True)


def who(manager: str, operation: str = APPLY, subresource: str = "") -> Writer:
    return Writer(manager, operation, "v1", subresource, "2026-01-01T00:00:00Z")


def obj(**spec: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Thing", "metadata": {"name": "a"}, "spec": spec}


def apply(
    live: dict[str, Any] | None, config: dict[str, Any], entries: list[Entry], manager: str, force: bool = False
) -> tuple[dict[str, Any], list[Entry]]:
    return managed.applied(NODE, live, config, entries, who(manager), force=force, status=True)


def owners(entries: list[Entry]) -> dict[str, list[str]]:
    return {entry.writer.manager: sorted(fieldset.paths(entry.fields)) for entry in entries}


def test_an_apply_owns_what_it_says() -> None:
    new, entries = apply(None, obj(replicas=1, labels={"a": "b"}, ports=[{"name": "web", "port": 80}]), [], "one")
    assert new["spec"]["replicas"] == 1
    assert owners(entries)["one"] == [
        ".spec.labels.a",
        '.spec.ports[name="web"]',
        '.spec.ports[name="web"].name',
        '.spec.ports[name="web"].port',
        ".spec.replicas",
    ]


def test_another_manager_may_not_change_it_unless_it_forces() -> None:
    live, entries = apply(None, obj(replicas=1, size="s"), [], "one")
    with pytest.raises(StatusError) as refused:
        apply(live, obj(replicas=2), entries, "two")
    assert refused.value.message == 'Apply failed with 1 conflict: conflict with "one": .spec.replicas'
    assert [(c.reason, c.field) for c in refused.value.causes] == [("FieldManagerConflict", ".spec.replicas")]
    new, after = apply(live, obj(replicas=2), entries, "two", force=True)
    assert new["spec"] == {"replicas": 2, "size": "s"}
    assert owners(after) == {"one": [".spec.size"], "two": [".spec.replicas"]}


def test_the_same_value_is_shared_and_stays_until_the_last_owner_drops_it() -> None:
    live, entries = apply(None, obj(replicas=1), [], "one")
    live, entries = apply(live, obj(replicas=1, size="s"), entries, "two")
    assert owners(entries) == {"one": [".spec.replicas"], "two": [".spec.replicas", ".spec.size"]}
    live, entries = apply(live, obj(), entries, "one")
    assert live["spec"] == {"replicas": 1, "size": "s"}
    live, entries = apply(live, obj(size="s"), entries, "two")
    assert live["spec"] == {"size": "s"}


def test_what_is_no_longer_applied_goes_and_what_others_set_stays() -> None:
    live, entries = apply(None, obj(labels={"a": "1", "b": "2"}, users=["x", "y"]), [], "one")
    changed = {**live, "spec": {**live["spec"], "labels": {"a": "1", "b": "2", "c": "3"}}}
    entries = managed.updated(NODE, live, changed, entries, who("hand", UPDATE), status=True)
    new, entries = apply(changed, obj(labels={"a": "1"}, users=["y"]), entries, "one")
    assert new["spec"] == {"labels": {"a": "1", "c": "3"}, "users": ["y"]}
    assert owners(entries)["hand"] == [".spec.labels.c"]


def test_entries_of_list_maps_are_merged_by_their_key() -> None:
    live, entries = apply(None, obj(ports=[{"name": "web", "port": 80}]), [], "one")
    live, entries = apply(live, obj(ports=[{"name": "admin", "port": 81}]), entries, "two")
    assert live["spec"]["ports"] == [{"name": "web", "port": 80}, {"name": "admin", "port": 81}]
    live, entries = apply(live, obj(ports=[]), entries, "one")
    assert live["spec"]["ports"] == [{"name": "admin", "port": 81}]


def test_atomic_parts_have_one_owner() -> None:
    live, entries = apply(None, obj(whole={"a": "1"}, args=["x"]), [], "one")
    with pytest.raises(StatusError) as refused:
        apply(live, obj(whole={"b": "2"}, args=["y"]), entries, "two")
    assert sorted(c.field for c in refused.value.causes) == [".spec.args", ".spec.whole"]


def test_an_update_takes_over_what_it_changes() -> None:
    live, entries = apply(None, obj(replicas=1, size="s"), [], "one")
    changed = obj(replicas=5, size="s")
    after = managed.updated(NODE, live, changed, entries, who("scaler", UPDATE), status=True)
    assert owners(after) == {"one": [".spec.size"], "scaler": [".spec.replicas"]}
    with pytest.raises(StatusError) as refused:
        apply(changed, obj(replicas=1, size="s"), after, "one")
    assert refused.value.message.endswith('conflict with "scaler" using v1: .spec.replicas')


def test_the_status_is_owned_only_through_its_subresource() -> None:
    config = {**obj(replicas=1), "status": {"phase": "Up"}}
    _, entries = apply(None, config, [], "one")
    assert owners(entries) == {"one": [".spec.replicas"]}
    live = obj(replicas=1)
    reported = {**live, "status": {"phase": "Up"}}
    after = managed.updated(NODE, live, reported, entries, who("agent", UPDATE, "status"), status=True)
    assert owners(after)["agent"] == [".status", ".status.phase"]


def test_the_first_apply_to_an_object_without_managers_conflicts_with_what_was_there() -> None:
    with pytest.raises(StatusError) as refused:
        apply(obj(replicas=3), obj(replicas=1), [], "one")
    assert '"before-first-apply"' in refused.value.message


def test_kubectl_takes_over_what_it_had_applied_on_the_client() -> None:
    text = '{"spec":{"replicas":1}}'
    live = obj(replicas=1)
    live["metadata"]["annotations"] = {managed.LAST_APPLIED: text}
    entries = managed.updated(NODE, {}, live, [], who("kubectl-client-side-apply", UPDATE), status=True)
    new, _ = managed.applied(NODE, live, obj(replicas=2), entries, who("kubectl"), force=False, status=True)
    assert new["spec"]["replicas"] == 2
    assert '"replicas":2' in new["metadata"]["annotations"][managed.LAST_APPLIED]
    with pytest.raises(StatusError):
        managed.applied(NODE, live, obj(replicas=2), entries, who("other"), force=False, status=True)


def test_what_is_written_is_read_again() -> None:
    _, entries = apply(None, obj(replicas=1, users=["x"]), [], "one")
    assert managed.read({"managedFields": managed.written(entries)}) == tuple(entries)
    assert managed.read({"managedFields": []}) is None
    assert managed.read({}) == ()


specs = st.fixed_dictionaries(
    {},
    optional={
        "replicas": st.integers(0, 3),
        "size": st.sampled_from("sml"),
        "labels": st.dictionaries(st.sampled_from("abc"), st.sampled_from("12"), max_size=3),
        "args": st.lists(st.sampled_from("xy"), max_size=2),
        "users": st.lists(st.sampled_from("pqr"), unique=True, max_size=3),
        "ports": st.lists(
            st.fixed_dictionaries({"name": st.sampled_from("wv"), "port": st.integers(1, 3)}),
            unique_by=lambda port: port["name"],
            max_size=2,
        ),
    },
)


def contains(whole: Any, part: Any) -> bool:
    """Whether everything that `part` says holds of `whole`."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(key in whole and contains(whole[key], part[key]) for key in part)
    if isinstance(part, list) and part and isinstance(part[0], dict):
        return all(any(contains(have, item) for have in whole) for item in part)
    return bool(whole == part) or (isinstance(part, list) and all(item in whole for item in part))


@given(specs, specs, specs)
def test_applying_is_idempotent_and_gives_what_was_asked_for(first: Any, second: Any, other: Any) -> None:
    live, entries = apply(None, obj(**first), [], "one")
    live, entries = apply(live, obj(**other), entries, "two", force=True)
    live, entries = apply(live, obj(**second), entries, "one", force=True)
    assert contains(live["spec"], {k: v for k, v in second.items() if k != "args"})
    again, same = apply(live, obj(**second), entries, "one")
    assert (again, sorted(map(repr, same))) == (live, sorted(map(repr, entries)))


@given(specs, st.booleans())
def test_a_new_object_is_an_update_of_nothing(spec: Any, status: bool) -> None:
    new = obj(**spec) | {"status": {"phase": "x"}}
    new["metadata"] |= {"labels": {"a": "1"}, "annotations": {}}
    made = managed.created(NODE, new, who("one"), status=status)
    assert made == managed.updated(NODE, {}, new, (), who("one"), status=status)


@given(specs, specs)
def test_every_field_that_is_there_has_an_owner_and_no_owner_lacks_its_field(first: Any, second: Any) -> None:
    live, entries = apply(None, obj(**first), [], "one")
    live, entries = apply(live, obj(**second), entries, "two", force=True)
    everything = fieldset.owned(NODE, {"spec": live["spec"]})
    claimed: fieldset.Tree = {}
    for entry in entries:
        claimed = fieldset.union(claimed, entry.fields)
    containers = {".spec", ".spec.labels", ".spec.users", ".spec.ports"}  # owned where they are empty
    assert set(fieldset.paths(claimed)) - containers == set(fieldset.paths(everything)) - containers


trees = st.recursive(
    st.just({}), lambda below: st.dictionaries(st.sampled_from(["f:a", "f:b", "."]), below, max_size=3), max_leaves=8
).map(lambda tree: {name: below for name, below in tree.items() if name != "."})


@given(trees, trees)
def test_sets_obey_the_laws_of_sets(one: Any, other: Any) -> None:
    def members(tree: fieldset.Tree) -> set[str]:
        return set(fieldset.paths(tree))

    assert members(fieldset.union(one, other)) == members(one) | members(other)
    assert members(fieldset.difference(one, other)) == members(one) - members(other)
    assert members(fieldset.intersection(one, other)) == members(one) & members(other)


def test_an_entry_knows_its_writer_whatever_the_time() -> None:
    entry = Entry(who("one"), {})
    assert entry.is_of(replace(who("one"), time="later"))
    assert not entry.is_of(who("one", UPDATE))


WRONG_ENTRIES = [
    {"time": "garbage"},
    {"time": "2020-13-01T00:00:00Z"},
    {"time": "2020-01-01"},
    {"time": 3},
    {"subresource": 3},
]


@pytest.mark.parametrize("wrong", WRONG_ENTRIES, ids=str)
def test_entries_that_go_clients_cannot_read_are_not_taken(wrong: dict[str, Any]) -> None:
    good = {
        "manager": "m", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": {"f:data": {}},
        "time": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    before, after = {"managedFields": [good]}, {"managedFields": [{**good, **wrong}]}
    kept = managed.given(after, before)
    assert kept is not None and managed.written(kept) == [good]
    mixed = managed.stored({"managedFields": [{**good, **wrong}, good]})
    assert mixed is not None and managed.written(mixed) == [good], "one that is stored locks nothing"
