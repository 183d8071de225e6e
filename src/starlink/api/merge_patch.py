"""JSON merge patches (https://www.rfc-editor.org/rfc/rfc7396)."""

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


def _without_nulls(value: Any) -> Any:
    """A list of a patch. Kubernetes drops the null members of the objects in it:
    https://github.com/evanphx/json-patch/blob/v4.12.0/merge.go (pruneNils)"""
    if isinstance(value, list):
        return [_without_nulls(part) for part in value]
    if isinstance(value, dict):
        return {key: _without_nulls(part) for key, part in value.items() if part is not None}
    return value
