"""Create, read, update and delete of one resource's objects: what the API does to what is kept."""

import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlink.api.timestamp import format_time
from starlink.apiserver import encoding, errors, metadata
from starlink.apiserver.encoding import Obj
from starlink.apiserver.errors import StatusError
from starlink.apiserver.resource import Resource
from starlink.store.base import Conflict, Key, Record, Store, StoreUnavailable

MAX_OBJECT = 1_500_000
FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"
_GENERATED = "bcdfghjklmnpqrstvwxz2456789"
_RETRIES = 16
_OURS = (
    "name",
    "namespace",
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
)
MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """How a write is to be done. `field_validation` is Strict, Warn or Ignore."""

    dry_run: bool = False
    field_validation: str = "Warn"


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """What must hold of the object, and what becomes of its dependents."""

    uid: str = ""
    resource_version: str = ""
    propagation: str = ""  # Background, Foreground, Orphan
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Written:
    """An object as it is after a write, and warnings for its writer."""

    body: bytes
    warnings: tuple[str, ...] = ()
    record: Record | None = None  # None after a dry run


class Objects:
    """The objects in a store, by the rules of the Kubernetes API."""

    def __init__(self, store: Store, now: Callable[[], float], rng: random.Random) -> None:
        self.store = store
        self._now = now
        self._random = rng

    # Reading

    def record(self, resource: Resource, namespace: str, name: str) -> Record:
        """Raises StatusError 404."""
        record = self.store.get(Key(resource.storage, namespace, name))
        if record is None:
            raise errors.not_found(resource.group, resource.plural, name)
        return record

    def exists(self, resource: Resource, namespace: str, name: str) -> bool:
        return self.store.get(Key(resource.storage, namespace, name)) is not None

    # Creating

    async def create(self, resource: Resource, namespace: str, obj: Obj, options: WriteOptions) -> Written:
        """Raises StatusError: 400, 404 (namespace), 409, 413, 422."""
        check_envelope(resource, namespace, "", obj)
        obj, warnings = self._shaped(resource, obj, None, options)
        if resource.status and resource.custom:
            obj.pop("status", None)
        self._stamp(resource, namespace, obj)
        self._validate(resource, obj, None)
        body = _sized(obj)
        key = Key(resource.storage, namespace, obj["metadata"]["name"])
        if options.dry_run:
            if self.store.latest(key) is not None:
                raise errors.already_exists(resource.group, resource.plural, key.name)
            return Written(body, warnings)
        try:
            record = await self._put(key, body, 0)
        except Conflict:
            raise errors.already_exists(resource.group, resource.plural, key.name) from None
        return Written(encoding.to_wire(record), warnings, record)

    def _stamp(self, resource: Resource, namespace: str, obj: Obj) -> None:
        """Fills in what only the server says."""
        meta = obj["metadata"]
        if not meta.get("name"):
            prefix = meta.get("generateName")
            if not prefix:
                cause = errors.Cause(
                    "FieldValueRequired", "Required value: name or generateName is required", "metadata.name"
                )
                raise errors.invalid(resource.group, resource.kind, "", (cause,))
            meta["name"] = prefix + "".join(self._random.choices(_GENERATED, k=5))
        for field in (
            "resourceVersion",
            "managedFields",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "selfLink",
        ):
            meta.pop(field, None)
        if resource.namespaced:
            meta["namespace"] = namespace
        else:
            meta.pop("namespace", None)
        meta["uid"] = str(uuid.UUID(int=self._random.getrandbits(128), version=4))
        meta["creationTimestamp"] = format_time(self._now())
        meta.pop("generation", None)
        if resource.generation:
            meta["generation"] = 1

    # Updating

    async def update(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        change: Callable[[Obj], Obj],
        options: WriteOptions,
        *,
        subresource: str = "",
    ) -> Written:
        """Writes `change(current)`; tried again on a race unless the result names a resourceVersion.

        Raises StatusError: 404, 409, and as `create`.
        """
        key = Key(resource.storage, namespace, name)
        for _ in range(_RETRIES):
            current = self.store.latest(key)
            if current is None:
                raise errors.not_found(resource.group, resource.plural, name)
            try:
                return await self._update_once(resource, current, change, options, subresource)
            except Conflict:
                continue
        raise errors.conflict(resource.group, resource.plural, name, MODIFIED)

    async def _update_once(
        self,
        resource: Resource,
        current: Record,
        change: Callable[[Obj], Obj],
        options: WriteOptions,
        subresource: str,
    ) -> Written:
        old = encoding.to_object(current)
        wanted = change(old)
        check_envelope(resource, current.key.namespace, current.key.name, wanted)
        _check_preconditions(resource, old, wanted["metadata"])
        shaped, warnings = self._shaped(resource, wanted, old, options)
        new = _merged(resource, old, shaped, subresource)
        self._validate(resource, new, old)
        _count_generation(resource, old, new)
        body = _sized(new)
        if body == current.body:
            return Written(encoding.to_wire(current), warnings, current)
        if options.dry_run:
            return Written(encoding.dump({**new}), warnings)
        if new["metadata"].get("deletionTimestamp") and not _finalizers(new) and not _has_contents(resource):
            record = await self._delete(current)
            return Written(encoding.to_wire(Record(record.key, record.revision, body)), warnings, record)
        record = await self._put(current.key, body, current.revision)
        return Written(encoding.to_wire(record), warnings, record)

    # Deleting

    async def delete(self, resource: Resource, namespace: str, name: str, options: DeleteOptions) -> tuple[bytes, bool]:
        """Deletes, or marks for deletion while finalizers remain.

        Gives the answer's body, and whether the object is gone. Raises StatusError 404 or 409.
        """
        key = Key(resource.storage, namespace, name)
        for _ in range(_RETRIES):
            current = self.store.latest(key)
            if current is None:
                raise errors.not_found(resource.group, resource.plural, name)
            try:
                return await self._delete_once(resource, current, options)
            except Conflict:
                continue
        raise errors.conflict(resource.group, resource.plural, name, MODIFIED)

    async def _delete_once(self, resource: Resource, current: Record, options: DeleteOptions) -> tuple[bytes, bool]:
        obj = encoding.to_object(current)
        meta = obj["metadata"]
        _check_delete_preconditions(resource, meta, options)
        finalizers = _finalizers(obj)
        if not meta.get("deletionTimestamp"):
            finalizers = _with_propagation(finalizers, options.propagation)
        if options.dry_run:
            return _deleted_status(resource, meta), False
        if not finalizers and not _has_contents(resource):
            await self._delete(current)
            return _deleted_status(resource, meta), True
        if meta.get("deletionTimestamp") and finalizers == _finalizers(obj):
            return encoding.to_wire(current), False
        meta["finalizers"] = finalizers
        meta.setdefault("deletionTimestamp", format_time(self._now()))
        meta.setdefault("deletionGracePeriodSeconds", 0)
        if resource.generation:
            meta["generation"] = meta.get("generation", 0) + 1
        if _has_contents(resource):
            obj["status"] = {**(obj.get("status") or {}), "phase": "Terminating"}
        record = await self._put(current.key, _sized(obj), current.revision)
        return encoding.to_wire(record), False

    # The way to the store

    async def _put(self, key: Key, body: bytes, expect: int) -> Record:
        try:
            return await self.store.put(key, body, expect=expect)
        except StoreUnavailable as error:
            raise errors.unavailable(str(error)) from error

    async def _delete(self, current: Record) -> Record:
        try:
            return await self.store.delete(current.key, expect=current.revision)
        except StoreUnavailable as error:
            raise errors.unavailable(str(error)) from error

    # Shaping and checking

    def _shaped(
        self, resource: Resource, obj: Obj, old: Obj | None, options: WriteOptions
    ) -> tuple[Obj, tuple[str, ...]]:
        """The object pruned and with defaults, and warnings about what was pruned."""
        wrong = metadata.check_types(obj.get("metadata"))
        if wrong:
            raise errors.bad_request("; ".join(f"{cause.field}: {cause.message}" for cause in wrong))
        warnings: tuple[str, ...] = ()
        if options.field_validation != "Ignore":
            unknown = [f'unknown field "{path}"' for path in resource.schema.unknown_fields(obj)]
            if unknown and options.field_validation == "Strict":
                raise errors.bad_request(
                    f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: '
                    f"strict decoding error: {', '.join(unknown)}"
                )
            warnings = tuple(unknown)
        shaped = resource.schema.default(resource.schema.prune(obj))
        shaped["metadata"] = {k: v for k, v in shaped["metadata"].items() if v not in (None, {}, [])}
        return shaped, warnings

    def _validate(self, resource: Resource, obj: Obj, old: Obj | None) -> None:
        causes = metadata.check(obj["metadata"], label_name=_has_contents(resource))
        causes += resource.schema.validate(obj, old)
        if old is not None and obj["metadata"].get("deletionTimestamp"):
            added = set(_finalizers(obj)) - set(_finalizers(old))
            if added:
                causes.append(
                    errors.Cause(
                        "FieldValueForbidden",
                        "Forbidden: no new finalizers can be added if the object is being deleted, "
                        f"found new finalizers {sorted(added)}",
                        "metadata.finalizers",
                    )
                )
        if causes:
            raise errors.invalid(resource.group, resource.kind, obj["metadata"].get("name", ""), tuple(causes))


def check_envelope(resource: Resource, namespace: str, name: str, obj: Obj) -> None:
    """Fills in an absent apiVersion, kind and metadata; refuses what does not fit the URL with a 400."""
    obj.setdefault("apiVersion", resource.api_version)
    obj.setdefault("kind", resource.kind)
    if obj.get("metadata") is None:
        obj["metadata"] = {}
    for field, right in (("apiVersion", resource.api_version), ("kind", resource.kind)):
        if obj[field] != right:
            raise errors.bad_request(
                f"{field} in the data ({obj[field]}) does not match the expected {right} of this URL"
            )
    meta = obj["metadata"]
    if not isinstance(meta, dict):
        return
    if name and meta.setdefault("name", name) != name:
        raise errors.bad_request(f"the name of the object ({meta['name']}) does not match the name on the URL ({name})")
    if meta.get("namespace") and meta["namespace"] != namespace:
        raise errors.bad_request(
            f"the namespace of the provided object does not match the namespace sent on the request "
            f"({meta['namespace']} is not {namespace or 'cluster-wide'})"
        )


def _check_preconditions(resource: Resource, old: Obj, meta: Obj) -> None:
    name = old["metadata"]["name"]
    if meta.get("resourceVersion") and meta["resourceVersion"] != old["metadata"]["resourceVersion"]:
        raise errors.conflict(resource.group, resource.plural, name, MODIFIED)
    if meta.get("uid") and meta["uid"] != old["metadata"]["uid"]:
        why = f"Precondition failed: UID in precondition: {meta['uid']}, UID in object meta: {old['metadata']['uid']}"
        raise errors.conflict(resource.group, resource.plural, name, why)


def _check_delete_preconditions(resource: Resource, meta: Obj, options: DeleteOptions) -> None:
    for word, wanted, found in (
        ("UID", options.uid, meta["uid"]),
        ("ResourceVersion", options.resource_version, meta["resourceVersion"]),
    ):
        if wanted and wanted != found:
            why = f"Precondition failed: {word} in precondition: {wanted}, {word} in object meta: {found}"
            raise errors.conflict(resource.group, resource.plural, meta["name"], why)


def _merged(resource: Resource, old: Obj, wanted: Obj, subresource: str) -> Obj:
    """The next object: what this writer may write of `wanted`, the rest of `old`."""
    if subresource == "status":
        new = {k: v for k, v in old.items() if k != "status"}
        if "status" in wanted:
            new["status"] = wanted["status"]
        return new
    new = dict(wanted)
    new["metadata"] = dict(wanted["metadata"])
    for field in _OURS:
        new["metadata"].pop(field, None)
        if field in old["metadata"]:
            new["metadata"][field] = old["metadata"][field]
    if resource.status:
        new.pop("status", None)
        if "status" in old:
            new["status"] = old["status"]
    return new


def _count_generation(resource: Resource, old: Obj, new: Obj) -> None:
    if not resource.generation:
        return
    ignored = {"metadata", "status"} if resource.status else {"metadata"}
    if {k: v for k, v in old.items() if k not in ignored} != {k: v for k, v in new.items() if k not in ignored}:
        new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1


def _has_contents(resource: Resource) -> bool:
    """Whether it is a namespace: its spec.finalizers hold it until the garbage collector has emptied it."""
    return resource.storage == "/namespaces"


def _with_propagation(finalizers: list[str], propagation: str) -> list[str]:
    kept = [finalizer for finalizer in finalizers if finalizer not in (FOREGROUND, ORPHAN)]
    if propagation == "Foreground":
        return [*kept, FOREGROUND]
    if propagation == "Orphan":
        return [*kept, ORPHAN]
    return kept if propagation == "Background" else finalizers


def _finalizers(obj: Obj) -> list[str]:
    return list(obj["metadata"].get("finalizers") or [])


def _sized(obj: Obj) -> bytes:
    body = encoding.to_stored(obj)
    if len(body) > MAX_OBJECT:
        raise errors.too_large(f"the object has {len(body)} bytes; at most {MAX_OBJECT} are stored")
    return body


def _deleted_status(resource: Resource, meta: dict[str, Any]) -> bytes:
    details = {"name": meta["name"], "group": resource.group, "kind": resource.plural, "uid": meta["uid"]}
    return encoding.dump(
        {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Success",
            "details": {key: value for key, value in details.items() if value},
        }
    )


__all__ = ["DeleteOptions", "Objects", "StatusError", "WriteOptions", "Written"]
