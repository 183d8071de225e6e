"""The rules of metadata."""

from typing import Any

import pytest

from starlink.apiserver.writing import metadata

OWNER = {"apiVersion": "v1", "kind": "ConfigMap", "name": "a", "uid": "u"}


def told(**fields: Any) -> dict[str, str]:
    return {cause.field.removeprefix("metadata."): cause.message for cause in metadata.check({"name": "a", **fields})}


def test_what_is_right() -> None:
    assert told(labels={"a": ""}, annotations={"Example.com/A": "x"}, finalizers=["example.com/a"]) == {}
    assert told(labels=None, annotations=None, finalizers=None, ownerReferences=None) == {}


@pytest.mark.parametrize(
    ("owner", "field", "said"),
    [
        ({"name": ""}, "name", "Required value: must not be empty"),
        ({"uid": None}, "uid", "Required value: must not be empty"),
        ({"blockOwnerDeletion": "x"}, "blockOwnerDeletion", 'Invalid value: "x": must be true or false'),
        ({"blockOwnerDeletion": 1}, "blockOwnerDeletion", "Invalid value: 1: must be true or false"),
        ({"controller": "yes"}, "controller", 'Invalid value: "yes": must be true or false'),
        ({"apiVersion": "a/b/c"}, "apiVersion", 'Invalid value: "a/b/c": must be <group>/<version> or <version>'),
    ],
)
def test_owners(owner: dict[str, Any], field: str, said: str) -> None:
    assert told(ownerReferences=[{**OWNER, **owner}]) == {f"ownerReferences[0].{field}": said}


def test_owners_that_may_not_be() -> None:
    event = told(ownerReferences=[{**OWNER, "kind": "Event"}])["ownerReferences[0]"]
    assert event.endswith("/v1, Kind=Event is disallowed from being an owner")
    two = [{**OWNER, "name": name, "controller": True} for name in "bc"]
    assert told(ownerReferences=two)["ownerReferences"].endswith(
        'Only one reference can have Controller set to true. Found "true" in references for ConfigMap/b and ConfigMap/c'
    )
    assert set(told(ownerReferences=["a"])) == {
        f"ownerReferences[0].{name}" for name in ("apiVersion", "kind", "name", "uid")
    }


def test_finalizers_that_contradict() -> None:
    said = told(finalizers=["orphan", "foregroundDeletion"])["finalizers"]
    assert said.endswith("finalizer orphan and foregroundDeletion cannot be both set")


def test_annotations_have_a_size() -> None:
    most = metadata.MAX_ANNOTATIONS - 1
    assert told(annotations={"a": "x" * most}) == {}
    assert told(annotations={"a": "x" * (most + 1)}) == {"annotations": "Too long: may not be more than 262144 bytes"}
