"""Patches, as pure functions from one object to the next."""

from collections.abc import Callable
from typing import Any

from starlink.api import errors
from starlink.api.merge_patch import merge
from starlink.apiserver.requests.writing import json_patch, strategic
from starlink.apiserver.resources.encoding import dump
from starlink.apiserver.resources.resource import Resource

MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"

Obj = dict[str, Any]


def accepted(resource: Resource) -> tuple[str, ...]:
    """The patch formats of a resource; a custom one has no strategic merge, as on the real server."""
    return (JSON_PATCH, MERGE, APPLY) if resource.custom else (JSON_PATCH, MERGE, STRATEGIC, APPLY)


def change(resource: Resource, patch: Any, media_type: str) -> Callable[[Obj], Obj]:
    """What the patch makes of an object, with metadata that may be changed. The function raises StatusError 400, 413 or
    422.

    After a race it is asked again for the new object, whose resourceVersion it leaves unless the patch names one."""

    def patched(obj: Obj) -> Obj:
        new = apply(obj, patch, media_type, resource)
        meta = new.get("metadata")
        return {**new, "metadata": dict(meta)} if isinstance(meta, dict) else new

    return patched


def apply(obj: Obj, patch: Any, media_type: str, resource: Resource) -> Obj:
    """The patched object; `obj` is left as it is. Raises StatusError 400, 413 or 422."""
    if media_type == JSON_PATCH:
        return json_patch.apply(obj, patch)
    if patch is None and media_type == STRATEGIC:
        return obj
    if not isinstance(patch, dict):
        raise errors.bad_request(
            f"a merge patch must be a JSON object, not {dump(patch)[:60].decode(errors='replace')}"
        )
    strategically = media_type == STRATEGIC  # a merge patch needs no schema, and a stored one is read anew each time
    merged = strategic.merge(obj, patch, resource.schema.openapi) if strategically else merge(obj, patch)
    assert isinstance(merged, dict)
    return merged
