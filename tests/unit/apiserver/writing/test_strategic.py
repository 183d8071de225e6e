"""Strategic merge patches, as kubectl sends them for built-in kinds."""

from typing import Any

import pytest

from starlink.api.errors import StatusError
from starlink.apiserver.requests.writing import strategic
from starlink.apiserver.schema.meta import part

SCHEMA = {
    "properties": {
        "metadata": part("ObjectMeta"),
        "secrets": {
            "x-kubernetes-patch-strategy": "merge",
            "x-kubernetes-patch-merge-key": "name",
            "items": {"properties": {"name": {}, "kind": {}}},
        },
        "data": {"type": "object", "additionalProperties": {"type": "string"}},
        "args": {"type": "array"},
    }
}


def merge(target: Any, patch: Any) -> Any:
    return strategic.merge(target, patch, SCHEMA)


def test_maps_are_merged_and_null_removes() -> None:
    assert merge({"data": {"a": "1", "b": "2"}}, {"data": {"b": None, "c": "3"}}) == {"data": {"a": "1", "c": "3"}}


def test_lists_are_replaced_unless_the_schema_merges_them() -> None:
    assert merge({"args": ["x"]}, {"args": ["y"]}) == {"args": ["y"]}
    assert merge({"metadata": {"finalizers": ["a"]}}, {"metadata": {"finalizers": ["b", "a"]}}) == {
        "metadata": {"finalizers": ["a", "b"]}
    }


def test_entries_are_merged_by_their_key() -> None:
    have = {"secrets": [{"name": "a", "kind": "x"}, {"name": "b"}]}
    assert merge(have, {"secrets": [{"name": "b", "kind": "y"}, {"name": "c"}]}) == {
        "secrets": [{"name": "a", "kind": "x"}, {"name": "b", "kind": "y"}, {"name": "c"}]
    }
    with pytest.raises(StatusError, match="merge key: name"):
        merge(have, {"secrets": [{"kind": "y"}]})


def test_directives() -> None:
    have = {"secrets": [{"name": "a"}, {"name": "b"}], "data": {"a": "1"}, "metadata": {"finalizers": ["x", "y"]}}
    assert merge(have, {"secrets": [{"name": "a", "$patch": "delete"}]})["secrets"] == [{"name": "b"}]
    assert merge(have, {"secrets": [{"$patch": "replace"}, {"name": "z"}]})["secrets"] == [{"name": "z"}]
    assert merge(have, {"data": {"$patch": "replace", "b": "2"}})["data"] == {"b": "2"}
    assert merge(have, {"data": {"$retainKeys": ["b"], "b": "2"}})["data"] == {"b": "2"}
    gone = merge(have, {"metadata": {"$deleteFromPrimitiveList/finalizers": ["x"]}})
    assert gone["metadata"]["finalizers"] == ["y"]


def test_an_order_is_kept() -> None:
    have = {"secrets": [{"name": "a"}, {"name": "b"}]}
    order = [{"name": "c"}, {"name": "b"}, {"name": "a"}]
    patch = {"secrets": [{"name": "c"}], "$setElementOrder/secrets": order}
    assert [entry["name"] for entry in merge(have, patch)["secrets"]] == ["c", "b", "a"]
