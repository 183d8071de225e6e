"""The scale subresource: an autoscaling/v1 Scale made from an object, and written back to it. Pure."""

from typing import Any

from starlink.apiserver import errors
from starlink.apiserver.resource import Resource, Scale

Obj = dict[str, Any]


def read(scale: Scale, obj: Obj) -> Obj:
    """The Scale of an object."""
    meta = obj["metadata"]
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    status: Obj = {"replicas": _get(obj, scale.status_replicas) or 0}
    if scale.label_selector and _get(obj, scale.label_selector):
        status["selector"] = _get(obj, scale.label_selector)
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {field: meta[field] for field in kept if field in meta},
        "spec": {"replicas": _get(obj, scale.spec_replicas) or 0},
        "status": status,
    }


def write(resource: Resource, scale: Scale, obj: Obj, wanted: Obj) -> Obj:
    """The object with the replicas that the Scale `wanted` asks for. Raises StatusError 422."""
    spec = wanted.get("spec")
    replicas = spec.get("replicas", 0) if isinstance(spec, dict) else None
    if not isinstance(replicas, int) or isinstance(replicas, bool) or replicas < 0:
        why = f"Invalid value: {replicas}: must be an integer greater than or equal to 0"
        cause = errors.Cause("FieldValueInvalid", why, "spec.replicas")
        raise errors.invalid("autoscaling", "Scale", obj["metadata"]["name"], (cause,))
    new = _set(obj, scale.spec_replicas.strip(".").split("."), replicas)
    version = (wanted.get("metadata") or {}).get("resourceVersion")
    if version:
        new["metadata"] = {**new["metadata"], "resourceVersion": version}
    return new


def _get(obj: Obj, path: str) -> Any:
    value: Any = obj
    for part in path.strip(".").split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _set(obj: Obj, parts: list[str], value: Any) -> Obj:
    head, *rest = parts
    return {**obj, head: _set(obj.get(head) or {}, rest, value) if rest else value}
