"""The strategies of single built-in kinds: what holds of them beyond their schema. Pure."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from starlink.api.errors import Cause
from starlink.apiserver.definitions import crd, crd_checks
from starlink.apiserver.kinds import data_kinds, endpoint_addresses, event_kinds, micro_times, rbac_kinds
from starlink.apiserver.names import CRD_FINALIZER, CRDS, EVENTS, NAMESPACES
from starlink.apiserver.resources.resource import SCHEMA_ALONE, Resource, Strategy
from starlink.apiserver.schema.causes import invalid, required
from starlink.apiserver.schema.formats import label_faults, subdomain_faults
from starlink.apiserver.security.authorization.authorizer import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    ROLE_BINDINGS,
    ROLES,
)
from starlink.apiserver.validation import metadata

Obj = dict[str, Any]
Check = Callable[[Resource, Obj, Obj | None], Iterable[Cause]]

_NAME_LABEL = "kubernetes.io/metadata.name"
_OWN_FINALIZER = "kubernetes"


def strategy(storage: str) -> Strategy:
    """The strategy of the built-in kind whose objects are stored so."""
    return _STRATEGIES.get(storage, SCHEMA_ALONE)


def _name_namespace(obj: Obj) -> None:
    meta = obj["metadata"]
    if meta.get("name"):
        meta["labels"] = {**(meta.get("labels") or {}), _NAME_LABEL: meta["name"]}


def _prepare_namespace(obj: Obj, old: Obj | None) -> None:
    """https://github.com/kubernetes/kubernetes/blob/master/pkg/registry/core/namespace/strategy.go"""
    meta = obj["metadata"]
    meta["labels"] = {**(meta.get("labels") or {}), _NAME_LABEL: meta["name"]}
    spec = obj.get("spec") or {}
    holding = spec.get("finalizers") or []
    if old is None and _OWN_FINALIZER not in holding:
        obj["spec"] = {**spec, "finalizers": [*holding, _OWN_FINALIZER]}


def _check_namespace(obj: Obj, old: Obj | None) -> Iterator[Cause]:
    """https://github.com/kubernetes/kubernetes/blob/release-1.32/pkg/apis/core/validation/validation.go
    (ValidateNamespace, ValidateNamespaceStatusUpdate)"""
    if old is None:
        for name in obj["spec"]["finalizers"]:
            yield from (invalid("spec.finalizers", name, why) for why in metadata.finalizer_faults(name))
        return
    phase = (obj.get("status") or {}).get("phase") or ""
    is_going = bool(obj["metadata"].get("deletionTimestamp"))
    if phase != (_TERMINATING if is_going else _ACTIVE):
        why = _GOING if is_going else _STAYING
        yield invalid("status.Phase", phase, why)


_ACTIVE, _TERMINATING = "Active", "Terminating"
_STAYING = "may only be 'Active' if `deletionTimestamp` is empty"
_GOING = "may only be 'Terminating' if `deletionTimestamp` is not empty"


def _prepare_account(obj: Obj, _old: Obj | None) -> None:
    """Its secrets are those of its namespace, told by their names.

    https://github.com/kubernetes/kubernetes/blob/release-1.32/pkg/registry/core/serviceaccount/strategy.go
    """
    secrets = obj.get("secrets")
    if isinstance(secrets, list) and all(isinstance(one, dict) and _is_texts(one.values()) for one in secrets):
        obj["secrets"] = [{"name": secret["name"]} if secret.get("name") else {} for secret in secrets]


def _is_texts(values: Iterable[Any]) -> bool:
    return all(value is None or isinstance(value, str) for value in values)


def _prepare_crd(obj: Obj, old: Obj | None) -> None:
    crd.fill_in(obj)
    if old is not None and not obj.get("status"):
        obj["status"] = crd.blank_status(obj)
    meta = obj["metadata"]
    finalizers = meta.get("finalizers") or []
    if CRD_FINALIZER not in finalizers and not meta.get("deletionTimestamp"):
        meta["finalizers"] = [*finalizers, CRD_FINALIZER]


def _unchanged(obj: Obj, old: Obj, field: str) -> Iterator[Cause]:
    if obj.get(field) != old.get(field):
        yield Cause("FieldValueInvalid", f'Invalid value: "{obj.get(field)}": field is immutable', field)


def _check_lease(obj: Obj, _old: Obj | None) -> Iterator[Cause]:
    """https://github.com/kubernetes/kubernetes/blob/release-1.32/pkg/apis/coordination/validation/validation.go"""
    spec = obj.get("spec") or {}
    lasts, times = spec.get("leaseDurationSeconds"), spec.get("leaseTransitions")
    if lasts is not None and lasts <= 0:
        yield invalid("spec.leaseDurationSeconds", lasts, "must be greater than 0")
    if times is not None and times < 0:
        yield invalid("spec.leaseTransitions", times, "must be greater than or equal to 0")


def _check_revision(obj: Obj, old: Obj | None) -> Iterator[Cause]:
    """https://github.com/kubernetes/kubernetes/blob/release-1.32/pkg/apis/apps/validation/validation.go"""
    if obj.get("data") is None:
        yield required("data", "data is mandatory")
    if (number := obj.get("revision") or 0) < 0:
        yield invalid("revision", number, "must be greater than or equal to 0")
    if old is not None:
        yield from _unchanged(obj, old, "data")


def _check_endpoints(obj: Obj, old: Obj | None) -> Iterator[Cause]:
    """https://github.com/kubernetes/kubernetes/blob/release-1.32/pkg/apis/discovery/validation/validation.go"""
    if old is not None:
        yield from _unchanged(obj, old, "addressType")
    kind = obj["addressType"]
    for index, endpoint in enumerate(obj.get("endpoints") or ()):
        for place, address in enumerate(endpoint["addresses"]):
            field = f"endpoints[{index}].addresses[{place}]"
            yield from endpoint_addresses.check(kind, address, field)
        name = endpoint.get("hostname")
        for why in label_faults(name) if name is not None else ():
            yield Cause("FieldValueInvalid", f'Invalid value: "{name}": {why}', f"endpoints[{index}].hostname")
        node = endpoint.get("nodeName")
        for why in subdomain_faults(node) if node is not None else ():
            yield invalid(f"endpoints[{index}].nodeName", node, why)
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


def _same_in_all_versions(check: Callable[[Obj, Obj | None], Iterable[Cause]]) -> Check:
    return lambda _resource, obj, old: check(obj, old)


_STRATEGIES = {
    NAMESPACES: Strategy(_prepare_namespace, _same_in_all_versions(_check_namespace), fill_in=_name_namespace),
    "/secrets": Strategy(data_kinds.prepare_secret, _same_in_all_versions(data_kinds.check_secret)),
    "/configmaps": Strategy(data_kinds.prepare_config_map, _same_in_all_versions(data_kinds.check_config_map)),
    "/serviceaccounts": Strategy(_prepare_account),
    "coordination.k8s.io/leases": Strategy(micro_times.prepare_lease, _same_in_all_versions(_check_lease)),
    EVENTS: Strategy(micro_times.prepare_event, event_kinds.check),
    ROLES: Strategy(check=_same_in_all_versions(rbac_kinds.check_role)),
    CLUSTER_ROLES: Strategy(check=_same_in_all_versions(rbac_kinds.check_cluster_role)),
    ROLE_BINDINGS: Strategy(rbac_kinds.prepare_binding, _same_in_all_versions(rbac_kinds.check_role_binding)),
    CLUSTER_ROLE_BINDINGS: Strategy(
        rbac_kinds.prepare_binding, _same_in_all_versions(rbac_kinds.check_cluster_role_binding)
    ),
    "apps/controllerrevisions": Strategy(check=_same_in_all_versions(_check_revision)),
    "discovery.k8s.io/endpointslices": Strategy(check=_same_in_all_versions(_check_endpoints)),
    CRDS: Strategy(_prepare_crd, _same_in_all_versions(_check_crd), crd.prune),
}
