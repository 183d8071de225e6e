"""An object as it came becomes one that fits its kind, and a part of one becomes the next whole. Pure."""

from typing import Any

from starlink.api.errors import MORE, MOST_CAUSES
from starlink.apiserver.names import CRDS, NAMESPACES
from starlink.apiserver.objects import advising
from starlink.apiserver.objects.contract import Write
from starlink.apiserver.objects.refusals import listed, undecodable
from starlink.apiserver.resources.encoding import Obj
from starlink.apiserver.resources.resource import Resource
from starlink.apiserver.schema import go_types
from starlink.apiserver.validation import metadata, metadata_types

_NOTHING: Obj = {}
_OURS = (
    "name",
    "namespace",
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "managedFields",
)


def shaped(write: Write, obj: Obj, old: Obj = _NOTHING) -> tuple[Obj, tuple[str, ...]]:
    """The object pruned and with defaults, and warnings about what was pruned. What is `old`'s very own is as it must
    be already. Raises StatusError as `conformed`."""
    fitting, warnings = conformed(write, obj, old, defaults=True)
    meta, before = tidy(fitting)["metadata"], old.get("metadata", _NOTHING)
    warnings += metadata.prepare(meta, before, patch=write.options.patch)
    if write.resource.custom and not write.subresource:
        warnings += metadata.finalizer_warnings(meta, before)
    return fitting, warnings


def conformed(write: Write, obj: Obj, old: Obj, *, defaults: bool) -> tuple[Obj, tuple[str, ...]]:
    """The object pruned, and warnings about it. Raises StatusError 400, of a patch 422."""
    resource = write.resource
    wrong = metadata_types.check(obj.get("metadata"), old.get("metadata"))
    if not wrong and not resource.custom:
        wrong = go_types.check(resource.schema.node, obj, old)
    if wrong:
        raise undecodable(write, obj, listed(wrong), (cause.field for cause in wrong))
    fitting, unknown = resource.schema.conform(obj, defaults=defaults, old=old)
    prune = resource.strategy.prune
    if prune is not None and fitting.get("spec") is not old.get("spec", _NOTHING):
        prune(fitting, unknown)
    options = write.options
    if not unknown and not options.body_warnings:
        return fitting, ()
    if options.field_validation == "Strict":
        told = (*options.body_warnings, *advising.unknown_fields(resource, unknown))
        raise undecodable(write, obj, f"strict decoding error: {', '.join(_first(told))}", unknown[:MOST_CAUSES])
    if options.field_validation != "Warn":
        return fitting, ()
    return fitting, _first((*options.body_warnings, *(f'unknown field "{path}"' for path in unknown)))


def _first(told: tuple[str, ...]) -> tuple[str, ...]:
    return (*told[:MOST_CAUSES], MORE) if len(told) > MOST_CAUSES else told


def tidy(obj: Obj) -> Obj:
    """Without empty metadata."""
    obj["metadata"] = {k: v for k, v in obj["metadata"].items() if v not in (None, "", {}, [])}
    return obj


def without_status(resource: Resource, obj: Obj) -> Obj:
    """A new object that fits its kind: its status is written by the status subresource only, and begins with what its
    kind says."""
    if not resource.status or "status" not in obj:
        return obj
    rest = {name: value for name, value in obj.items() if name != "status"}
    return resource.schema.conform(rest, defaults=True)[0]


def without_managed(obj: Obj) -> Obj:
    """Without what every write changes."""
    meta = {k: v for k, v in obj["metadata"].items() if k not in ("managedFields", "resourceVersion")}
    return {**obj, "metadata": meta}


def claim(resource: Resource, config: Obj, subresource: str) -> Obj:
    """What an apply to a subresource may claim of its configuration."""
    if not subresource:
        return config
    if subresource == "status" and resource.storage in _STATUS_WITH_METADATA:
        return {name: value for name, value in config.items() if name != "spec"}
    kept = ("apiVersion", "kind", subresource)
    meta = {"name": config["metadata"]["name"]}
    return {**{name: value for name, value in config.items() if name in kept}, "metadata": meta}


def merged(resource: Resource, old: Obj, wanted: Obj, subresource: str) -> Obj:
    """The next object: what this writer may write of `wanted`, the rest of `old`."""
    if subresource:
        return _with_subresource(resource, old, wanted, subresource)
    new = dict(wanted)
    new["metadata"] = _metadata(old, wanted)
    if resource.storage == NAMESPACES:  # what holds it is written by its subresource finalize
        new = _with_part(new, "spec", old)
    return _with_part(new, "status", old) if resource.status else new


_STATUS_WITH_METADATA = (NAMESPACES, CRDS)
"""Of which a write of the status writes the metadata too.

https://github.com/kubernetes/kubernetes/blob/release-1.32/pkg/registry/core/namespace/strategy.go
"""


def _metadata(old: Obj, wanted: Obj) -> Obj:
    """The next metadata: what the server says itself is as it was."""
    meta = dict(wanted["metadata"])
    meta.pop("selfLink", None)
    for field in _OURS:
        meta.pop(field, None)
        if field in old["metadata"]:
            meta[field] = old["metadata"][field]
    return meta


def _with_subresource(resource: Resource, old: Obj, wanted: Obj, subresource: str) -> Obj:
    match subresource:
        case "status":
            new = _with_part(old, "status", wanted)
            return {**new, "metadata": _metadata(old, wanted)} if resource.storage in _STATUS_WITH_METADATA else new
        case "scale":
            return {**wanted, "metadata": dict(old["metadata"])}
        case "approval":
            return {
                **old,
                "status": {**_part(old, "status"), "conditions": _part(wanted, "status").get("conditions") or []},
            }
        case _:  # finalize
            finalizers = _part(wanted, "spec").get("finalizers") or []
            return {**old, "spec": {**_part(old, "spec"), "finalizers": finalizers}}


def _part(obj: Obj, name: str) -> dict[str, Any]:
    return obj.get(name) or {}


def _with_part(obj: Obj, part: str, source: Obj) -> Obj:
    new = {k: v for k, v in obj.items() if k != part}
    if part in source:
        new[part] = source[part]
    new["metadata"] = dict(new["metadata"])
    return new
