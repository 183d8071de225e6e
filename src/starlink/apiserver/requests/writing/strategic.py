"""Strategic merge patches of built-in kinds. Pure.

A merge patch that knows from the schema which lists are merged, and by which key:
https://github.com/kubernetes/community/blob/master/contributors/devel/sig-api-machinery/strategic-merge-patch.md
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from starlink.api import errors

_DIRECTIVE = "$patch"
_RETAIN = "$retainKeys"
_DELETE = "$deleteFromPrimitiveList/"
_ORDER = "$setElementOrder/"

Schema = Mapping[str, Any]


def merge(target: Any, patch: Any, schema: Schema) -> Any:
    """The patched value; `schema` is the OpenAPI schema of this place. Raises StatusError 400."""
    if not isinstance(patch, dict):
        return patch
    if _DIRECTIVE in patch:
        return _directed(patch)
    merged = dict(target) if isinstance(target, dict) else {}
    if _RETAIN in patch:
        names = _retained(patch)
        merged = {key: value for key, value in merged.items() if key in names}
    for key, value in patch.items():
        if key.startswith(_DELETE):
            _drop(merged, key.removeprefix(_DELETE), value)
        elif key == _RETAIN or key.startswith(_ORDER):
            continue
        elif value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merged(merged.get(key), value, _below(schema, key))
    for key, order in patch.items():
        if key.startswith(_ORDER):
            _sort(merged, key.removeprefix(_ORDER), order, patch, schema)
    return merged


def _directed(patch: dict[str, Any]) -> dict[str, Any]:
    """What takes the place of a map by a directive. Raises StatusError 400."""
    if patch[_DIRECTIVE] == "replace":
        return {key: value for key, value in patch.items() if key != _DIRECTIVE}
    if patch[_DIRECTIVE] == "delete":
        return {}
    raise _unknown(patch[_DIRECTIVE])


def _unknown(directive: Any) -> errors.StatusError:
    return errors.bad_request(f"unknown patch type: {_shown(directive)} in map; known are replace and delete")


def _retained(patch: dict[str, Any]) -> frozenset[str]:
    """The fields that are kept, which are also all that the patch may set. Raises StatusError 400."""
    names = patch[_RETAIN]
    if isinstance(names, list) and all(isinstance(name, str) for name in names):
        kept = frozenset(names)
        if all(key in kept for key in patch if key != _RETAIN):
            return kept
    raise errors.bad_request(f"invalid patch format of retainKeys: {_RETAIN} lists all fields that the patch sets")


def _below(schema: Schema, key: str) -> Schema:
    found = (schema.get("properties") or {}).get(key)
    if found is None and isinstance(schema.get("additionalProperties"), dict):
        found = schema["additionalProperties"]
    return found or {}


def _merged(old: Any, new: Any, schema: Schema) -> Any:
    if isinstance(new, list) and schema.get("x-kubernetes-patch-strategy") == "merge":
        key = schema.get("x-kubernetes-patch-merge-key")
        before = old if isinstance(old, list) else []
        if not key:
            return _union(before, new) if before else new
        return _by_key(before, new, key, schema.get("items") or {})
    return merge(old, new, schema)


def _identity(value: Any) -> bytes:
    """The same for equal values and for no others, so that lists are searched by what their entries are."""
    return msgspec.json.encode(value, order="deterministic")


def _union(old: list[Any], new: list[Any]) -> list[Any]:
    """Each value once, as it first came."""
    found: dict[bytes, Any] = {}
    for item in (*old, *new):
        found.setdefault(_identity(item), item)
    return list(found.values())


def _by_key(old: list[Any], new: list[Any], key: str, schema: Schema) -> list[Any]:
    """Entries with the same value of `key` are merged, others are added."""
    if any(_directive(item) == "replace" for item in new):
        return [item for item in new if _directive(item) != "replace"]
    merged = list(old)
    places: dict[bytes, list[int]] = {}
    for place, item in enumerate(old):
        if isinstance(item, dict) and key in item:
            places.setdefault(_identity(item[key]), []).append(place)
    for item in new:
        if not isinstance(item, dict) or key not in item:
            raise errors.bad_request(f"map: {_shown(item)} does not contain declared merge key: {key}")
        identity = _identity(item[key])
        if _directive(item) == "delete":
            for place in places.pop(identity, ()):
                merged[place] = _GONE
        elif identity in places:
            place = places[identity][0]
            merged[place] = merge(merged[place], item, schema)
        else:
            places[identity] = [len(merged)]
            merged.append(merge({}, item, schema))
    return [item for item in merged if item is not _GONE]


def _directive(item: Any) -> Any:
    return item.get(_DIRECTIVE) if isinstance(item, dict) else None


_GONE = object()
"""Stands in a list where an entry was deleted, so that those behind it keep their places."""

_LONGEST_SHOWN = 200


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


def _drop(merged: dict[str, Any], field: str, gone: Any) -> None:
    if isinstance(merged.get(field), list) and isinstance(gone, list):
        left_out = set(map(_identity, gone))
        merged[field] = [item for item in merged[field] if _identity(item) not in left_out]


def _sort(merged: dict[str, Any], field: str, order: Any, patch: dict[str, Any], schema: Schema) -> None:
    """Puts what `order` names into that order; what it does not name keeps its place at the end. Raises StatusError 400
    for an order that lacks what the patch brings."""
    if not isinstance(order, list):
        raise errors.bad_request(f"{_ORDER}{field} must be a list")
    items, brought = merged.get(field), patch.get(field)
    if not isinstance(items, list):
        return
    key = _below(schema, field).get("x-kubernetes-patch-merge-key")

    def identity(item: Any) -> bytes:
        return _identity(item.get(key) if key and isinstance(item, dict) else item)

    wanted = {identity(item): place for place, item in reversed(list(enumerate(order)))}
    for item in brought if isinstance(brought, list) else ():
        if _directive(item) is None and identity(item) not in wanted:
            raise errors.bad_request(f"The order in patch list doesn't match $setElementOrder list: {_shown(item)}")
    merged[field] = sorted(items, key=lambda item: wanted.get(identity(item), len(order)))
