"""The life of CustomResourceDefinitions: what they add to the registry, and what is said of them."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from starlink.api.errors import StatusError
from starlink.apiserver import aside
from starlink.apiserver.definitions import crd
from starlink.apiserver.definitions.stored import StoredSchema
from starlink.apiserver.names import CRDS
from starlink.apiserver.objects import Objects, Written
from starlink.apiserver.objects.bringing import bring
from starlink.apiserver.objects.options import WriteOptions
from starlink.apiserver.resources import encoding
from starlink.apiserver.resources.encoding import Obj
from starlink.apiserver.resources.resource import Registry, Resource
from starlink.store.base import Change, Event, Expired, Key, Record, StoreUnavailable

log = logging.getLogger(__name__)

_OWN_WRITE = WriteOptions(field_validation="Ignore", manager="kube-apiserver")


class Definitions:
    """Keeps the registry as the stored CRDs say. `withdrawn` is called with the group and the plural of each kind that
    is served no more, or otherwise than before."""

    def __init__(
        self,
        objects: Objects,
        registry: Registry,
        withdrawn: Callable[[str, str], None] = lambda group, plural: None,
    ) -> None:
        self._objects = objects
        self._registry = registry
        self._withdrawn = withdrawn
        self._ending: set[tuple[str, str]] = set()
        self._current: dict[str, int] = {}

    async def load(self) -> None:
        """Serves every stored CRD, and none that is gone. One that no longer compiles is logged and not served."""
        stored = {record.key.name: record for record in self._objects.store.list(CRDS)}
        for resource in self._registry.all():
            if resource.custom and f"{resource.plural}.{resource.group}" not in stored:
                self._withdraw(resource.group, resource.plural)
        for record in stored.values():
            await self._serve(record)

    async def run(self) -> None:
        """Follows what others write, deletions above all, until cancelled."""
        while True:
            with contextlib.suppress(Expired):
                watch = self._objects.store.watch(CRDS, None, self._objects.store.revision)
                await self.load()  # what was written before the watch began
                try:
                    async for events in watch:
                        for event in events:
                            await self._follow(event)
                except StoreUnavailable:
                    return
            await asyncio.sleep(0)

    async def _follow(self, event: Event) -> None:
        if event.change is Change.DELETE:
            plural, _, group = event.record.key.name.partition(".")
            self._withdraw(group, plural)
            self._ending.discard((group, plural))
            self._current.pop(f"{group}/{plural}", None)
            await self._serve_freed(group)
            return
        obj = await _read(event.record)
        if not obj["metadata"].get("deletionTimestamp"):
            await self._serve(event.record)
        elif condition_of(obj, "Terminating") is None:
            self._ending.add((obj["spec"]["group"], obj["spec"]["names"]["plural"]))
            await self._write_status(obj["metadata"]["name"], _terminating)

    async def _serve_freed(self, group: str) -> None:
        """Looks again at those CRDs of a group whose names were taken."""
        for record in tuple(self._objects.store.list(CRDS)):
            obj = await _read(record)
            refused = (condition_of(obj, "NamesAccepted") or {}).get("status") == "False"
            if refused and obj["spec"]["group"] == group and self._name_conflict(obj["spec"]) is None:
                await self._serve(record)
                await self._write_status(obj["metadata"]["name"], lambda now: _status(now, None))

    async def _write_status(self, name: str, status: Callable[[Obj], Obj]) -> None:
        crds = self._registry.stored(CRDS)
        assert crds is not None
        record = self._objects.store.latest(Key(CRDS, "", name))
        options = replace(_OWN_WRITE, weight=len(record.body) if record is not None else 0)
        with contextlib.suppress(StatusError):  # it has gone meanwhile
            await self._objects.update(
                crds, "", name, lambda now: {**now, "status": status(now)}, options, subresource="status"
            )

    async def make_ready(self, resource: Resource, *, reads: bool) -> None:
        """Has the schema of a custom kind compiled before it is needed, beside the loop: for writes, and for reads of
        what was written by an older one. Raises StatusError 500 when it can't be."""
        if isinstance(resource.schema, StoredSchema) and not (reads and self._is_current(resource)):
            await resource.schema.ready()

    def _is_current(self, resource: Resource) -> bool:
        """Whether all objects were written by the schema of today; once they were, they stay so."""
        since = self._current.get(resource.storage)
        if since != resource.since:
            stored = self._objects.store.list(resource.storage)
            if any(record.revision < resource.since for record in stored):
                return False
            self._current[resource.storage] = resource.since
        return True

    def check_creation(self, resource: Resource) -> None:
        """Raises StatusError 405 when the kind is on its way out.

        https://github.com/kubernetes/apiextensions-apiserver/blob/release-1.32/pkg/apiserver/customresource_handler.go
        """
        if (resource.group, resource.plural) in self._ending:
            why = "create not allowed while custom resource definition is terminating"
            raise StatusError(405, "MethodNotAllowed", why, resource.group, resource.plural)

    async def written(self, resource: Resource, written: Written) -> Written:
        """After an object was written: a CRD is served and said to be Established."""
        if resource.storage != CRDS or written.record is None:
            return written
        obj = await _read(written.record)
        if obj["metadata"].get("deletionTimestamp"):
            return written
        conflict = self._name_conflict(obj["spec"])
        if conflict is None:
            await self._serve(written.record)
        told = await self._objects.update(
            resource,
            "",
            obj["metadata"]["name"],
            lambda now: {**now, "status": _status(now, conflict)},
            replace(_OWN_WRITE, weight=len(written.body)),
            subresource="status",
        )
        return Written(told.body, written.warnings, told.record, written.created)

    def _name_conflict(self, spec: Obj) -> tuple[str, str] | None:
        """The reason and the message why the names of a spec can't be served, None when they can."""
        names = spec["names"]
        others = [r for r in self._registry.all() if r.group == spec["group"] and r.plural != names["plural"]]
        resources = {name for other in others for name in (other.singular, other.plural, *other.short_names)}
        kinds = {name for other in others for name in (other.kind, other.list_kind)}
        found = None
        for reason, wanted, taken in (
            ("PluralConflict", [names["plural"]], resources),
            ("SingularConflict", [names.get("singular") or names["kind"].lower()], resources),
            ("ShortNamesConflict", names.get("shortNames") or [], resources),
            ("KindConflict", [names["kind"]], kinds),
            ("ListKindConflict", [names.get("listKind") or f"{names['kind']}List"], kinds),
        ):
            clash = next((name for name in wanted if name in taken), None)
            found = (reason, f'"{clash}" is already in use') if clash else found
        return found

    async def _serve(self, record: Record) -> None:
        """Serves the CRD as it is once it is read, which is done beside the loop."""
        try:
            resources = await aside.run(len(record.body), lambda: crd.resources(record.body))
        except StatusError as error:
            log.error("a CRD is not served: %s", error, extra={"crd": record.key.name})
            return
        newest = self._objects.store.get(record.key)
        if newest is None:
            return
        if newest.revision > record.revision:
            await self._serve(newest)
            return
        if any(self._name_conflict(_names(resource)) is not None for resource in resources[:1]):
            return
        plural, _, group = record.key.name.partition(".")
        before = {r.version: r for r in self._registry.all() if (r.group, r.plural) == (group, plural)}
        served = [_since(resource, before, record.revision) for resource in resources]
        if {r.version: r for r in served} == before:
            return
        self._withdraw(group, plural, served)
        for resource in served:
            self._registry.add(resource)

    def _withdraw(self, group: str, plural: str, followed_by: Sequence[Resource] = ()) -> None:
        """Serves a kind no more, and keeps nothing compiled of it but what those that follow it have too."""
        before = {one.schema for one in self._registry.all() if (one.group, one.plural) == (group, plural)}
        self._registry.remove(group, plural)
        self._withdrawn(group, plural)
        for schema in before - {one.schema for one in followed_by}:
            if isinstance(schema, StoredSchema):
                schema.let_go()

    async def apply(self, resource: Resource, wanted: Obj) -> None:
        """Creates the CRD, or makes its spec, labels and annotations what is wanted, and says Established."""
        await self.written(resource, await bring(self._objects, resource, wanted))


async def _read(record: Record) -> Obj:
    """A CRD, which may be large, decoded beside the loop."""
    return await aside.run(len(record.body), lambda: encoding.raw(record))


def _names(resource: Resource) -> Obj:
    """The names of a resource, as the spec of its CRD has them."""
    return {
        "group": resource.group,
        "names": {
            "plural": resource.plural, "singular": resource.singular, "shortNames": resource.short_names,
            "kind": resource.kind, "listKind": resource.list_kind,
        },
    }  # fmt: skip


def _since(resource: Resource, before: Mapping[str, Resource], revision: int) -> Resource:
    """The resource, with the revision since which its objects were written by this schema."""
    known = before.get(resource.version)
    return replace(resource, since=known.since if known and known.schema == resource.schema else revision)


def _status(obj: Obj, conflict: tuple[str, str] | None) -> dict[str, Any]:
    """The status of a CRD, whose names may be in use by another."""
    told = [
        ("NamesAccepted", "NoConflicts", "no conflicts found"),
        ("Established", "InitialNamesAccepted", "the initial names have been accepted"),
    ]
    if conflict is not None:
        told = [
            ("NamesAccepted", *conflict),
            ("Established", "NotAccepted", "not all names are accepted"),
        ]
    status = "True" if conflict is None else "False"
    before = obj.get("status") or {}
    stored = [version["name"] for version in obj["spec"]["versions"] if version.get("storage")]
    kept = [name for name in before.get("storedVersions") or () if name not in stored]
    return {
        "conditions": [_condition(before, obj, type_, status, reason, text) for type_, reason, text in told],
        "acceptedNames": obj["spec"]["names"]
        if conflict is None
        else before.get("acceptedNames") or {"plural": "", "kind": ""},
        "storedVersions": [*kept, *stored],
    }


def condition_of(obj: Obj, type_: str) -> Obj | None:
    """A condition of the CRD, None when it is not there."""
    found = (obj.get("status") or {}).get("conditions") or ()
    return next((one for one in found if one.get("type") == type_), None)


def _terminating(obj: Obj) -> Obj:
    """The status of a CRD that waits for its objects to go."""
    status = obj.get("status") or {}
    told = {
        "type": "Terminating",
        "status": "True",
        "reason": "InstanceDeletionInProgress",
        "message": "CustomResource deletion is in progress",
        "lastTransitionTime": obj["metadata"]["deletionTimestamp"],
    }
    kept = [one for one in status.get("conditions") or () if one.get("type") != "Terminating"]
    return {**status, "conditions": [*kept, told]}


def _condition(before: Obj, obj: Obj, type_: str, status: str, reason: str, message: str) -> Obj:
    known = next((c for c in before.get("conditions") or () if c.get("type") == type_), None)
    since = known.get("lastTransitionTime") if known is not None and known.get("status") == status else None
    since = since or obj["metadata"]["creationTimestamp"]
    return {"type": type_, "status": status, "reason": reason, "message": message, "lastTransitionTime": since}
