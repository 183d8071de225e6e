"""Patches, as pure functions from one object to the next."""

from typing import Any

import jsonpatch

from starlink.apiserver import errors
from starlink.apiserver.encoding import dump

MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
ACCEPTED = (JSON_PATCH, MERGE)
MAX_OPERATIONS = 10_000


def apply(obj: dict[str, Any], patch: Any, media_type: str) -> dict[str, Any]:
    """The patched object; `obj` is left as it is. Raises StatusError 400, 415 or 422."""
    if media_type == MERGE:
        if not isinstance(patch, dict):
            raise errors.bad_request(f"a merge patch must be a JSON object, not {dump(patch)[:60].decode()}")
        merged = merge(obj, patch)
        assert isinstance(merged, dict)
        return merged
    if media_type == JSON_PATCH:
        return _json_patch(obj, patch)
    raise errors.unsupported_media_type(media_type, ACCEPTED)


def merge(target: Any, patch: Any) -> Any:
    """RFC 7386: objects are merged, null removes, anything else replaces."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged.get(key), value)
    return merged


def _json_patch(obj: dict[str, Any], patch: Any) -> dict[str, Any]:
    """RFC 6902."""
    if not isinstance(patch, list):
        raise errors.bad_request("a JSON patch must be a list of operations")
    if len(patch) > MAX_OPERATIONS:
        raise errors.too_large(f"a JSON patch may have {MAX_OPERATIONS} operations, this one has {len(patch)}")
    try:
        patched = jsonpatch.apply_patch(obj, patch)
    except jsonpatch.JsonPatchTestFailed as error:
        raise errors.StatusError(422, "Invalid", f"the JSON patch's test failed: {error}") from None
    except jsonpatch.JsonPatchConflict as error:
        raise errors.StatusError(422, "Invalid", f"the JSON patch does not fit the object: {error}") from None
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException, TypeError, KeyError) as error:
        raise errors.bad_request(f"the JSON patch is malformed: {error}") from None
    if not isinstance(patched, dict):
        raise errors.bad_request("the JSON patch does not leave an object")
    return patched
