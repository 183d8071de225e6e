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
        else:
            merged[key] = merge(merged.get(key), value)
    return merged
