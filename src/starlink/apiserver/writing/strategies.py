"""What holds of single built-in kinds beyond their schema. Pure."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from starlink.api.errors import Cause
from starlink.apiserver.access import rbac_kinds
from starlink.apiserver.access.authorizer import CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, ROLE_BINDINGS, ROLES
from starlink.apiserver.names import CRD_FINALIZER, EVENTS, NAMESPACES
from starlink.apiserver.resource import Resource
from starlink.apiserver.schema import crd, crd_checks
from starlink.apiserver.schema.formats import label_faults
from starlink.apiserver.writing import data_kinds, event_kinds, micro_times
from starlink.apiserver.writing.data_kinds import BadValue as BadValue

Obj = dict[str, Any]

_NAME_LABEL = "kubernetes.io/metadata.name"
_OWN_FINALIZER = "kubernetes"


def prepare(resource: Resource, obj: Obj, old: Obj | None) -> None:
    """Puts into `obj` what the kind itself says, before it is checked. Raises BadValue."""
    step = _PREPARE.get(resource.storage)
    if step is not None:
        step(obj, old)


def judges(resource: Resource) -> bool:
    """Whether anything holds of the kind beyond its schema."""
    return resource.storage == EVENTS or resource.storage in _CHECK


def check(resource: Resource, obj: Obj, old: Obj | None) -> Iterable[Cause]:
    """Why the kind refuses `obj`, which fits its schema."""
    if resource.storage == EVENTS:
        return event_kinds.check(resource, obj, old)
    step = _CHECK.get(resource.storage)
    return step(obj, old) if step is not None else ()


def _prepare_namespace(obj: Obj, old: Obj | None) -> None:
    """https://github.com/kubernetes/kubernetes/blob/master/pkg/registry/core/namespace/strategy.go"""
    meta = obj["metadata"]
    meta["labels"] = {**(meta.get("labels") or {}), _NAME_LABEL: meta["name"]}
    spec = obj.get("spec") or {}
    holding = (spec.get("finalizers") or []) if isinstance(spec, dict) else None
    if old is None and isinstance(holding, list) and _OWN_FINALIZER not in holding:
        obj["spec"] = {**spec, "finalizers": [*holding, _OWN_FINALIZER]}


def _prepare_account(obj: Obj, _old: Obj | None) -> None:
    """Its secrets are those of its namespace, told by their names.

    https://github.com/kubernetes/kubernetes/blob/release-1.32/pkg/registry/core/serviceaccount/strategy.go
    """
    secrets = obj.get("secrets")
    if isinstance(secrets, list) and all(isinstance(one, dict) and _is_texts(one.values()) for one in secrets):
        obj["secrets"] = [{"name": secret["name"]} if secret.get("name") else {} for secret in secrets]


def _is_texts(values: Iterable[Any]) -> bool:
    return all(value is None or isinstance(value, str) for value in values)


def _prepare_crd(obj: Obj, _old: Obj | None) -> None:
    crd.fill_in(obj)
    meta = obj["metadata"]
    finalizers = meta.get("finalizers") or []
    if CRD_FINALIZER not in finalizers and not meta.get("deletionTimestamp"):
        meta["finalizers"] = [*finalizers, CRD_FINALIZER]


def _unchanged(obj: Obj, old: Obj, field: str) -> Iterator[Cause]:
    if obj.get(field) != old.get(field):
        yield Cause("FieldValueInvalid", f'Invalid value: "{obj.get(field)}": field is immutable', field)


def _check_revision(obj: Obj, old: Obj | None) -> Iterator[Cause]:
    if old is not None:
        yield from _unchanged(obj, old, "data")


def _check_endpoints(obj: Obj, old: Obj | None) -> Iterator[Cause]:
    """https://github.com/kubernetes/kubernetes/blob/release-1.32/pkg/apis/discovery/validation/validation.go"""
    if old is not None:
        yield from _unchanged(obj, old, "addressType")
    for index, endpoint in enumerate(obj.get("endpoints") or ()):
        name = endpoint.get("hostname")
        for why in label_faults(name) if name is not None else ():
            yield Cause("FieldValueInvalid", f'Invalid value: "{name}": {why}', f"endpoints[{index}].hostname")
    seen: set[str] = set()
    for index, port in enumerate(obj.get("ports") or ()):
        name = port.get("name") or ""
        if name in seen:
            yield Cause("FieldValueDuplicate", f'Duplicate value: "{name}"', f"ports[{index}].name")
        seen.add(name)


def _check_crd(obj: Obj, old: Obj | None) -> Iterator[Cause]:
    if old is None or obj["spec"] != old["spec"]:  # what was accepted once is not looked at again
        yield from crd_checks.validate(obj, old)
    if old is not None:
        yield from crd_checks.validate_change(obj, old)


_PREPARE: dict[str, Callable[[Obj, Obj | None], None]] = {
    NAMESPACES: _prepare_namespace,
    "/secrets": data_kinds.prepare_secret,
    "/configmaps": data_kinds.prepare_config_map,
    "/serviceaccounts": _prepare_account,
    "coordination.k8s.io/leases": micro_times.prepare_lease,
    EVENTS: micro_times.prepare_event,
    ROLE_BINDINGS: rbac_kinds.prepare_binding,
    CLUSTER_ROLE_BINDINGS: rbac_kinds.prepare_binding,
    "apiextensions.k8s.io/customresourcedefinitions": _prepare_crd,
}
_CHECK: dict[str, Callable[[Obj, Obj | None], Iterable[Cause]]] = {
    "/secrets": data_kinds.check_secret,
    "/configmaps": data_kinds.check_config_map,
    ROLES: rbac_kinds.check_role,
    CLUSTER_ROLES: rbac_kinds.check_cluster_role,
    ROLE_BINDINGS: rbac_kinds.check_role_binding,
    CLUSTER_ROLE_BINDINGS: rbac_kinds.check_cluster_role_binding,
    "apps/controllerrevisions": _check_revision,
    "discovery.k8s.io/endpointslices": _check_endpoints,
    "apiextensions.k8s.io/customresourcedefinitions": _check_crd,
}
