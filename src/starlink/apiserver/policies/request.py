"""A request as admission sees it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlink.apiserver.names import NAMESPACES
from starlink.apiserver.objects import scale
from starlink.apiserver.resources import conversion
from starlink.apiserver.resources.encoding import Obj
from starlink.apiserver.resources.resource import Resource
from starlink.http.message import User

GROUP = "admissionregistration.k8s.io"
VARIABLES = ("object", "oldObject", "request")
"""CEL's names of what a request is."""
_NAMESPACE_META = (
    "name", "generateName", "labels", "annotations", "uid", "creationTimestamp", "deletionTimestamp",
    "deletionGracePeriodSeconds", "generation", "resourceVersion", "finalizers", "ownerReferences", "namespace",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class AdmissionRequest:
    """`operation` is CREATE, UPDATE or DELETE; `obj` is what is to be stored, `old` what is stored; `options` are the
    request's. Of a Namespace `namespace` is its own name, as the real server has it."""

    operation: str
    resource: Resource
    subresource: str
    namespace: str
    name: str
    obj: Obj | None
    old: Obj | None
    user: User
    dry_run: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_namespace(self) -> bool:
        return self.resource.storage == NAMESPACES

    @property
    def is_exempt(self) -> bool:
        """No policy governs the policies: a wrong one could not be taken back."""
        return self.resource.group == GROUP


def object_at(request: AdmissionRequest, matched: Resource, obj: Obj | None) -> Obj | None:
    """The object at the version of `matched`; that of the scale subresource is a Scale."""
    if obj is None:
        return None
    if request.subresource == "scale" and matched.scale is not None:
        return scale.read(matched.scale, obj)
    if matched is request.resource:
        return obj
    return conversion.from_stored(matched, conversion.to_stored(request.resource, obj))


def variables(request: AdmissionRequest, matched: Resource) -> dict[str, Any]:
    """CEL's variables object, oldObject and request."""
    return {
        "object": object_at(request, matched, request.obj),
        "oldObject": object_at(request, matched, request.old),
        "request": _request(request, matched),
    }


def namespace_value(namespace: Obj) -> Obj:
    """CEL's variable namespaceObject: what policies may see of a Namespace."""
    meta = namespace["metadata"]
    shown: Obj = {name: namespace[name] for name in ("spec", "status") if name in namespace}
    return {**shown, "metadata": {name: meta[name] for name in _NAMESPACE_META if name in meta}}


def _request(request: AdmissionRequest, matched: Resource) -> Obj:
    optional = {
        "subResource": request.subresource,
        "requestSubResource": request.subresource,
        "name": request.name,
        "namespace": request.namespace,
    }
    return {
        "kind": _kind(request, matched),
        "resource": _plural(matched),
        "requestKind": _kind(request, request.resource),
        "requestResource": _plural(request.resource),
        "operation": request.operation,
        "userInfo": request.user.info(),
        "dryRun": request.dry_run,
        "options": dict(request.options),
        **{key: value for key, value in optional.items() if value},
    }


def _kind(request: AdmissionRequest, resource: Resource) -> Obj:
    if request.subresource == "scale":
        return {"group": "autoscaling", "version": "v1", "kind": "Scale"}
    return {"group": resource.group, "version": resource.version, "kind": resource.kind}


def _plural(resource: Resource) -> Obj:
    return {"group": resource.group, "version": resource.version, "resource": resource.plural}
