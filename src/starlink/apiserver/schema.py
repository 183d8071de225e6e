"""The compiled structural schema of one kind: `resource.Schema` over jsonschema-rs and CEL."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import jsonschema_rs

from starlink.apiserver import cel, structure
from starlink.apiserver.errors import Cause
from starlink.apiserver.structure import Node

_INT = {"int32": (-(2**31), 2**31 - 1), "int64": (-(2**63), 2**63 - 1)}
_KEPT = (
    "type", "enum", "pattern", "minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
    "multipleOf", "minItems", "maxItems", "minProperties", "maxProperties", "required", "uniqueItems",
)  # fmt: skip
_JSON_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}


class StructuralSchema:
    """One kind's schema, each of its parts made when it is first needed."""

    def __init__(self, openapi: Mapping[str, Any]) -> None:
        self._openapi = openapi

    @cached_property
    def node(self) -> Node:
        return structure.build(self._openapi, root=True)

    @cached_property
    def _rules(self) -> cel.Rules | None:
        return cel.compile_rules(self.node)

    @cached_property
    def _validator(self) -> jsonschema_rs.Validator:
        draft = {"$schema": "https://json-schema.org/draft/2020-12/schema", **_json_schema(self._openapi, root=True)}
        return jsonschema_rs.validator_for(draft, validate_formats=True)

    def compile(self) -> None:
        """Makes all parts now. Raises `cel.BadRule` or ValueError when one can't be made."""
        _ = self._validator, self._rules

    @property
    def openapi(self) -> Mapping[str, Any]:
        return self._openapi

    def conform(self, obj: dict[str, Any], *, defaults: bool) -> tuple[dict[str, Any], list[str]]:
        unknown: list[str] = []
        shaped = structure.conform(self.node, obj, defaults=defaults, unknown=unknown)
        assert isinstance(shaped, dict)
        return shaped, sorted(structure.unknown_paths(self.node, obj)) if unknown else unknown

    def validate(self, obj: dict[str, Any], old: dict[str, Any] | None) -> tuple[Cause, ...]:
        causes = [_cause(error) for error in self._validator.iter_errors(obj)]
        if self.node.keyed:
            causes += _duplicates(self.node, obj, "")
        if causes:  # rules are written for objects that fit the schema
            return tuple(causes)
        return tuple(cel.check(self._rules, obj, old))


_compiled: dict[str, StructuralSchema] = {}
_MOST_COMPILED = 256


def compiled(openapi: Mapping[str, Any]) -> StructuralSchema:
    """The schema, compiled once however often a CRD with it is looked at. Raises as StructuralSchema.compile."""
    key = hashlib.sha256(json.dumps(openapi, sort_keys=True).encode()).hexdigest()
    if key not in _compiled:
        while len(_compiled) >= _MOST_COMPILED:
            del _compiled[next(iter(_compiled))]
        schema = StructuralSchema(openapi)
        schema.compile()
        _compiled[key] = schema
    return _compiled[key]


def _json_schema(openapi: Mapping[str, Any], *, root: bool = False) -> dict[str, Any]:
    """The same as a JSON Schema."""
    schema = {key: openapi[key] for key in _KEPT if key in openapi}
    for bound in ("Minimum", "Maximum"):  # booleans in OpenAPI 3.0, numbers in JSON Schema
        if schema.get(f"exclusive{bound}") is True:
            schema[f"exclusive{bound}"] = schema.pop(bound.lower())
        elif f"exclusive{bound}" in schema:
            del schema[f"exclusive{bound}"]
    if openapi.get("x-kubernetes-int-or-string"):
        schema["type"] = ["integer", "string"]
    if openapi.get("format") in _INT:
        least, most = _INT[openapi["format"]]
        schema.setdefault("minimum", least)
        schema.setdefault("maximum", most)
    if openapi.get("format") == "date-time":
        schema["format"] = "date-time"
    if openapi.get("nullable") and "type" in schema:
        types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        schema["type"] = [*types, "null"]
        if "enum" in schema:
            schema["enum"] = [*schema["enum"], None]
    if "properties" in openapi:
        schema["properties"] = {
            name: _json_schema(part)
            for name, part in openapi["properties"].items()
            if not (root and name == "metadata")
        }
    if isinstance(openapi.get("additionalProperties"), dict):
        schema["additionalProperties"] = _json_schema(openapi["additionalProperties"])
    if "items" in openapi:
        schema["items"] = _json_schema(openapi["items"])
    return schema


def _cause(error: jsonschema_rs.ValidationError) -> Cause:
    """The real server's words for what jsonschema-rs found."""
    path = _path(error.instance_path)
    keyword = str(error.schema_path[-1])
    kind: Any = error.kind
    limit = getattr(kind, "limit", None)
    instance: Any = error.instance
    value = _shown(instance)
    match keyword:
        case "required":
            missing = kind.property
            return Cause("FieldValueRequired", "Required value", f"{path}.{missing}" if path else missing)
        case "enum":
            options = ", ".join(_shown(option) for option in kind.options if option is not None)
            return Cause("FieldValueNotSupported", f"Unsupported value: {value}: supported values: {options}", path)
        case "type":
            got = _JSON_TYPES.get(type(instance), "null")
            wanted = " or ".join(kind for kind in kind.types if kind != "null")
            said = f'Invalid value: "{got}": {path} in body must be of type {wanted}: "{got}"'
            return Cause("FieldValueTypeInvalid", said, path)
        case "pattern":
            why = f"should match '{kind.pattern}'"
        case "minimum":
            why = f"should be greater than or equal to {limit}"
        case "maximum":
            why = f"should be less than or equal to {limit}"
        case "exclusiveMinimum":
            why = f"should be greater than {limit}"
        case "exclusiveMaximum":
            why = f"should be less than {limit}"
        case "minLength":
            why = f"should be at least {limit} chars long"
        case "maxLength":
            said = f"Too long: may not be more than {limit} bytes"
            return Cause("FieldValueTooLong", said, path)
        case "minItems":
            why = f"should have at least {limit} items"
        case "maxItems":
            return Cause("FieldValueTooMany", f"Too many: {len(instance)}: must have at most {limit} items", path)
        case "minProperties":
            why = f"should have at least {limit} properties"
        case "maxProperties":
            return Cause("FieldValueTooMany", f"Too many: must have at most {limit} properties", path)
        case "format":
            why = f"must be of type {kind.format}: {value}"
        case _:
            why = f"is not right: {error.message}"
    return Cause("FieldValueInvalid", f"Invalid value: {value}: {path} in body {why}", path)


def _path(parts: Sequence[str | int]) -> str:
    path = ""
    for part in parts:
        if isinstance(part, int):
            path += f"[{part}]"
        else:
            path += f".{part}" if path else part
    return path


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 200 else f"{text[:200]}…"


def _duplicates(node: Node, value: Any, path: str) -> Iterator[Cause]:
    """Entries of list maps with the same keys, and of sets with the same value."""
    if isinstance(value, dict):
        for name, part in value.items():
            below = structure.child(node, name)
            if below is not None and below.keyed and isinstance(part, dict | list):
                yield from _duplicates(below, part, f"{path}.{name}" if path else name)
    elif isinstance(value, list) and node.items is not None:
        seen = set()
        for index, part in enumerate(value):
            here = f"{path}[{index}]"
            identity = _identity(node, part)
            if identity in seen:
                yield Cause("FieldValueDuplicate", f"Duplicate value: {identity}", here)
            elif identity is not None:
                seen.add(identity)
            yield from _duplicates(node.items, part, here)


def _identity(node: Node, item: Any) -> str | None:
    """What an entry may be there once for; None for atomic lists."""
    if node.list_type == "set":
        return _shown(item)
    if node.list_type == "map" and isinstance(item, dict):
        return _shown({key: item.get(key) for key in node.keys})
    return None
