"""Patches, as pure functions from one object to the next."""

from collections.abc import Callable
from typing import Any

from starlink.api.merge_patch import merge
from starlink.apiserver import errors
from starlink.apiserver.encoding import dump
from starlink.apiserver.resource import Resource
from starlink.apiserver.writing import json_patch, strategic

MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"

Obj = dict[str, Any]


def accepted(resource: Resource) -> tuple[str, ...]:
    """The patch formats of a resource; a custom one has no strategic merge, as on the real server."""
    return (JSON_PATCH, MERGE, APPLY) if resource.custom else (JSON_PATCH, MERGE, STRATEGIC, APPLY)


def change(resource: Resource, patch: Any, media_type: str) -> Callable[[Obj], Obj]:
    """What the patch makes of an object. The function raises StatusError 400, 413 or 422.

    The result has a resourceVersion only where the patch names one, so that others are tried again on a race."""

    def patched(obj: Obj) -> Obj:
        new = apply(obj, patch, media_type, resource)
        if not _names_version(patch, media_type):
            meta = new.get("metadata")
            new["metadata"] = {**meta, "resourceVersion": ""} if isinstance(meta, dict) else meta
        return new

    return patched


def apply(obj: Obj, patch: Any, media_type: str, resource: Resource) -> Obj:
    """The patched object; `obj` is left as it is. Raises StatusError 400, 413 or 422."""
    if media_type == JSON_PATCH:
        return json_patch.apply(obj, patch)
    if not isinstance(patch, dict):
        raise errors.bad_request(
            f"a merge patch must be a JSON object, not {dump(patch)[:60].decode(errors='replace')}"
        )
    schema = resource.schema.openapi
    merged = strategic.merge(obj, patch, schema) if media_type == STRATEGIC else merge(obj, patch)
    assert isinstance(merged, dict)
    return merged


def _names_version(patch: Any, media: str) -> bool:
    if media == JSON_PATCH:
        return any(isinstance(op, dict) and op.get("path") == "/metadata/resourceVersion" for op in patch)
    meta = patch.get("metadata") if isinstance(patch, dict) else None
    return isinstance(meta, dict) and bool(meta.get("resourceVersion"))
