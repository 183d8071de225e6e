"""The objects that parameterize a policy.

Source: https://github.com/kubernetes/apiserver/blob/master/pkg/admission/plugin/policy/generic/policy_dispatcher.go
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlink.apiserver.resources import label_selector
from starlink.apiserver.resources.encoding import Obj, to_object
from starlink.apiserver.resources.resource import Registry, Resource
from starlink.store.base import Key, Record, Store


class BadConfiguration(Exception):
    """A policy or binding that can't be used as it is; the message is the real server's."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """What is stored where a binding's paramRef points to: all that its selector, if any, is to choose from."""

    of: Resource
    ref: Mapping[str, Any]
    records: Sequence[Record]

    def objects(self) -> list[Obj]:
        """What the paramRef means. Raises BadConfiguration."""
        objects = [to_object(record, self.of) for record in self.records]
        if not self.ref.get("name"):
            selector = self.ref.get("selector")
            objects = [o for o in objects if label_selector.selects(selector, o["metadata"].get("labels") or {})]
        if not objects and self.ref.get("parameterNotFoundAction") == "Deny":
            raise BadConfiguration("no params found for policy binding with `Deny` parameterNotFoundAction")
        return objects


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


def stored(store: Store, of: Resource | None, ref: Mapping[str, Any] | None, namespace: str) -> Parameters | None:
    """The parameters of a binding, None where it has none; `namespace` is the request's. Raises BadConfiguration."""
    if of is None or ref is None:
        return None
    place = _namespace(of, ref, namespace)
    if not ref.get("name"):
        return Parameters(of, ref, store.list(of.storage, place if of.namespaced else None))
    record = store.get(Key(of.storage, place, ref["name"]))
    return Parameters(of, ref, () if record is None else (record,))


def _namespace(of: Resource, ref: Mapping[str, Any], namespace: str) -> str:
    given = ref.get("namespace") or ""
    if not of.namespaced:
        if given:
            raise BadConfiguration("paramRef.namespace must not be provided for a cluster-scoped `paramKind`")
        return ""
    if not given and not namespace:
        raise BadConfiguration("cannot use namespaced paramRef in policy binding that matches cluster-scoped resources")
    return str(given or namespace)
