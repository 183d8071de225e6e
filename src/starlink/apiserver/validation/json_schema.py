"""OpenAPI v3 schemas of kinds as JSON Schemas, for jsonschema-rs. Pure."""

from collections.abc import Mapping
from typing import Any

import jsonschema_rs

from starlink.apiserver.schema import string_formats

Schema = dict[str, Any]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_NUMBERS = {"integer": ("int32", "int64"), "number": ("float", "double")}
_OF_GO = "x-protobuf"
"""Says that one of Go's types holds a value, as in built-in kinds. In custom ones the formats of numbers say nothing:
https://github.com/kubernetes/apiextensions-apiserver/blob/release-1.32/pkg/apiserver/validation/formats.go"""

_KEPT = (
    "type", "pattern", "minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
    "multipleOf", "minItems", "maxItems", "minProperties", "maxProperties", "required", "uniqueItems",
)  # fmt: skip
JUNCTORS = ("allOf", "anyOf", "oneOf")
LOOKING_IN = (*JUNCTORS, "not", "if", "enum")
"""Keywords of a translated schema that look at all that a value holds."""

INTEGERS = {"int32": range(-(2**31), 2**31), "int64": range(-(2**63), 2**63)}
RANGE = "x-range"
"""Where a translated schema keeps the name in `INTEGERS` of the bounds that it was given."""


def validator(schema: Schema) -> jsonschema_rs.Validator:
    """The compiled form of a translated schema. Raises ValueError when it can't be made.

    Patterns run on an engine that is linear in time, as the real server's are.
    """
    return jsonschema_rs.validator_for(
        {"$schema": _DIALECT, **schema},
        validate_formats=True,
        formats=string_formats.CHECKS,
        pattern_options=jsonschema_rs.RegexOptions(),
    )


def translated(openapi: Mapping[str, Any], *, root: bool = False) -> Schema:
    """The OpenAPI schema as a JSON Schema. A root has no metadata in it, for metadata has rules of its own. A part that
    lies at several places is one object in both schemas."""
    return _translated(openapi, {}, root=root)


def _translated(openapi: Mapping[str, Any], made: dict[int, Schema], *, root: bool = False) -> Schema:
    known = made.get(id(openapi))
    if known is None:
        known = made[id(openapi)] = _schema(openapi, made, root=root)
    return known


def _schema(openapi: Mapping[str, Any], made: dict[int, Schema], *, root: bool) -> Schema:
    schema = {key: openapi[key] for key in _KEPT if key in openapi}
    _bound(schema)
    if openapi.get("x-kubernetes-int-or-string"):
        schema["type"] = ["integer", "string"]
        _within(schema, "int64")
    else:
        _format(schema, openapi)
    if openapi.get("enum"):
        schema["enum"] = [option for option in openapi["enum"] if option is not None]
    if openapi.get("nullable") and "type" in schema:
        types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        schema["type"] = [*types, "null"]
    return {**schema, **_parts(openapi, made, root=root), **_junctors(openapi, made)}


def _bound(schema: Schema) -> None:
    """Exclusive bounds are booleans in OpenAPI 3.0, numbers in JSON Schema."""
    for bound in ("Minimum", "Maximum"):
        if schema.pop(f"exclusive{bound}", False) and bound.lower() in schema:
            schema[f"exclusive{bound}"] = schema.pop(bound.lower())


def _format(schema: Schema, openapi: Mapping[str, Any]) -> None:
    named, kind = openapi.get("format"), schema.get("type", "string")
    of_text = kind == "string" and (named == "date-time" or named in string_formats.CHECKS)
    of_go = _OF_GO in openapi and isinstance(kind, str) and named in _NUMBERS.get(kind, ())
    if of_text or of_go:
        schema["format"] = named
    if kind == "integer":
        _within(schema, schema.get("format", "int64"))


def _within(schema: Schema, name: str) -> None:
    """An integer is one that its type holds, whatever further bounds it has; without a format that has 64 bits.

    https://github.com/kubernetes/kube-openapi/blob/master/pkg/validation/validate/values.go, IsValueValidAgainstRange
    """
    bounds = INTEGERS[name]
    schema["minimum"] = max(schema.get("minimum", bounds[0]), bounds[0])
    schema["maximum"] = min(schema.get("maximum", bounds[-1]), bounds[-1])
    schema[RANGE] = name


def _parts(openapi: Mapping[str, Any], made: dict[int, Schema], *, root: bool) -> Schema:
    parts: Schema = {}
    if "properties" in openapi:
        parts["properties"] = {
            name: _translated(part, made)
            for name, part in openapi["properties"].items()
            if not (root and name == "metadata")
        }
    if isinstance(openapi.get("additionalProperties"), dict):
        parts["additionalProperties"] = _translated(openapi["additionalProperties"], made)
    if "items" in openapi:
        parts["items"] = _translated(openapi["items"], made)
    return parts


def _junctors(openapi: Mapping[str, Any], made: dict[int, Schema]) -> Schema:
    """What allOf, anyOf, oneOf and not ask for; of a null, which is nullable, they ask nothing."""
    found: Schema = {key: [_translated(part, made) for part in openapi[key]] for key in JUNCTORS if openapi.get(key)}
    if openapi.get("not"):
        found["not"] = _translated(openapi["not"], made)
    return {"if": {"type": "null"}, "else": found} if found and openapi.get("nullable") else found
