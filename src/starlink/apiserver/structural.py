"""Whether an OpenAPI v3 schema of a CRD is structural and of known keywords. Pure.

https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
"""

from collections.abc import Iterator
from typing import Any

from starlink.apiserver.errors import Cause

MAX_DEPTH = 40
_TYPES = ("array", "boolean", "integer", "number", "object", "string")
_NUMBER = (int, float)
_KEYWORDS: dict[str, type | tuple[type, ...]] = {
    "type": str, "description": str, "title": str, "format": str, "pattern": str, "nullable": bool,
    "properties": dict, "additionalProperties": (dict, bool), "items": dict, "required": list, "enum": list,
    "minimum": _NUMBER, "maximum": _NUMBER, "exclusiveMinimum": bool, "exclusiveMaximum": bool,
    "multipleOf": _NUMBER, "minLength": int, "maxLength": int, "minItems": int, "maxItems": int,
    "minProperties": int, "maxProperties": int, "uniqueItems": bool, "default": object, "example": object,
    "externalDocs": dict, "allOf": list, "anyOf": list, "oneOf": list, "not": dict,
    "x-kubernetes-preserve-unknown-fields": bool, "x-kubernetes-embedded-resource": bool,
    "x-kubernetes-int-or-string": bool, "x-kubernetes-list-type": str, "x-kubernetes-list-map-keys": list,
    "x-kubernetes-map-type": str, "x-kubernetes-validations": list,
}  # fmt: skip
_ENUMS = {
    "type": _TYPES,
    "x-kubernetes-list-type": ("atomic", "set", "map"),
    "x-kubernetes-map-type": ("granular", "atomic"),
}


def check(schema: dict[str, Any], path: str) -> list[Cause]:
    """Why the schema at `path` is refused."""
    causes = list(_check(schema, path, 0))
    if not causes and schema.get("type") != "object":
        causes.append(_cause(f"{path}.type", f'"{schema.get("type", "")}": must be object at the root'))
    return causes


def _check(schema: Any, path: str, depth: int) -> Iterator[Cause]:
    if not isinstance(schema, dict):
        yield _cause(path, "must be a schema, which is an object")
        return
    if depth > MAX_DEPTH:
        yield _cause(path, f"is nested more than {MAX_DEPTH} deep")
        return
    wrong = list(_check_keywords(schema, path))
    yield from wrong
    if wrong:
        return
    yield from _check_shape(schema, path)
    for name, part in (schema.get("properties") or {}).items():
        yield from _check(part, f"{path}.properties[{name}]", depth + 1)
    if isinstance(schema.get("additionalProperties"), dict):
        yield from _check(schema["additionalProperties"], f"{path}.additionalProperties", depth + 1)
    if "items" in schema:
        yield from _check(schema["items"], f"{path}.items", depth + 1)


def _check_keywords(schema: dict[str, Any], path: str) -> Iterator[Cause]:
    for keyword, value in schema.items():
        here = f"{path}.{keyword}"
        kind = _KEYWORDS.get(keyword)
        if kind is None:
            yield Cause("FieldValueForbidden", "Forbidden: is not a keyword of structural schemas", here)
        elif not isinstance(value, kind) or (isinstance(value, bool) and kind is not object and not _takes_bool(kind)):
            yield _cause(here, f"{value!r}: is of the wrong type")
        elif keyword in _ENUMS and value not in _ENUMS[keyword]:
            yield Cause(
                "FieldValueNotSupported",
                f'Unsupported value: "{value}": supported values: {", ".join(_ENUMS[keyword])}',
                here,
            )
    for rule in schema.get("x-kubernetes-validations") or () if not _is_bad(schema) else ():
        if not isinstance(rule, dict) or not isinstance(rule.get("rule"), str):
            yield _cause(f"{path}.x-kubernetes-validations", "each needs a rule, in CEL")
    for name in ("required", "x-kubernetes-list-map-keys"):
        if isinstance(schema.get(name), list) and not all(isinstance(item, str) for item in schema[name]):
            yield _cause(f"{path}.{name}", "must be a list of names")


def _is_bad(schema: dict[str, Any]) -> bool:
    return not isinstance(schema.get("x-kubernetes-validations", []), list)


def _takes_bool(kind: type | tuple[type, ...]) -> bool:
    return bool in (kind if isinstance(kind, tuple) else (kind,))


def _check_shape(schema: dict[str, Any], path: str) -> Iterator[Cause]:
    free = schema.get("x-kubernetes-preserve-unknown-fields") or schema.get("x-kubernetes-int-or-string")
    if not schema.get("type") and not free:
        yield Cause(
            "FieldValueRequired", "Required value: must not be empty for specified object fields", f"{path}.type"
        )
    if schema.get("type") == "array" and "items" not in schema:
        yield Cause("FieldValueRequired", "Required value: must be specified", f"{path}.items")
    if schema.get("properties") and isinstance(schema.get("additionalProperties"), dict):
        why = "Forbidden: additionalProperties and properties are mutual exclusive"
        yield Cause("FieldValueForbidden", why, f"{path}.additionalProperties")
    if schema.get("x-kubernetes-list-type") == "map":
        known = (schema.get("items") or {}).get("properties") or {}
        keys = schema.get("x-kubernetes-list-map-keys") or []
        if not keys or any(key not in known for key in keys):
            yield _cause(f"{path}.x-kubernetes-list-map-keys", "must name properties of the items")


def _cause(field: str, why: str) -> Cause:
    return Cause("FieldValueInvalid", f"Invalid value: {why}", field)
