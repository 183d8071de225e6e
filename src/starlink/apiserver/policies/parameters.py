"""The objects that parameterize a policy.

Source: https://github.com/kubernetes/apiserver/blob/master/pkg/admission/plugin/policy/generic/policy_dispatcher.go
"""

from collections.abc import Mapping, Sequence
from typing import Any

from starlink.apiserver.encoding import Obj, to_object
from starlink.apiserver.reading import label_selector
from starlink.apiserver.resource import Registry, Resource
from starlink.store.base import Key, Store


class BadConfiguration(Exception):
    """A policy or binding that can't be used as it is; the message is the real server's."""


def resource(registry: Registry, kind: Mapping[str, str] | None) -> Resource | None:
    """What a policy's paramKind means, None when it has none. Raises BadConfiguration."""
    if not kind:
        return None
    found = registry.find_kind(kind["apiVersion"], kind["kind"])
    if found is None:
        group, _, version = kind["apiVersion"].rpartition("/")
        shown = f"{group}/{version}, Kind={kind['kind']}"
        raise BadConfiguration(f"failed to find resource referenced by paramKind: '{shown}'")
    return found


def found(store: Store, of: Resource | None, ref: Mapping[str, Any] | None, namespace: str) -> Sequence[Obj | None]:
    """What a binding's paramRef means; None alone where there is no parameter to give.

    `namespace` is the request's. Raises BadConfiguration.
    """
    if of is None or ref is None:
        return (None,)
    place = _namespace(of, ref, namespace)
    objects = _named(store, of, place, ref["name"]) if ref.get("name") else _selected(store, of, place, ref)
    if not objects and ref.get("parameterNotFoundAction") == "Deny":
        raise BadConfiguration("no params found for policy binding with `Deny` parameterNotFoundAction")
    return objects


def _named(store: Store, of: Resource, namespace: str, name: str) -> list[Obj]:
    record = store.get(Key(of.storage, namespace, name))
    return [] if record is None else [to_object(record, of)]


def _selected(store: Store, of: Resource, namespace: str, ref: Mapping[str, Any]) -> list[Obj]:
    listed = store.list(of.storage, namespace if of.namespaced else None)
    objects = (to_object(record, of) for record in listed)
    return [o for o in objects if label_selector.selects(ref.get("selector"), o["metadata"].get("labels") or {})]


def _namespace(of: Resource, ref: Mapping[str, Any], namespace: str) -> str:
    given = ref.get("namespace") or ""
    if not of.namespaced:
        if given:
            raise BadConfiguration("paramRef.namespace must not be provided for a cluster-scoped `paramKind`")
        return ""
    if not given and not namespace:
        raise BadConfiguration("cannot use namespaced paramRef in policy binding that matches cluster-scoped resources")
    return str(given or namespace)
