"""An object as it came becomes one that fits its kind, and a part of one becomes the next whole. Pure."""

from typing import Any

from starlink.api.errors import MORE, MOST_CAUSES
from starlink.apiserver.names import NAMESPACES
from starlink.apiserver.objects import advising
from starlink.apiserver.objects.contract import Write
from starlink.apiserver.objects.refusals import listed, undecodable
from starlink.apiserver.resources.encoding import Obj
from starlink.apiserver.resources.resource import Resource
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
    warnings += metadata.prepare(meta, before)
    if write.resource.custom and not write.subresource:
        warnings += metadata.finalizer_warnings(meta, before)
    return fitting, warnings


def conformed(write: Write, obj: Obj, old: Obj, *, defaults: bool) -> tuple[Obj, tuple[str, ...]]:
    """The object pruned, and warnings about it. Raises StatusError 400, of a patch 422."""
    wrong = metadata_types.check(obj.get("metadata"), old.get("metadata"))
    if wrong:
        raise undecodable(write, obj, listed(wrong), (cause.field for cause in wrong))
    fitting, unknown = write.resource.schema.conform(obj, defaults=defaults, old=old)
    prune = write.resource.strategy.prune
    if prune is not None and fitting.get("spec") is not old.get("spec", _NOTHING):
        prune(fitting, unknown)
    options = write.options
    if not unknown and not options.body_warnings:
        return fitting, ()
    if options.field_validation == "Strict":
        told = (*options.body_warnings, *advising.unknown_fields(write.resource, unknown))
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
    """A new object: its status is written by the status subresource only."""
    return {name: value for name, value in obj.items() if name != "status"} if resource.status else obj


def without_managed(obj: Obj) -> Obj:
    """Without what every write changes."""
    meta = {k: v for k, v in obj["metadata"].items() if k not in ("managedFields", "resourceVersion")}
    return {**obj, "metadata": meta}


def claim(config: Obj, subresource: str) -> Obj:
    """What an apply to a subresource may claim of its configuration."""
    if not subresource:
        return config
    kept = ("apiVersion", "kind", subresource)
    meta = {"name": config["metadata"]["name"]}
    return {**{name: value for name, value in config.items() if name in kept}, "metadata": meta}


def merged(resource: Resource, old: Obj, wanted: Obj, subresource: str) -> Obj:
    """The next object: what this writer may write of `wanted`, the rest of `old`."""
    if subresource:
        return _with_subresource(old, wanted, subresource)
    new = dict(wanted)
    new["metadata"] = dict(wanted["metadata"])
    new["metadata"].pop("selfLink", None)
    for field in _OURS:
        new["metadata"].pop(field, None)
        if field in old["metadata"]:
            new["metadata"][field] = old["metadata"][field]
    if resource.storage == NAMESPACES:  # what holds it is written by its subresource finalize
        new = _with_part(new, "spec", old)
    return _with_part(new, "status", old) if resource.status else new


def _with_subresource(old: Obj, wanted: Obj, subresource: str) -> Obj:
    match subresource:
        case "status":
            return _with_part(old, "status", wanted)
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
