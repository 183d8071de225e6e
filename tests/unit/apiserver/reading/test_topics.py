"""The topic of a watch, and what events belong to it."""

from typing import Any

import msgspec
import pytest

from starlink.apiserver.requests.reading.topics import topic
from starlink.apiserver.resources import selectors
from starlink.apiserver.resources.resource import Resource
from starlink.apiserver.validation.compiled import StructuralSchema
from starlink.store.base import Change, Event, Key, Record, Topic

KEY = Key("example.com/paints", "ns", "a")
SPEC = {"color": {"type": "string", "default": "red"}, "on": {"type": "boolean"}, "size": {"type": "integer"}}
SCHEMA = {"type": "object", "properties": {"spec": {"type": "object", "properties": SPEC, "default": {}}}}


def paints(since: int = 0) -> Resource:
    fields = tuple(f"spec.{name}" for name in SPEC)
    schema = StructuralSchema(SCHEMA)
    return Resource(
        "example.com", "v1", "paints", "paint", "Paint", True, schema, selectable_fields=fields, since=since
    )


def of(selector: str, since: int = 0) -> Topic | None:
    resource = paints(since)
    return topic(resource, selectors.parse(resource, "", selector))


def record(revision: int, spec: Any) -> Record:
    body = {"apiVersion": "example.com/v1", "kind": "Paint", "metadata": {"name": "a"}, "spec": spec}
    return Record(KEY, revision, msgspec.json.encode(body))


def values(selector: str, event: Event, since: int = 0) -> list[str]:
    found = of(selector, since)
    assert found is not None
    return sorted(found.values(event))


@pytest.mark.parametrize(
    ("selector", "path", "value"),
    [
        ("spec.color=red", "spec.color", "red"),
        ("metadata.namespace=ns,spec.color==red,spec.size!=1", "spec.color", "red"),
        ("spec.color=red,metadata.name=a", "metadata.name", "a"),
        ("metadata.namespace=ns", "metadata.namespace", "ns"),
        ("spec.color=", "spec.color", ""),
    ],
)
def test_the_field_that_tells_most_apart(selector: str, path: str, value: str) -> None:
    found = of(selector)
    assert found is not None
    assert (found.field, found.value) == (("example.com/v1", 0, path), value)


@pytest.mark.parametrize("selector", ["", "spec.color!=red", "metadata.name!=a"])
def test_without_an_equality_there_is_none(selector: str) -> None:
    assert of(selector) is None


def test_an_event_belongs_to_what_was_before_and_what_is_after() -> None:
    red, blue = record(1, {"color": "red"}), record(2, {"color": "blue"})
    assert values("spec.color=x", Event(Change.PUT, red, None)) == ["red"]
    assert values("spec.color=x", Event(Change.PUT, blue, red)) == ["blue", "red"]
    assert values("spec.color=x", Event(Change.DELETE, record(3, {"color": "blue"}), blue)) == ["blue"]
    assert values("metadata.name=x", Event(Change.PUT, blue, red)) == ["a"]
    assert values("metadata.namespace=x", Event(Change.PUT, blue, red)) == ["ns"]


@pytest.mark.parametrize(
    ("spec", "field", "value"),
    [
        ({"on": True}, "spec.on", "true"),
        ({"size": 7}, "spec.size", "7"),
        ({}, "spec.color", ""),
        ({"color": None}, "spec.color", ""),
        (None, "spec.color", ""),
        ("no object", "spec.color", ""),
    ],
)
def test_values_are_those_that_a_selector_compares(spec: Any, field: str, value: str) -> None:
    assert values(f"{field}=x", Event(Change.PUT, record(1, spec), None)) == [value]


def test_an_object_of_an_older_schema_is_read_with_its_defaults() -> None:
    assert values("spec.color=x", Event(Change.PUT, record(1, {}), None), since=5) == ["red"]
    assert values("spec.color=x", Event(Change.PUT, record(6, {}), None), since=5) == [""]
