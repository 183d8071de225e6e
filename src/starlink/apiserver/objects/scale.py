"""The scale subresource: an autoscaling/v1 Scale made from an object, and written back to it. Pure."""

from collections.abc import Iterator
from typing import Any, NoReturn

from starlink.api import errors
from starlink.api.errors import Cause
from starlink.apiserver.objects.envelope import check_place
from starlink.apiserver.resources.resource import Resource, Scale
from starlink.apiserver.schema.causes import invalid
from starlink.apiserver.validation import metadata_types

Obj = dict[str, Any]

REPLICAS = range(2**31)
"""What a Scale can hold."""

_KIND, _VERSION = "Scale", "autoscaling/v1"


def read(scale: Scale, obj: Obj) -> Obj:
    """The Scale of an object."""
    meta = obj["metadata"]
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    replicas = _get(obj, scale.spec_replicas)
    status: Obj = {"replicas": _get(obj, scale.status_replicas) or 0}
    if scale.label_selector and _get(obj, scale.label_selector):
        status["selector"] = _get(obj, scale.label_selector)
    return {
        "kind": _KIND,
        "apiVersion": _VERSION,
        "metadata": {field: meta[field] for field in kept if field in meta},
        "spec": {"replicas": replicas} if replicas else {},
        "status": status,
    }


def write(resource: Resource, scale: Scale, obj: Obj, wanted: Obj) -> Obj:
    """The object with the replicas that the Scale `wanted` asks for, and with the version and UID that it names.
    Raises StatusError 400 or 422."""
    said = _metadata(resource, obj, wanted)
    spec = {} if wanted.get("spec") is None else wanted["spec"]
    if not isinstance(spec, dict):
        _refuse(obj, invalid("spec", spec, "must be an object"))
    replicas = 0 if spec.get("replicas") is None else spec["replicas"]
    if not isinstance(replicas, int) or isinstance(replicas, bool) or replicas not in REPLICAS:
        _refuse(obj, invalid("spec.replicas", replicas, f"must be an integer from 0 to {REPLICAS[-1]}"))
    try:
        new = _set(obj, scale.spec_replicas.strip(".").split("."), replicas)
    except TypeError:
        _refuse(
            obj,
            invalid("spec.replicas", replicas, f"can't be put at {scale.spec_replicas}: what is there is no object"),
        )
    meant = {field: said[field] for field in ("resourceVersion", "uid") if said.get(field)}
    return {**new, "metadata": {**new["metadata"], **meant}}


def _metadata(resource: Resource, obj: Obj, wanted: Obj) -> Obj:
    """The metadata of a Scale of `obj`. Raises StatusError 400 or 422."""
    for field, value in (("apiVersion", _VERSION), ("kind", _KIND)):
        if wanted.get(field, value) not in (None, "", value):
            _refuse(obj, invalid(field, wanted[field], f"must be {value}"))
    meta, place = wanted.get("metadata") or {}, obj["metadata"]
    wrong = metadata_types.check(meta)
    if wrong:
        _refuse(obj, *wrong)
    check_place(resource, place.get("namespace", ""), place["name"], meta)
    return meta


def _refuse(obj: Obj, *causes: Cause) -> NoReturn:
    raise errors.invalid("autoscaling", _KIND, obj["metadata"]["name"], causes)


def check(scale: Scale, obj: Obj, old: Obj | None) -> Iterator[Cause]:
    """Why the replicas of an object are none that a Scale can hold, but for those that were so before.

    https://github.com/kubernetes/apiextensions-apiserver/blob/release-1.32/pkg/registry/customresource/validator.go
    """
    for path in (scale.spec_replicas, scale.status_replicas):
        value = _get(obj, path)
        if _is_blocked(obj, path) and not (old is not None and _is_blocked(old, path)):
            yield invalid(path, 0, f"{path} accessor error: what should hold it is no object")
        if value is None or (old is not None and value == _get(old, path)):
            continue
        if not isinstance(value, int) or isinstance(value, bool):
            yield invalid(path, value, "must be an integer")
        elif value < 0:
            yield invalid(path, value, "should be a non-negative integer")
        elif value not in REPLICAS:
            yield invalid(path, value, f"should be less than or equal to {REPLICAS[-1]}")


def _is_blocked(obj: Obj, path: str) -> bool:
    """Whether something on the way to a value is no object."""
    value: Any = obj
    for part in path.strip(".").split("."):
        if not isinstance(value, dict):
            return value is not None
        value = value.get(part)
    return False


def _get(obj: Obj, path: str) -> Any:
    value: Any = obj
    for part in path.strip(".").split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _set(obj: Obj, parts: list[str], value: Any) -> Obj:
    """Raises TypeError where what would hold the value is no object."""
    head, *rest = parts
    if not isinstance(obj, dict):
        raise TypeError
    return {**obj, head: _set(obj.get(head) or {}, rest, value) if rest else value}
