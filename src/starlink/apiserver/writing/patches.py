"""Patches, as pure functions from one object to the next."""

from collections.abc import Callable
from typing import Any

import jsonpatch

from starlink.api.merge_patch import merge
from starlink.apiserver import errors
from starlink.apiserver.encoding import dump
from starlink.apiserver.resource import Resource
from starlink.apiserver.writing import strategic

MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"
MAX_OPERATIONS = 10_000

Obj = dict[str, Any]


def accepted(resource: Resource) -> tuple[str, ...]:
    """The patch formats of a resource; a custom one has no strategic merge, as on the real server."""
    return (JSON_PATCH, MERGE, APPLY) if resource.custom else (JSON_PATCH, MERGE, STRATEGIC, APPLY)


def change(resource: Resource, patch: Any, media_type: str) -> Callable[[Obj], Obj]:
    """What the patch makes of an object. The function raises StatusError 400 or 422.

    The result has a resourceVersion only where the patch names one, so that others are tried again on a race."""

    def patched(obj: Obj) -> Obj:
        new = apply(obj, patch, media_type, resource)
        if not _names_version(patch, media_type):
            meta = new.get("metadata")
            new["metadata"] = {**meta, "resourceVersion": ""} if isinstance(meta, dict) else meta
        return new

    return patched


def apply(obj: Obj, patch: Any, media_type: str, resource: Resource) -> Obj:
    """The patched object; `obj` is left as it is. Raises StatusError 400 or 422."""
    if media_type == JSON_PATCH:
        return _json_patch(obj, patch)
    if not isinstance(patch, dict):
        raise errors.bad_request(
            f"a merge patch must be a JSON object, not {dump(patch)[:60].decode(errors='replace')}"
        )
    schema = resource.schema.openapi
    merged = strategic.merge(obj, patch, schema) if media_type == STRATEGIC else merge(obj, patch)
    assert isinstance(merged, dict)
    return merged


def _json_patch(obj: Obj, patch: Any) -> Obj:
    """RFC 6902."""
    if not isinstance(patch, list) or not all(isinstance(operation, dict) for operation in patch):
        raise errors.bad_request("a JSON patch must be a list of operations")
    if len(patch) > MAX_OPERATIONS:
        raise errors.too_large(f"a JSON patch may have {MAX_OPERATIONS} operations, this one has {len(patch)}")
    try:
        patched = jsonpatch.apply_patch(obj, patch)
    except jsonpatch.JsonPatchTestFailed as error:
        raise _unfit(f"a test failed: {error}") from None
    except jsonpatch.JsonPatchConflict as error:
        raise _unfit(str(error)) from None
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException) as error:
        raise _unfit(str(error)) from None
    except (TypeError, KeyError, AttributeError, IndexError, ValueError) as error:
        raise _unfit(repr(error)) from None
    if not isinstance(patched, dict):
        raise errors.bad_request("the JSON patch does not leave an object")
    return patched


def _unfit(why: str) -> errors.StatusError:
    message = f"the server rejected our request due to an error in our request: the JSON patch: {why[:200]}"
    return errors.StatusError(422, "Invalid", message)


def _names_version(patch: Any, media: str) -> bool:
    if media == JSON_PATCH:
        return any(isinstance(op, dict) and op.get("path") == "/metadata/resourceVersion" for op in patch)
    meta = patch.get("metadata") if isinstance(patch, dict) else None
    return isinstance(meta, dict) and bool(meta.get("resourceVersion"))
