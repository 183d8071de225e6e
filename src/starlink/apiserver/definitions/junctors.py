"""The value validations below allOf, anyOf, oneOf and not, which may not add to the structure of a schema. Pure.

https://github.com/kubernetes/apiextensions-apiserver/blob/master/pkg/apiserver/schema/validation.go and complete.go
"""

from collections.abc import Iterator
from typing import Any

from starlink.api.errors import Cause
from starlink.apiserver.definitions.keywords import Schema, nested
from starlink.apiserver.schema import causes

_EITHER = [{"type": "integer"}, {"type": "string"}]
_EMPTY, _UNDEFINED, _FALSE = "must be empty", "must be undefined", "must be false"
_FORBIDDEN = {
    "type": _EMPTY, "title": _EMPTY, "description": _EMPTY, "nullable": _FALSE, "default": _UNDEFINED,
    "additionalProperties": _UNDEFINED, "x-kubernetes-preserve-unknown-fields": _FALSE,
    "x-kubernetes-embedded-resource": _FALSE, "x-kubernetes-int-or-string": _FALSE,
    "x-kubernetes-list-map-keys": _EMPTY, "x-kubernetes-list-type": _UNDEFINED, "x-kubernetes-map-type": _UNDEFINED,
    "x-kubernetes-validations": _EMPTY,
}  # fmt: skip


def check(schema: Schema, path: str) -> Iterator[Cause]:
    """Why the junctors of a schema are refused. Integer or string may be asked for by anyOf, or first in allOf."""
    if schema.get("anyOf") == _EITHER:
        schema = {**schema, "anyOf": []}
    first: Schema = next(iter(schema.get("allOf") or ()), {})
    either = first.get("anyOf") == _EITHER
    for here, part in nested(schema, path):
        known = {**part, "anyOf": []} if either and part is first else part
        yield from _check_nested(known, here)


def _check_nested(schema: Schema, path: str) -> Iterator[Cause]:
    for here, part in nested(schema, path):
        yield from _check_nested(part, here)
    if "items" in schema:
        yield from _check_nested(schema["items"], f"{path}.items")
    for name, part in (schema.get("properties") or {}).items():
        yield from _check_nested(part, f"{path}.properties[{name}]")
        if name == "metadata":
            yield causes.forbidden(f"{path}.properties[{name}]", "must not be specified in a nested context")
    for keyword, rule in _FORBIDDEN.items():
        if _is_given(schema, keyword, rule):
            yield causes.forbidden(f"{path}.{keyword}", f"{rule} to be structural")


def _is_given(schema: Schema, keyword: str, rule: str) -> bool:
    return schema.get(keyword) is not None if rule == _UNDEFINED else bool(schema.get(keyword))


def check_complete(schema: Schema, path: str) -> Iterator[Cause]:
    """Why the junctors at the root of a schema speak of fields that the schema itself does not have."""
    yield from _check_junctors(schema, schema, path, path)


def _check_junctors(validation: Schema, schema: Any, path: str, validation_path: str) -> Iterator[Cause]:
    for here, part in nested(validation, validation_path):
        yield from _check_counterpart(part, schema, path, here)


def _check_counterpart(validation: Schema, schema: Any, path: str, validation_path: str) -> Iterator[Cause]:
    if schema is None:
        yield causes.required(path, f"because it is defined in {validation_path}")
        return
    yield from _check_junctors(validation, schema, path, validation_path)
    if "items" in validation:
        below = schema.get("items")
        yield from _check_counterpart(validation["items"], below, f"{path}.items", f"{validation_path}.items")
    for name, part in (validation.get("properties") or {}).items():
        below, tail = (schema.get("properties") or {}).get(name), f".properties[{name}]"
        yield from _check_counterpart(part, below, path + tail, validation_path + tail)
