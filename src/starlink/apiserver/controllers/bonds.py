"""What an object's reference to an owner comes to. Pure.

An owner is the object at the place that its reference names, with the uid that it names: apiVersion, kind, name, and
the namespace of the dependent, for a reference names none.
https://kubernetes.io/docs/concepts/overview/working-with-objects/owners-dependents/
"""

import hashlib
from collections.abc import Callable
from enum import Enum, auto

from starlink.api.event import About, Source, event
from starlink.api.meta import ObjectKey
from starlink.apiserver.controllers.ownership import UNKNOWN, Owner
from starlink.apiserver.resources.encoding import Obj
from starlink.apiserver.resources.resource import Registry, Resource
from starlink.store.base import Key

REASON = "OwnerRefInvalidNamespace"
SOURCE = Source("garbage-collector-controller")
_LONGEST = 200


class Bond(Enum):
    """How an object stands to one of its owners."""

    SOLID = auto()
    GONE = auto()
    """There is no such object where the reference says."""
    UNRESOLVED = auto()
    """Nobody knows such a kind now."""
    MISPLACED = auto()
    """The owner has a namespace, and its dependent has none."""


class Kinds:
    """The resources by apiVersion and kind, remembered for as long as the same ones are served."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._known: dict[tuple[str, str], Resource] = {}
        self.generation = -1

    def find(self, owner: Owner) -> Resource | None:
        if self._registry.generation != self.generation:
            self.generation = self._registry.generation
            self._known = {(one.api_version, one.kind): one for one in self._registry.all()}
        return self._known.get((owner.apiVersion, owner.kind))


def bond(dependent: Key, owner: Owner, kind: Resource | None, uid_at: Callable[[Key], str | None]) -> Bond:
    """`kind` is what the reference names, `uid_at` gives the uid of what is at a key."""
    if kind is None:
        return Bond.UNRESOLVED
    if kind.namespaced and not dependent.namespace:
        return Bond.MISPLACED
    place = Key(kind.storage, dependent.namespace if kind.namespaced else "", owner.name)
    return Bond.SOLID if uid_at(place) in (owner.uid, UNKNOWN) else Bond.GONE


def invalid_namespace(resource: Resource, dependent: Key, uid: str, owner: Owner, now: float) -> Obj:
    """The Event of a dependent whose owner is in a namespace where it can't be one; its name is always the same.

    https://github.com/kubernetes/kubernetes/blob/master/pkg/controller/garbagecollector/graph_builder.go
    (reportInvalidNamespaceOwnerRef)
    """
    told = f"[{owner.apiVersion}/{owner.kind}, namespace: {dependent.namespace}, name: {owner.name}, uid: {owner.uid}]"
    digest = hashlib.sha256(f"{uid} {told}".encode(errors="surrogatepass")).hexdigest()[:16]
    about = About(resource.api_version, resource.kind, ObjectKey(dependent.namespace, dependent.name), uid)
    message = f'ownerRef {told} does not exist in namespace "{dependent.namespace}"'[:1024]
    return event(about, SOURCE, f"{dependent.name[:_LONGEST]}.{digest}", "Warning", REASON, message, now)
