"""Objects against a schema, in the words of the real API server."""

from typing import Any

import pytest

from starlink.api.errors import Cause
from starlink.apiserver.validation.compiled import StructuralSchema

Obj = dict[str, Any]
NUMBER: Obj = {"type": "integer"}
INT32: Obj = {**NUMBER, "format": "int32", "x-protobuf": 1}
ANY: Obj = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def of(**properties: Obj) -> Obj:
    return {"type": "object", "properties": properties}


def causes(schema: Obj, value: Any, old: Any = None) -> tuple[Cause, ...]:
    """What is wrong with `value` where a schema is that of the field `f`."""
    before = {"f": old} if old is not None else None
    return StructuralSchema(of(f=schema)).validate({"f": value}, before)


def told(schema: Obj, value: Any) -> list[tuple[str, str]]:
    return [(cause.field, cause.message) for cause in causes(schema, value)]


WRONG: dict[str, tuple[Obj, Any, list[tuple[str, str]]]] = {
    "fraction": (NUMBER, 1.5, [("f", 'Invalid value: "number": f in body must be of type integer: "number"')]),
    "fraction of a format": ({**INT32}, 1.5, [("f", 'Invalid value: "double": f in body must be of type int32: "double"')]),
    "too large for its format, which has a least value too": ({**INT32, "minimum": 0}, 2**31, [("<nil>", 'Invalid value: "": Checked value must be of type integer with format int32 in f')]),
    "too large for its format and for the schema": ({**INT32, "maximum": 9}, 2**31, [("<nil>", 'Invalid value: "": Checked value must be of type integer with format int32 in f'), ("f", "Invalid value: 2147483648: f in body should be less than or equal to 9")]),
    "no integer, for Go reads it as a float": ({**INT32}, 1e30, [("f", 'Invalid value: "double": f in body must be of type int32: "double"')]),
    "no integer of 64 bits": (NUMBER, 2**63, [("f", 'Invalid value: "number": f in body must be of type integer: "number"')]),
    "neither integer nor string": ({"x-kubernetes-int-or-string": True}, 1e99, [("f", 'Invalid value: "number": f in body must be of type integer,string: "number"')]),
    "too large for its format": ({**INT32}, 2**31, [("<nil>", 'Invalid value: "": Checked value must be of type integer with format int32 in f')]),
    "bound of a number": ({"type": "number", "minimum": 2.0}, 0.5, [("f", "Invalid value: 0.5: f in body should be greater than or equal to 2")]),
    "null": (NUMBER, None, [("f", 'Invalid value: "null": f in body must be of type integer: "null"')]),
    "enum of numbers": ({**NUMBER, "enum": [1, 2]}, 3, [("f", 'Unsupported value: 3: supported values: "1", "2"')]),
    "enum and null": ({"type": "string", "nullable": True, "enum": ["a"]}, None, [("f", 'Unsupported value: "null": supported values: "a"')]),
    "few properties": ({**ANY, "minProperties": 2}, {"a": 1}, [("f", "Invalid value: 1: f in body should have at least 2 properties")]),
    "anyOf": (
        {**of(a=NUMBER, b=NUMBER), "anyOf": [{"required": ["a"], "properties": {"b": {"minimum": 3}}}, {"required": ["a"]}]}, {"b": 1},
        [("<nil>", 'Invalid value: "": "f" must validate at least one schema (anyOf)'), ("f.a", "Required value")],
    ),
    "allOf": (
        {**of(a=NUMBER), "allOf": [{"required": ["a"]}, {"maxProperties": 3}]}, {},
        [("f.a", "Required value"), ("<nil>", 'Invalid value: "": "f" must validate all the schemas (allOf)')],
    ),
    "allOf in vain": (
        {"type": "array", "items": {**of(a=NUMBER), "allOf": [{"required": ["a"]}]}}, [{"a": 1}, {}],
        [("f[1].a", "Required value"), ("<nil>", 'Invalid value: "": "f[1]" must validate all the schemas (allOf). None validated')],
    ),
    "integer or string": (
        {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]}, True,
        [("f", 'Invalid value: "boolean": f in body must be of type integer,string: "boolean"'),
         ("<nil>", 'Invalid value: "": "f" must validate at least one schema (anyOf)'),
         ("f", 'Invalid value: "boolean": f in body must be of type integer: "boolean"')],
    ),
    "twins by name": (
        {"type": "object", "additionalProperties": {"type": "array", "items": NUMBER, "x-kubernetes-list-type": "set"}}, {"k": [1, 1, 1]},
        [("f[k][1]", "Duplicate value: 1")],
    ),
    "twins by two keys": (
        {"type": "array", "items": of(a=NUMBER, b=NUMBER), "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["b", "a"]},
        [{"a": 1}, {"a": 1, "b": 2}, {"a": 1}], [("f[2]", 'Duplicate value: {"a":1}')],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("schema", "value", "wanted"), WRONG.values(), ids=WRONG)
def test_what_is_wrong(schema: Obj, value: Any, wanted: list[tuple[str, str]]) -> None:
    assert sorted(told(schema, value)) == sorted(wanted)


def test_junctors_ask_nothing_of_a_null() -> None:
    assert (
        told({**of(a=NUMBER), "nullable": True, "not": {"required": ["a"]}, "allOf": [{"minProperties": 1}]}, None)
        == []
    )


def test_properties_named_as_keywords_are_no_junctors() -> None:
    schema = of(allOf=of(items={"type": "array", "items": NUMBER}))
    assert told(schema, {"allOf": {"items": ["x"]}}) == [
        ("f.allOf.items[0]", 'Invalid value: "string": f.allOf.items[0] in body must be of type integer: "string"')
    ]


RULED: Obj = {**of(a={**NUMBER, "maximum": 5}), "required": ["a"], "x-kubernetes-validations": [{"rule": "self.a < 3"}]}


def test_rules_wait_for_what_blocks_them() -> None:
    (missing, unchecked) = causes(RULED, {})
    assert missing == Cause("FieldValueRequired", "Required value", "f.a")
    assert (unchecked.reason, unchecked.field) == ("FieldValueInvalid", "<nil>")
    assert unchecked.message.startswith('Invalid value: "null": some validation rules were not checked because ')
    assert [message for _, message in told(RULED, {"a": 9})] == [
        "Invalid value: 9: f.a in body should be less than or equal to 5",
        "Invalid value: failed rule: self.a < 3",
    ]


EMBEDDED: Obj = {**ANY, "x-kubernetes-embedded-resource": True}


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a/b", "labels": {"a": "b"}}}, {"metadata.name"}),
        ({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {}}, set()),
        ({"apiVersion": "a/b/c", "kind": "not so"}, {"apiVersion", "kind"}),
        ({"apiVersion": "", "kind": 5, "metadata": {"labels": {"a": "-"}}}, {"apiVersion", "kind", "metadata.labels"}),
        ({"apiVersion": "v1", "kind": "Pod", "metadata": []}, {"metadata"}),
    ],
)
def test_embedded_resources(value: Obj, wanted: set[str]) -> None:
    found = {cause.field for cause in causes({"type": "array", "items": EMBEDDED}, [value])}
    assert found == {f"f[0].{field}" for field in wanted}


FORMATS = {
    "byte": (["YQ==", "", "YWJj"], ["YQ", "a b", "ä"]),
    "date": (["2024-02-29"], ["2023-02-29", "20240101", "2024-1-1"]),
    "date-time": (["2024-01-01T00:00:00Z", "2024-01-01T00:00:00.5+02:00"], ["2024-01-01", "soon"]),
    "datetime": (["2024-01-01T00:00:00Z"], ["2024-01-01T25:00:00Z"]),
    "duration": (["22 ns", "1h30m", "-5s", "2 days", "0"], ["", "5", "soon"]),
    "uri": (["https://example.com/a", "/path"], ["no uri", ""]),
    "email": (["a@example.com", "Somebody <a@example.com>"], ["a", "a@"]),
    "hostname": (["example", "a-b.example.com"], ["-a", "a_b.com", "a." + "b" * 64]),
    "ipv4": (["10.0.0.1"], ["10.0.0", "10.0.0.256", "::1"]),
    "ipv6": (["::1"], ["10.0.0.1", "fe80::1%eth0"]),
    "cidr": (["10.0.0.0/8", "::/0"], ["10.0.0.0", "10.0.0.0/33"]),
    "mac": (["00:00:5e:00:53:01", "0000.5e00.5301"], ["00:00:5e:00:53"]),
    "uuid": (["123e4567-e89b-12d3-a456-426614174000", "123E4567e89b12d3a456426614174000"], ["123"]),
    "uuid4": (["123e4567-e89b-42d3-a456-426614174000"], ["123e4567-e89b-12d3-a456-426614174000"]),
    "hexcolor": (["#fff", "00ff00"], ["#ffff"]),
    "password": (["anything"], []),
    "unheard-of": (["anything"], []),
}


@pytest.mark.parametrize("name", FORMATS)
def test_formats(name: str) -> None:
    schema = {"type": "string", "format": name}
    right, wrong = FORMATS[name]
    assert [text for text in right if told(schema, text)] == []
    for text in wrong:
        said = f'Invalid value: "{text}": f in body must be of type {name}: "{text}"'
        assert causes(schema, text) == (Cause("FieldValueTypeInvalid", said, "f"),)


def test_patterns_take_no_time() -> None:
    assert told({"type": "string", "pattern": "^(a+)+$"}, "a" * 5000 + "b") != []
