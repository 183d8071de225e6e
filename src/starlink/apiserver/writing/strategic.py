"""Strategic merge patches of built-in kinds. Pure.

A merge patch that knows from the schema which lists are merged, and by which key:
https://github.com/kubernetes/community/blob/master/contributors/devel/sig-api-machinery/strategic-merge-patch.md
"""

from collections.abc import Mapping
from typing import Any

from starlink.apiserver import errors

_DIRECTIVE = "$patch"
_RETAIN = "$retainKeys"
_DELETE = "$deleteFromPrimitiveList/"
_ORDER = "$setElementOrder/"

Schema = Mapping[str, Any]


def merge(target: Any, patch: Any, schema: Schema) -> Any:
    """The patched value; `schema` is the OpenAPI schema of this place. Raises StatusError 400."""
    if not isinstance(patch, dict):
        return patch
    if patch.get(_DIRECTIVE) == "replace":
        return {key: value for key, value in patch.items() if key != _DIRECTIVE}
    if patch.get(_DIRECTIVE) == "delete":
        return {}
    merged = dict(target) if isinstance(target, dict) else {}
    retained = patch.get(_RETAIN)
    if isinstance(retained, list):
        merged = {key: value for key, value in merged.items() if key in retained}
    for key, value in patch.items():
        if key.startswith(_DELETE):
            _drop(merged, key.removeprefix(_DELETE), value)
        elif key in (_DIRECTIVE, _RETAIN) or key.startswith(_ORDER):
            continue
        elif value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merged(merged.get(key), value, _below(schema, key))
    for key, order in patch.items():
        if key.startswith(_ORDER):
            _sort(merged, key.removeprefix(_ORDER), order, schema)
    return merged


def _below(schema: Schema, key: str) -> Schema:
    found = (schema.get("properties") or {}).get(key)
    if found is None and isinstance(schema.get("additionalProperties"), dict):
        found = schema["additionalProperties"]
    return found or {}


def _merged(old: Any, new: Any, schema: Schema) -> Any:
    if isinstance(new, list) and schema.get("x-kubernetes-patch-strategy") == "merge":
        key = schema.get("x-kubernetes-patch-merge-key")
        before = old if isinstance(old, list) else []
        return _by_key(before, new, key, schema.get("items") or {}) if key else _union(before, new)
    return merge(old, new, schema)


def _union(old: list[Any], new: list[Any]) -> list[Any]:
    return [*old, *(item for item in new if item not in old)]


def _by_key(old: list[Any], new: list[Any], key: str, schema: Schema) -> list[Any]:
    """Entries with the same value of `key` are merged, others are added."""
    if any(isinstance(item, dict) and item == {_DIRECTIVE: "replace"} for item in new):
        return [item for item in new if item != {_DIRECTIVE: "replace"}]
    merged = list(old)
    for item in new:
        if not isinstance(item, dict) or key not in item:
            raise errors.bad_request(f"map: {item!r} does not contain declared merge key: {key}")
        at = next((i for i, have in enumerate(merged) if isinstance(have, dict) and have.get(key) == item[key]), None)
        if item.get(_DIRECTIVE) == "delete":
            if at is not None:
                del merged[at]
        elif at is None:
            merged.append(merge({}, item, schema))
        else:
            merged[at] = merge(merged[at], item, schema)
    return merged


def _drop(merged: dict[str, Any], field: str, gone: Any) -> None:
    if isinstance(merged.get(field), list) and isinstance(gone, list):
        merged[field] = [item for item in merged[field] if item not in gone]


def _sort(merged: dict[str, Any], field: str, order: Any, schema: Schema) -> None:
    """Puts what `order` names into that order; what it does not name keeps its place at the end."""
    items = merged.get(field)
    if not isinstance(items, list) or not isinstance(order, list):
        return
    key = _below(schema, field).get("x-kubernetes-patch-merge-key")

    def identity(item: Any) -> Any:
        return item.get(key) if key and isinstance(item, dict) else item

    wanted = [identity(item) for item in order]
    merged[field] = sorted(
        items, key=lambda item: wanted.index(identity(item)) if identity(item) in wanted else len(wanted)
    )
