"""Objects between the version asked for and the version stored. Pure.

Versions of a CRD differ by their apiVersion alone (`conversion: None`); the two Event APIs share one store, in the
words of core/v1: https://github.com/kubernetes/kubernetes/blob/master/pkg/apis/core/v1/conversion.go is what the
real server does for them.
"""

from collections.abc import Mapping
from typing import Any

from starlink.apiserver.resources.resource import Resource

Obj = dict[str, Any]

_CORE_OF_NEW = {
    "regarding": "involvedObject",
    "note": "message",
    "reportingController": "reportingComponent",
    "deprecatedSource": "source",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedCount": "count",
}
_NEW_OF_CORE = {core: new for new, core in _CORE_OF_NEW.items()}
_EVENTS = "events.k8s.io"


def converts(resource: Resource) -> bool:
    """Whether more than the apiVersion differs in the store."""
    return resource.group == _EVENTS


def to_stored(resource: Resource, obj: Obj) -> Obj:
    """The object as it is stored."""
    if not converts(resource):
        return obj if resource.stored_version in ("", obj["apiVersion"]) else _at(obj, resource.stored_version)
    return _renamed(_at(obj, "v1"), _CORE_OF_NEW)


def from_stored(resource: Resource, obj: Obj) -> Obj:
    """The stored object as the resource's version has it."""
    if not converts(resource):
        return obj if obj["apiVersion"] == resource.api_version else _at(obj, resource.api_version)
    return _renamed(_at(obj, resource.api_version), _NEW_OF_CORE)


def field_name(resource: Resource, stored: str) -> str:
    """What the resource's version calls a field that is `stored` under this name."""
    name, dot, rest = stored.partition(".")
    return f"{_NEW_OF_CORE.get(name, name)}{dot}{rest}" if converts(resource) else stored


def _at(obj: Obj, api_version: str) -> Obj:
    return {**obj, "apiVersion": api_version}


def _renamed(obj: Obj, names: Mapping[str, str]) -> Obj:
    return {names.get(name, name): value for name, value in obj.items()}
