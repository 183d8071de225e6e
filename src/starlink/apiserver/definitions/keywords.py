"""The keywords that a CRD's schema may have, and the types of their values. Pure.

https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from starlink.api.errors import Cause
from starlink.apiserver.schema import causes

Schema = dict[str, Any]

MAX_DEPTH = 40
TYPES = ("array", "boolean", "integer", "number", "object", "string")
JUNCTORS = ("allOf", "anyOf", "oneOf")
_NUMBER = (int, float)
_KEYWORDS: dict[str, type | tuple[type, ...]] = {
    "type": str, "description": str, "title": str, "format": str, "pattern": str, "nullable": bool,
    "properties": dict, "additionalProperties": (dict, bool), "items": dict, "required": list, "enum": list,
    "minimum": _NUMBER, "maximum": _NUMBER, "exclusiveMinimum": bool, "exclusiveMaximum": bool,
    "multipleOf": _NUMBER, "minLength": int, "maxLength": int, "minItems": int, "maxItems": int,
    "minProperties": int, "maxProperties": int, "uniqueItems": bool, "default": object, "example": object,
    "externalDocs": dict, "allOf": list, "anyOf": list, "oneOf": list, "not": dict, "$schema": str,
    "x-kubernetes-preserve-unknown-fields": bool, "x-kubernetes-embedded-resource": bool,
    "x-kubernetes-int-or-string": bool, "x-kubernetes-list-type": str, "x-kubernetes-list-map-keys": list,
    "x-kubernetes-map-type": str, "x-kubernetes-validations": list,
}  # fmt: skip
_UNSUPPORTED = ("id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref")
_NAMES = ("required", "x-kubernetes-list-map-keys")


def check(schema: Any, path: str, depth: int = 0) -> Iterator[Cause]:
    """Why a schema, or one below it, has keywords that none may have, or values of wrong types."""
    if not isinstance(schema, dict):
        yield causes.invalid(path, schema, "must be a schema, which is an object")
    elif depth > MAX_DEPTH:
        yield Cause("FieldValueInvalid", f"Invalid value: is nested more than {MAX_DEPTH} deep", path, has_value=False)
    else:
        wrong = list(_check_keywords(schema, path))
        yield from wrong
        if not wrong:
            for here, part in parts(schema, path):
                yield from check(part, here, depth + 1)


def parts(schema: Schema, path: str) -> Iterator[tuple[str, Any]]:
    """The schemas right below one, with their paths."""
    for name, part in (schema.get("properties") or {}).items():
        yield f"{path}.properties[{name}]", part
    if isinstance(schema.get("additionalProperties"), dict):
        yield f"{path}.additionalProperties", schema["additionalProperties"]
    if "items" in schema:
        yield f"{path}.items", schema["items"]
    yield from nested(schema, path)


def nested(schema: Schema, path: str) -> Iterator[tuple[str, Any]]:
    """The schemas of allOf, anyOf, oneOf and not, with their paths."""
    for junctor in JUNCTORS:
        for index, part in enumerate(schema.get(junctor) or ()):
            yield f"{path}.{junctor}[{index}]", part
    if "not" in schema:
        yield f"{path}.not", schema["not"]


def pruned(schema: Any, path: str, unknown: list[str]) -> Any:
    """A schema of any shape without keywords that none has, whose paths are added to `unknown`."""
    if not isinstance(schema, dict):
        return schema
    kept: Schema = {}
    for keyword, value in schema.items():
        here = f"{path}.{keyword}"
        if keyword not in _KEYWORDS and keyword not in _UNSUPPORTED:
            unknown.append(here)
        elif keyword == "properties" and isinstance(value, dict):
            kept[keyword] = {name: pruned(part, f"{here}.{name}", unknown) for name, part in value.items()}
        elif keyword in JUNCTORS and isinstance(value, list):
            kept[keyword] = [pruned(part, f"{here}[{index}]", unknown) for index, part in enumerate(value)]
        else:
            is_schema = keyword in ("items", "additionalProperties", "not")
            kept[keyword] = pruned(value, here, unknown) if is_schema else value
    return kept


_FOR_PEOPLE = ("description", "title", "example", "externalDocs")


def bare(schema: Mapping[str, Any]) -> Schema:
    """A structural schema without what only people read, which is most of it. Equal schemas in it are one: that of a
    container comes again and again."""
    return _bare(schema, {})


def _bare(schema: Mapping[str, Any], known: dict[bytes, Schema]) -> Schema:
    kept = {word: _bare_part(word, value, known) for word, value in schema.items() if word not in _FOR_PEOPLE}
    return known.setdefault(msgspec.json.encode(kept), kept)


def _bare_part(word: str, value: Any, known: dict[bytes, Schema]) -> Any:
    if word == "properties":
        return {name: _bare(part, known) for name, part in value.items()}
    if word in JUNCTORS:
        return [_bare(part, known) for part in value]
    is_schema = word in ("items", "additionalProperties", "not") and isinstance(value, dict)
    return _bare(value, known) if is_schema else value


def _check_keywords(schema: Schema, path: str) -> Iterator[Cause]:
    for keyword, value in schema.items():
        here = f"{path}.{keyword}"
        kind = _KEYWORDS.get(keyword)
        if keyword in _UNSUPPORTED:
            yield causes.forbidden(here, f"{keyword} is not supported")
        elif keyword == "items" and isinstance(value, list):
            yield causes.forbidden(here, "items must be a schema object and not an array")
        elif kind is None:
            yield causes.forbidden(here, "is not a keyword of structural schemas")
        elif not _fits(value, kind):
            yield causes.invalid(here, value, "is of the wrong type")
        elif keyword in _NAMES and not all(isinstance(item, str) for item in value):
            yield causes.invalid(here, value, "must be a list of names")
        elif keyword == "x-kubernetes-validations":
            yield from _check_rules(value, here)


def _fits(value: Any, kind: type | tuple[type, ...]) -> bool:
    """A bool is no number."""
    kinds = kind if isinstance(kind, tuple) else (kind,)
    return isinstance(value, kind) and (not isinstance(value, bool) or bool in kinds or object in kinds)


def _check_rules(rules: list[Any], path: str) -> Iterator[Cause]:
    for index, rule in enumerate(rules):
        if not isinstance(rule, dict) or not isinstance(rule.get("rule", ""), str):
            yield causes.invalid(f"{path}[{index}]", rule, "must be an object with a rule, in CEL")
            continue
        for name in ("message", "messageExpression", "reason", "fieldPath"):
            if not isinstance(rule.get(name), str | None):
                yield causes.invalid(f"{path}[{index}].{name}", rule[name], "must be a string")
        if not isinstance(rule.get("optionalOldSelf"), bool | None):
            yield causes.invalid(f"{path}[{index}].optionalOldSelf", rule["optionalOldSelf"], "must be a boolean")
