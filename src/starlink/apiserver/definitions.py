"""The life of CustomResourceDefinitions: what they add to the registry, and what is said of them."""

import asyncio
import contextlib
import logging
from typing import Any

from starlink.apiserver import crd, encoding, errors
from starlink.apiserver.encoding import Obj
from starlink.apiserver.errors import StatusError
from starlink.apiserver.garbage import CRD_FINALIZER, CRDS
from starlink.apiserver.objects import Objects, WriteOptions, Written
from starlink.apiserver.resource import Registry, Resource
from starlink.store.base import Change, Expired, StoreUnavailable

log = logging.getLogger(__name__)


class Definitions:
    """Keeps the registry as the stored CRDs say."""

    def __init__(self, objects: Objects, registry: Registry) -> None:
        self._objects = objects
        self._registry = registry

    async def load(self) -> None:
        """Serves every stored CRD. One that no longer compiles is logged and not served."""
        for record in self._objects.store.list(CRDS):
            self._serve(encoding.to_object(record))

    async def run(self) -> None:
        """Follows changes that others make, deletions above all, until cancelled."""
        while True:
            with contextlib.suppress(Expired):
                watch = self._objects.store.watch(CRDS, None, self._objects.store.revision)
                try:
                    async for events in watch:
                        for event in events:
                            if event.change is Change.DELETE:
                                plural, _, group = event.record.key.name.partition(".")
                                self._registry.remove(group, plural)
                except StoreUnavailable:
                    return
            await asyncio.sleep(0)

    def admit(self, resource: Resource, obj: Obj) -> None:
        """Before a CRD is written: it must compile. Adds the finalizer that cleans up. Raises 422."""
        if resource.storage != CRDS:
            return
        causes = crd.validate(obj)
        if causes:
            name = str((obj.get("metadata") or {}).get("name", ""))
            raise errors.invalid(resource.group, resource.kind, name, tuple(causes))
        meta = obj.setdefault("metadata", {})
        if CRD_FINALIZER not in meta.setdefault("finalizers", []) and not meta.get("deletionTimestamp"):
            meta["finalizers"] = [*meta["finalizers"], CRD_FINALIZER]

    async def written(self, resource: Resource, written: Written) -> Written:
        """After an object was written: a CRD is served and said to be Established."""
        if resource.storage != CRDS or written.record is None:
            return written
        obj = encoding.to_object(written.record)
        if obj["metadata"].get("deletionTimestamp"):
            return written
        self._serve(obj)
        return await self._objects.update(
            resource,
            "",
            obj["metadata"]["name"],
            lambda now: {**now, "status": _established(now)},
            WriteOptions(field_validation="Ignore"),
            subresource="status",
        )

    def _serve(self, obj: Obj) -> None:
        try:
            resources = crd.resources(obj)
        except StatusError as error:
            log.error("a CRD is not served: %s", error, extra={"crd": obj["metadata"]["name"]})
            return
        group, plural = obj["spec"]["group"], obj["spec"]["names"]["plural"]
        self._registry.remove(group, plural)
        for resource in resources:
            self._registry.add(resource)

    async def apply(self, resource: Resource, wanted: Obj) -> None:
        """Creates the CRD, or makes its spec what is wanted, and says Established."""
        self.admit(resource, wanted)
        name = wanted["metadata"]["name"]
        if self._objects.exists(resource, "", name):
            written = await self._objects.update(
                resource, "", name, lambda obj: {**obj, "spec": wanted["spec"]}, WriteOptions()
            )
        else:
            written = await self._objects.create(resource, "", wanted, WriteOptions())
        await self.written(resource, written)


def _established(obj: Obj) -> dict[str, Any]:
    """The status of a CRD that is served."""
    since = obj["metadata"]["creationTimestamp"]
    conditions = [
        ("NamesAccepted", "NoConflicts", "no conflicts found"),
        ("Established", "InitialNamesAccepted", "the initial names have been accepted"),
    ]
    return {
        "conditions": [
            {
                "type": type_,
                "status": "True",
                "reason": reason,
                "message": message,
                "lastTransitionTime": since,
            }
            for type_, reason, message in conditions
        ],
        "acceptedNames": obj["spec"]["names"],
        "storedVersions": [version["name"] for version in obj["spec"]["versions"] if version.get("storage")],
    }
