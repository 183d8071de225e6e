"""Which schemas a CRD may have, in the words of the real API server."""

from typing import Any

import pytest

from starlink.apiserver.definitions import structural

Obj = dict[str, Any]
TEXT: Obj = {"type": "string"}
FREE: Obj = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def told(part: Obj, **root: Any) -> dict[str, str]:
    """What is wrong with a schema whose one property `p` is `part`, by the keyword below it."""
    schema = {"type": "object", "properties": {"p": part}, **root}
    return {
        cause.field.removeprefix("root.").removeprefix("properties[p]").removeprefix("."): cause.message
        for cause in structural.check(schema, "root")
    }


def items(**schema: Any) -> Obj:
    return {"type": "array", **schema}


SCHEMAS: dict[str, tuple[Obj, dict[str, str]]] = {
    "right": (TEXT, {}),
    "no type": ({}, {"type": "Required value: must not be empty for specified object fields"}),
    "no type of items": (items(items={}), {"items.type": "Required value: must not be empty for specified array items"}),
    "embedded without a type": (
        {"x-kubernetes-embedded-resource": True, "x-kubernetes-preserve-unknown-fields": True},
        {"type": "Required value: must be object if x-kubernetes-embedded-resource is true"},
    ),
    "embedded and closed": (
        {"type": "object", "x-kubernetes-embedded-resource": True},
        {"properties": "Required value: must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields"},
    ),
    "bad pattern": (
        {"type": "string", "pattern": "(?=a)"},
        {"pattern": 'Invalid value: "(?=a)": must be a valid regular expression, but isn\'t: error parsing regexp: look-around and back references are not supported'},
    ),
    "integer or string": ({"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]}, {}),
    "integer or string in allOf": (
        {"x-kubernetes-int-or-string": True, "allOf": [{"anyOf": [{"type": "integer"}, {"type": "string"}]}, {"pattern": "a"}]},
        {},
    ),
    "types in a junctor": (
        {"type": "object", "properties": {"a": TEXT}, "oneOf": [{"properties": {"a": TEXT}}]},
        {"oneOf[0].properties[a].type": "Forbidden: must be empty to be structural"},
    ),
    "what a junctor may not have": (
        {"type": "string", "not": {"default": "a", "nullable": True, "description": "x", "x-kubernetes-validations": [{"rule": "true"}]}},
        {
            "not.default": "Forbidden: must be undefined to be structural",
            "not.description": "Forbidden: must be empty to be structural",
            "not.nullable": "Forbidden: must be false to be structural",
            "not.x-kubernetes-validations": "Forbidden: must be empty to be structural",
        },
    ),
    "unsupported keyword": ({"$ref": "#/x", "type": "object"}, {"$ref": "Forbidden: $ref is not supported"}),
    "unknown keyword": ({"type": "string", "const": 1}, {"const": "Forbidden: is not a keyword of structural schemas"}),
    "a number for a word": ({"type": 5}, {"type": "Invalid value: 5: is of the wrong type"}),
    "unique items": (
        items(items=TEXT, uniqueItems=True),
        {"uniqueItems": "Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic"},
    ),
    "a set of objects": (
        items(items={"type": "object"}, **{"x-kubernetes-list-type": "set"}),
        {"items.x-kubernetes-map-type": 'Invalid value: "null": must be atomic as item of a list with x-kubernetes-list-type=set'},
    ),
    "a list type of no list": (
        {"type": "object", "x-kubernetes-list-type": "set"},
        {"type": 'Invalid value: "object": must be array if x-kubernetes-list-type is specified'},
    ),
    "an unknown list type": (
        items(items=TEXT, **{"x-kubernetes-list-type": "bag"}),
        {"x-kubernetes-list-type": 'Unsupported value: "bag": supported values: "atomic", "set", "map"'},
    ),
    "keys without a map": (
        items(items=TEXT, **{"x-kubernetes-list-map-keys": ["a"]}),
        {"x-kubernetes-list-type": "Required value: must be map if x-kubernetes-list-map-keys is non-empty"},
    ),
    "a key that may be absent": (
        items(items={"type": "object", "properties": {"a": TEXT}}, **{"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["a"]}),
        {"items.properties[a].default": "Required value: this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property"},
    ),
    "an unknown key": (
        items(items={"type": "object", "properties": {"a": TEXT}}, **{"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["b"]}),
        {"x-kubernetes-list-map-keys": 'Invalid value: ["b"]: entries must all be names of item properties'},
    ),
    "not preserving": (
        {"type": "object", "x-kubernetes-preserve-unknown-fields": False},
        {"x-kubernetes-preserve-unknown-fields": "Invalid value: false: must be true or undefined"},
    ),
    "a default of another type": (
        {"type": "integer", "default": "x"},
        {"default": 'Invalid value: "string":  in body must be of type integer: "string"'},
    ),
    "a default with unknown fields": (
        {"type": "object", "properties": {"a": TEXT}, "default": {"b": 1}},
        {"default": 'Invalid value: {"b":1}: must not have unknown fields'},
    ),
    "a default that is wrong below": (
        {"type": "object", "properties": {"a": {"type": "integer", "minimum": 3}}, "default": {"a": 1}},
        {"default.a": "Invalid value: 1: a in body should be greater than or equal to 3"},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("part", "wanted"), SCHEMAS.values(), ids=SCHEMAS)
def test_schemas(part: Obj, wanted: dict[str, str]) -> None:
    assert told(part) == wanted


@pytest.mark.parametrize(
    ("root", "wanted"),
    [
        ({"nullable": True}, {"nullable": "Forbidden: nullable cannot be true at the root"}),
        ({"type": "array", "items": TEXT}, {"type": 'Invalid value: "array": must be object at the root'}),
        ({"anyOf": [{"properties": {"q": {"minimum": 1}}}]}, {"properties[q]": "Required value: because it is defined in root.anyOf[0].properties[q]"}),
        ({"properties": {"metadata": {"type": "object", "properties": {"name": TEXT}}}}, {}),
        ({"properties": {"metadata": {"type": "object", "properties": {"labels": FREE}}}}, {"properties[metadata]": "Forbidden: must not specify anything other than name and generateName, but metadata is implicitly specified"}),
        ({"properties": {"kind": {"type": "integer"}}}, {"properties[kind].type": 'Invalid value: "integer": must be string'}),
    ],
)  # fmt: skip
def test_roots(root: Obj, wanted: dict[str, str]) -> None:
    assert told(TEXT, **root) == wanted


def test_with_a_status_the_root_may_say_little() -> None:
    schema = {"type": "object", "oneOf": [{"required": ["a"]}]}
    (cause,) = structural.check(schema, "root", status=True)
    assert cause.field == "root"
    assert cause.message.startswith(
        'Invalid value: {"oneOf":[{"required":["a"]}],"type":"object"}: only [Description Type '
    )
    assert cause.message.endswith(" fields are allowed at the root of the schema if the status subresource is enabled")


def test_schemas_are_not_endless() -> None:
    schema: Obj = {"type": "object"}
    for _ in range(60):
        schema = {"type": "object", "properties": {"a": schema}}
    (cause,) = structural.check(schema, "root")
    assert cause.message == "Invalid value: is nested more than 40 deep"
