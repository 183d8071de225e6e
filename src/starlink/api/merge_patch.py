"""JSON merge patches (https://www.rfc-editor.org/rfc/rfc7396)."""

from collections.abc import Mapping
from typing import Any


def merge(target: Any, patch: Any) -> Any:
    """What the patch makes of the value, which is left as it is: objects are merged, null removes, anything else
    replaces."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, list) and not isinstance(merged.get(key), dict):
            merged[key] = _without_nulls(value)
        else:
            merged[key] = merge(merged.get(key), value)
    return merged


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """The patch that makes one object of the other; empty where they are the same. No patch can write a null, so
    `after` has none."""
    found: dict[str, Any] = {key: None for key in before if key not in after}
    for key, value in after.items():
        had = before.get(key)
        if isinstance(had, dict) and isinstance(value, dict):
            if inner := difference(had, value):
                found[key] = inner
        elif not _is_same(had, value):
            found[key] = value
    return found


def _is_same(one: Any, other: Any) -> bool:
    """Whether two values are the same in JSON, where true is not 1."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_is_same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_is_same(value, other[key]) for key, value in one.items())
    return bool(one == other) and isinstance(one, bool) is isinstance(other, bool)


def replacing(old: Any, new: Any) -> Any:
    """The patch that makes `new` of `old`, or of what has changed in it meanwhile: all of `new` is in it, and null for
    each member that is in `old` alone. `new` has no null."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return new
    gone = {key: None for key in old if key not in new}
    return {**gone, **{key: replacing(old.get(key), value) for key, value in new.items()}}


def _without_nulls(value: Any) -> Any:
    """A list of a patch. Kubernetes drops the null members of the objects in it:
    https://github.com/evanphx/json-patch/blob/v4.12.0/merge.go (pruneNils)"""
    if isinstance(value, list):
        return [_without_nulls(part) for part in value]
    if isinstance(value, dict):
        return {key: _without_nulls(part) for key, part in value.items() if part is not None}
    return value
