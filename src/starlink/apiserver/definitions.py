"""The life of CustomResourceDefinitions: what they add to the registry, and what is said of them."""

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from starlink.apiserver import crd, encoding
from starlink.apiserver.encoding import Obj
from starlink.apiserver.errors import StatusError
from starlink.apiserver.names import CRDS
from starlink.apiserver.objects import Objects, Written
from starlink.apiserver.options import WriteOptions
from starlink.apiserver.resource import Registry, Resource
from starlink.store.base import Change, Event, Expired, Record, StoreUnavailable

log = logging.getLogger(__name__)


class Definitions:
    """Keeps the registry as the stored CRDs say."""

    def __init__(self, objects: Objects, registry: Registry) -> None:
        self._objects = objects
        self._registry = registry

    async def load(self) -> None:
        """Serves every stored CRD. One that no longer compiles is logged and not served."""
        for record in self._objects.store.list(CRDS):
            self._serve(record)

    async def run(self) -> None:
        """Follows what others write, deletions above all, until cancelled."""
        while True:
            with contextlib.suppress(Expired):
                watch = self._objects.store.watch(CRDS, None, self._objects.store.revision)
                try:
                    async for events in watch:
                        for event in events:
                            self._follow(event)
                except StoreUnavailable:
                    return
            await asyncio.sleep(0)

    def _follow(self, event: Event) -> None:
        if event.change is Change.DELETE:
            plural, _, group = event.record.key.name.partition(".")
            self._registry.remove(group, plural)
        else:
            self._serve(event.record)

    async def written(self, resource: Resource, written: Written) -> Written:
        """After an object was written: a CRD is served and said to be Established."""
        if resource.storage != CRDS or written.record is None:
            return written
        obj = encoding.raw(written.record)
        if obj["metadata"].get("deletionTimestamp"):
            return written
        conflict = self._name_conflict(obj)
        if conflict is None:
            self._serve(written.record)
        told = await self._objects.update(
            resource,
            "",
            obj["metadata"]["name"],
            lambda now: {**now, "status": _status(now, conflict)},
            WriteOptions(field_validation="Ignore", manager="kube-apiserver"),
            subresource="status",
        )
        return replace(told, warnings=written.warnings, created=written.created)

    def _name_conflict(self, obj: Obj) -> str | None:
        """Why the names can't be served, None when they can."""
        spec = obj["spec"]
        names = spec["names"]
        for other in self._registry.all():
            if other.group != spec["group"] or other.plural == names["plural"]:
                continue
            if other.kind == names["kind"]:
                return f'"{names["kind"]}" is already in use'
            taken = {other.singular, other.plural, *other.short_names} & set(names.get("shortNames") or ())
            if taken:
                return f'"{sorted(taken)[0]}" is already in use'
        return None

    def _serve(self, record: Record) -> None:
        obj = encoding.raw(record)
        try:
            resources = crd.resources(obj)
        except StatusError as error:
            log.error("a CRD is not served: %s", error, extra={"crd": obj["metadata"]["name"]})
            return
        group, plural = obj["spec"]["group"], obj["spec"]["names"]["plural"]
        if self._name_conflict(obj) is not None:
            return
        before = {r.version: r for r in self._registry.all() if (r.group, r.plural) == (group, plural)}
        served = [_since(resource, before, record.revision) for resource in resources]
        if {r.version: r for r in served} == before:
            return
        self._registry.remove(group, plural)
        for resource in served:
            self._registry.add(resource)

    async def apply(self, resource: Resource, wanted: Obj) -> None:
        """Creates the CRD, or makes its spec what is wanted, and says Established."""
        name = wanted["metadata"]["name"]
        options = WriteOptions(manager="starlink")
        if self._objects.exists(resource, "", name):
            written = await self._objects.update(
                resource, "", name, lambda obj: {**obj, "spec": wanted["spec"]}, options
            )
        else:
            written = await self._objects.create(resource, "", wanted, options)
        await self.written(resource, written)


def _since(resource: Resource, before: Mapping[str, Resource], revision: int) -> Resource:
    """The resource, with the revision since which its objects were written by this schema."""
    known = before.get(resource.version)
    return replace(resource, since=known.since if known and known.schema is resource.schema else revision)


def _status(obj: Obj, conflict: str | None) -> dict[str, Any]:
    """The status of a CRD, whose names may be in use by another."""
    told = [
        ("NamesAccepted", "NoConflicts", "no conflicts found"),
        ("Established", "InitialNamesAccepted", "the initial names have been accepted"),
    ]
    if conflict is not None:
        told = [
            ("NamesAccepted", "NamesConflict", conflict),
            ("Established", "NotAccepted", "not all names are accepted"),
        ]
    status = "True" if conflict is None else "False"
    before = obj.get("status") or {}
    stored = [version["name"] for version in obj["spec"]["versions"] if version.get("storage")]
    kept = [name for name in before.get("storedVersions") or () if name not in stored]
    return {
        "conditions": [_condition(before, obj, type_, status, reason, text) for type_, reason, text in told],
        "acceptedNames": obj["spec"]["names"] if conflict is None else before.get("acceptedNames") or {},
        "storedVersions": [*kept, *stored],
    }


def _condition(before: Obj, obj: Obj, type_: str, status: str, reason: str, message: str) -> Obj:
    known = next((c for c in before.get("conditions") or () if c.get("type") == type_), None)
    same = known is not None and known.get("status") == status
    since = known["lastTransitionTime"] if known and same else obj["metadata"]["creationTimestamp"]
    return {"type": type_, "status": status, "reason": reason, "message": message, "lastTransitionTime": since}
