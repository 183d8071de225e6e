"""The rules of metadata."""

from typing import Any

import pytest

from starlink.apiserver.validation import metadata, metadata_types

OWNER = {"apiVersion": "v1", "kind": "ConfigMap", "name": "a", "uid": "u"}


def told(**fields: Any) -> dict[str, str]:
    return {cause.field.removeprefix("metadata."): cause.message for cause in metadata.check({"name": "a", **fields})}


def test_what_is_right() -> None:
    assert told(labels={"a": ""}, annotations={"Example.com/A": "x"}, finalizers=["example.com/a"]) == {}
    assert told(labels=None, annotations=None, finalizers=None, ownerReferences=None) == {}


@pytest.mark.parametrize(
    ("owner", "field", "said"),
    [
        ({"name": ""}, "name", 'Invalid value: "": name must not be empty'),
        ({"uid": None}, "uid", 'Invalid value: "": uid must not be empty'),
        ({"apiVersion": "a/b/c"}, "apiVersion", 'Invalid value: "a/b/c": version must not be empty'),
    ],
)
def test_owners(owner: dict[str, Any], field: str, said: str) -> None:
    assert told(ownerReferences=[{**OWNER, **owner}]) == {f"ownerReferences.{field}": said}


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("ownerReferences", [{**OWNER, "blockOwnerDeletion": "x"}], "[0].blockOwnerDeletion must be true or false"),
        ("ownerReferences", [{**OWNER, "blockOwnerDeletion": 1}], "[0].blockOwnerDeletion must be true or false"),
        ("ownerReferences", [{**OWNER, "controller": "yes"}], "[0].controller must be true or false"),
        ("ownerReferences", ["a"], "[0] must be an object"),
        ("creationTimestamp", "2026-02-30T00:00:00Z", " must be a time, such as 2006-01-02T15:04:05Z"),
        ("generation", True, " must be an integer"),
        ("generation", 2**63, " must be an integer"),
    ],
)
def test_types(field: str, value: Any, said: str) -> None:
    (cause,) = metadata_types.check({field: value})
    place, _, why = said.partition(" ")
    assert cause.field == f"metadata.{field}{place}" and cause.message.endswith(f": {why}")
    assert metadata_types.check({field: value}, {field: value}) == [], "what the old one has is not looked at"


def test_owners_that_may_not_be() -> None:
    event = told(ownerReferences=[{**OWNER, "kind": "Event"}])["ownerReferences"]
    assert event.endswith("/v1, Kind=Event is disallowed from being an owner")
    two = [{**OWNER, "name": name, "controller": True} for name in "bc"]
    assert told(ownerReferences=two)["ownerReferences"].endswith(
        'Only one reference can have Controller set to true. Found "true" in references for ConfigMap/b and ConfigMap/c'
    )


def test_finalizers_that_contradict() -> None:
    said = told(finalizers=["orphan", "foregroundDeletion"])["finalizers"]
    assert said.endswith("finalizer orphan and foregroundDeletion cannot be both set")


def test_annotations_have_a_size() -> None:
    most = metadata.MAX_ANNOTATIONS - 1
    assert told(annotations={"a": "x" * most}) == {}
    assert told(annotations={"a": "x" * (most + 1)}) == {"annotations": "Too long: may not be more than 262144 bytes"}
