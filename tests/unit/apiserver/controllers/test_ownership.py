"""The garbage collector's index: what can't be read is there all the same, and keeps what belongs to it."""

from typing import Any

import msgspec
import pytest

from starlink.apiserver.controllers.bonds import Bond, Kinds, bond
from starlink.apiserver.controllers.ownership import UNKNOWN, Ownership, metadata
from starlink.apiserver.kinds.builtin import builtin_resources
from starlink.apiserver.resources.resource import Registry
from starlink.store.base import Key, Record

OWNER, DEPENDENT = Key("/configmaps", "ns", "owner"), Key("/configmaps", "ns", "dependent")
REFERENCE = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": "u-1"}


def record(key: Key, **meta: Any) -> Record:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": key.name, "namespace": "ns", **meta}}
    return Record(key, 1, msgspec.json.encode(body))


def bond_of(index: Ownership, dependent: Record) -> list[Bond]:
    kinds = Kinds(Registry(builtin_resources()))
    return [
        bond(dependent.key, owner, kinds.find(owner), index.uid_at) for owner in metadata(dependent).ownerReferences
    ]


@pytest.mark.parametrize(
    "meta",
    [
        {"uid": "u-1", "ownerReferences": [{**REFERENCE, "blockOwnerDeletion": "x"}]},
        {"uid": "u-1", "ownerReferences": {"a": 1}},
        {"uid": "u-1", "finalizers": "x"},
        {"uid": "u-1", "deletionTimestamp": 3},
        {"uid": 3},
        {"uid": None},
    ],
    ids=str,
)
def test_an_owner_that_cannot_be_read_is_not_gone(meta: dict[str, Any]) -> None:
    index, dependent = Ownership(), record(DEPENDENT, uid="u-2", ownerReferences=[REFERENCE])
    index.learn(record(OWNER, **meta))
    index.learn(dependent)
    assert bond_of(index, dependent) == [Bond.SOLID]


def test_an_owner_that_is_no_json_is_not_gone() -> None:
    index, dependent = Ownership(), record(DEPENDENT, uid="u-2", ownerReferences=[REFERENCE])
    index.learn(Record(OWNER, 1, b"{"))
    assert bond_of(index, dependent) == [Bond.SOLID]
    assert index.place_of(UNKNOWN) is None


def test_another_or_none_in_its_place_is_gone() -> None:
    dependent = record(DEPENDENT, uid="u-2", ownerReferences=[REFERENCE])
    index = Ownership()
    assert bond_of(index, dependent) == [Bond.GONE]
    index.learn(record(OWNER, uid="u-3"))
    assert bond_of(index, dependent) == [Bond.GONE]


@pytest.mark.parametrize("wrong", ["x", 1, None])
def test_a_dependent_whose_reference_is_wrongly_typed_goes_with_its_owner(wrong: Any) -> None:
    index, dependent = (
        Ownership(),
        record(DEPENDENT, uid=2, ownerReferences=[{**REFERENCE, "blockOwnerDeletion": wrong}]),
    )
    index.learn(dependent)
    assert bond_of(index, dependent) == [Bond.GONE]
    assert index.dependents("u-1") == [DEPENDENT]


@pytest.mark.parametrize("reference", ["x", {**REFERENCE, "kind": 3}, {"uid": ["u-1"]}], ids=str)
def test_a_dependent_of_whom_cannot_be_read_is_kept(reference: Any) -> None:
    index, dependent = Ownership(), record(DEPENDENT, uid="u-2", ownerReferences=[reference])
    index.learn(dependent)
    assert bond_of(index, dependent) == [Bond.UNRESOLVED]
