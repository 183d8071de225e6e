"""What holds of single built-in kinds beyond their schema. Pure."""

import base64
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from starlink.apiserver import crd, rbac_kinds
from starlink.apiserver.authorizer import CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, ROLE_BINDINGS, ROLES
from starlink.apiserver.errors import Cause
from starlink.apiserver.names import CRD_FINALIZER
from starlink.apiserver.resource import Resource

Obj = dict[str, Any]

MAX_DATA = 1024 * 1024
_DATA_KEY = re.compile(r"^[-._a-zA-Z0-9]{1,253}$")
_KEY_RULE = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name', or 'KEY_NAME', "
    "or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)


def prepare(resource: Resource, obj: Obj, old: Obj | None) -> None:
    """Puts into `obj` what the kind itself says, before it is checked."""
    step = _PREPARE.get(resource.storage)
    if step is not None:
        step(obj, old)


def check(resource: Resource, obj: Obj, old: Obj | None) -> Iterable[Cause]:
    """Why the kind refuses `obj`."""
    step = _CHECK.get(resource.storage)
    return step(obj, old) if step is not None else ()


def _prepare_secret(obj: Obj, _old: Obj | None) -> None:
    text = obj.pop("stringData", None)
    if text:
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in text.items() if value is not None}
        obj["data"] = {**(obj.get("data") or {}), **encoded}


def _prepare_crd(obj: Obj, _old: Obj | None) -> None:
    meta = obj["metadata"]
    finalizers = meta.get("finalizers") or []
    if CRD_FINALIZER not in finalizers and not meta.get("deletionTimestamp"):
        meta["finalizers"] = [*finalizers, CRD_FINALIZER]


def _check_secret(obj: Obj, old: Obj | None) -> Iterator[Cause]:
    yield from _check_data(obj, ("data",))
    if old is not None:
        yield from _check_frozen(obj, old, ("data",))
        yield from _unchanged(obj, old, "type")


def _check_config_map(obj: Obj, old: Obj | None) -> Iterator[Cause]:
    yield from _check_data(obj, ("data", "binaryData"))
    for key in sorted(set(obj.get("data") or ()) & set(obj.get("binaryData") or ())):
        yield Cause("FieldValueInvalid", f'Invalid value: "{key}": duplicate of key present in binaryData', "data")
    if old is not None:
        yield from _check_frozen(obj, old, ("data", "binaryData"))


def _check_data(obj: Obj, fields: tuple[str, ...]) -> Iterator[Cause]:
    size = 0
    for field in fields:
        for key, value in (obj.get(field) or {}).items():
            size += len(value or "")
            if not _DATA_KEY.match(key) or key in (".", "..") or key.startswith(".."):
                yield Cause("FieldValueInvalid", f'Invalid value: "{key}": {_KEY_RULE}', f"{field}[{key}]")
    if size > MAX_DATA * 4 // 3:
        yield Cause("FieldValueTooLong", f"Too long: may not be more than {MAX_DATA} bytes", "")


def _check_frozen(obj: Obj, old: Obj, fields: tuple[str, ...]) -> Iterator[Cause]:
    if not old.get("immutable"):
        return
    why = "Forbidden: field is immutable when `immutable` is set"
    if not obj.get("immutable"):
        yield Cause("FieldValueForbidden", why, "immutable")
    for field in fields:
        if (obj.get(field) or {}) != (old.get(field) or {}):
            yield Cause("FieldValueForbidden", why, field)


def _unchanged(obj: Obj, old: Obj, field: str) -> Iterator[Cause]:
    if obj.get(field) != old.get(field):
        yield Cause("FieldValueInvalid", f'Invalid value: "{obj.get(field)}": field is immutable', field)


def _check_revision(obj: Obj, old: Obj | None) -> Iterator[Cause]:
    if old is not None:
        yield from _unchanged(obj, old, "data")


def _check_endpoints(obj: Obj, old: Obj | None) -> Iterator[Cause]:
    if old is not None:
        yield from _unchanged(obj, old, "addressType")


def _check_crd(obj: Obj, old: Obj | None) -> Iterator[Cause]:
    yield from crd.validate(obj)
    if old is not None:
        yield from crd.validate_change(obj, old)


_PREPARE: dict[str, Callable[[Obj, Obj | None], None]] = {
    "/secrets": _prepare_secret,
    ROLE_BINDINGS: rbac_kinds.prepare_binding,
    CLUSTER_ROLE_BINDINGS: rbac_kinds.prepare_binding,
    "apiextensions.k8s.io/customresourcedefinitions": _prepare_crd,
}
_CHECK: dict[str, Callable[[Obj, Obj | None], Iterable[Cause]]] = {
    "/secrets": _check_secret,
    "/configmaps": _check_config_map,
    ROLES: rbac_kinds.check_role,
    CLUSTER_ROLES: rbac_kinds.check_cluster_role,
    ROLE_BINDINGS: rbac_kinds.check_role_binding,
    CLUSTER_ROLE_BINDINGS: rbac_kinds.check_cluster_role_binding,
    "apps/controllerrevisions": _check_revision,
    "discovery.k8s.io/endpointslices": _check_endpoints,
    "apiextensions.k8s.io/customresourcedefinitions": _check_crd,
}
