"""Create, read, update, apply and delete of one resource's objects: what the API does to what is kept."""

import random
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from starlink.api.timestamp import format_time
from starlink.apiserver import conversion, encoding, errors, managed, metadata, strategies
from starlink.apiserver.encoding import Obj
from starlink.apiserver.envelope import check_envelope
from starlink.apiserver.managed import Entry, Writer
from starlink.apiserver.names import FOREGROUND, NAMESPACES, ORPHAN
from starlink.apiserver.options import DeleteOptions, WriteOptions
from starlink.apiserver.resource import Resource
from starlink.store.base import Conflict, Key, Record, Store, StoreUnavailable

MAX_OBJECT = 1_500_000
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
    "managedFields",
)
MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"

Change = Callable[[Obj], Obj]
_NOTHING: Obj = {}


@dataclass(frozen=True, slots=True)
class Written:
    """An object as it is after a write, and warnings for its writer."""

    body: bytes
    warnings: tuple[str, ...] = ()
    record: Record | None = None  # None after a dry run
    created: bool = False


class Admission(Protocol):
    """What stands between a well-formed write and the store, for one request."""

    def prepare(self, obj: Obj, old: Obj | None) -> None:
        """Puts into `obj` what the request's sender may not choose."""

    def review(self, operation: str, obj: Obj | None, old: Obj | None) -> Sequence[str]:
        """Gives warnings. Raises StatusError for what is refused."""


class Unrestricted:
    """The admission of what the server itself writes."""

    def prepare(self, obj: Obj, old: Obj | None) -> None:
        """Nothing."""

    def review(self, operation: str, obj: Obj | None, old: Obj | None) -> Sequence[str]:
        return ()


UNRESTRICTED = Unrestricted()


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

    async def create(
        self,
        resource: Resource,
        namespace: str,
        obj: Obj,
        options: WriteOptions,
        admission: Admission = UNRESTRICTED,
    ) -> Written:
        """Raises StatusError: 400, 403, 404 (namespace), 409, 413, 422."""
        check_envelope(resource, namespace, "", obj)
        obj, warnings = self._shaped(resource, _without_status(resource, obj), options)
        entries = managed.created(resource.schema.node, obj, self._writer(resource, options), status=resource.status)
        return await self._create(resource, namespace, obj, entries, options, warnings, admission)

    async def _create(
        self,
        resource: Resource,
        namespace: str,
        obj: Obj,
        entries: Sequence[Entry],
        options: WriteOptions,
        warnings: tuple[str, ...],
        admission: Admission,
    ) -> Written:
        self._stamp(resource, namespace, obj)
        strategies.prepare(resource, obj, None)
        admission.prepare(obj, None)
        self._validate(resource, obj, None)
        warnings += tuple(admission.review("CREATE", obj, None))
        if entries:
            obj["metadata"]["managedFields"] = managed.written(entries)
        body = _sized(resource, obj)
        key = Key(resource.storage, namespace, obj["metadata"]["name"])
        if options.dry_run:
            if self.store.latest(key) is not None:
                raise errors.already_exists(resource.group, resource.plural, key.name)
            return Written(encoding.dump(obj), warnings, created=True)
        try:
            record = await self._put(key, body, 0)
        except Conflict:
            raise errors.already_exists(resource.group, resource.plural, key.name) from None
        return Written(encoding.to_wire(record, resource), warnings, record, created=True)

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
            "generation",
            "namespace",
        ):
            meta.pop(field, None)
        if resource.namespaced:
            meta["namespace"] = namespace
        meta["uid"] = str(uuid.UUID(int=self._random.getrandbits(128), version=4))
        meta["creationTimestamp"] = format_time(self._now())
        if resource.generation:
            meta["generation"] = 1

    # Updating

    async def update(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        change: Change,
        options: WriteOptions,
        *,
        subresource: str = "",
        admission: Admission = UNRESTRICTED,
    ) -> Written:
        """Writes `change(current)`; tried again on a race unless the result names a resourceVersion.

        Raises StatusError: 404, 409, and as `create`.
        """

        async def once(current: Record | None) -> Written:
            if current is None:
                raise errors.not_found(resource.group, resource.plural, name)
            return await self._update_once(resource, current, change, options, subresource, admission)

        return await self._retried(resource, namespace, name, once)

    async def _update_once(
        self,
        resource: Resource,
        current: Record,
        change: Change,
        options: WriteOptions,
        subresource: str,
        admission: Admission,
    ) -> Written:
        old = encoding.to_object(current, resource)
        wanted = change(old)
        check_envelope(resource, current.key.namespace, current.key.name, wanted)
        _check_preconditions(resource, old, wanted["metadata"])
        entries = managed.given(wanted["metadata"], old["metadata"])
        shaped, warnings = self._shaped(resource, wanted, options, old)
        new = _merged(resource, old, shaped, subresource)
        strategies.prepare(resource, new, old)
        writer = self._writer(resource, options, subresource)
        node = resource.schema.node

        def entries_after() -> Sequence[Entry]:
            if not entries:  # fields are followed from the creation or the first apply on
                return ()
            return managed.updated(node, old, new, entries, writer, status=resource.status)

        given = managed.written(entries or ())
        return await self._replace(resource, current, old, new, given, entries_after, options, warnings, admission)

    async def apply(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        config: Obj,
        options: WriteOptions,
        *,
        subresource: str = "",
        admission: Admission = UNRESTRICTED,
    ) -> Written:
        """Server-side apply: creates the object or lays `config` over it. Raises StatusError: as `update`, and 409
        with a cause for each field that another manager owns."""
        check_envelope(resource, namespace, name, config)
        meta = config["metadata"]
        if isinstance(meta, dict) and meta.get("managedFields"):
            raise errors.bad_request("metadata.managedFields must be nil")
        config, warnings = self._conformed(resource, config, options, defaults=False)
        if warnings:
            raise _undeclared(resource, namespace, name, warnings[0])

        async def once(current: Record | None) -> Written:
            if current is None:
                if subresource:
                    raise errors.not_found(resource.group, resource.plural, name)
                return await self._apply_new(resource, namespace, config, options, warnings, admission)
            return await self._apply_once(resource, current, config, options, warnings, subresource, admission)

        return await self._retried(resource, namespace, name, once)

    async def _apply_new(
        self,
        resource: Resource,
        namespace: str,
        config: Obj,
        options: WriteOptions,
        warnings: tuple[str, ...],
        admission: Admission,
    ) -> Written:
        if config["metadata"].get("uid"):
            uid = config["metadata"]["uid"]
            why = f"uid mismatch: the provided object specified uid {uid}, and no existing object was found"
            raise errors.conflict(resource.group, resource.plural, config["metadata"]["name"], why)
        writer = self._writer(resource, options, operation=managed.APPLY)
        obj, entries = managed.applied(
            resource.schema.node, None, config, (), writer, force=options.force, status=resource.status
        )
        obj, _ = resource.schema.conform(_without_status(resource, obj), defaults=True)
        obj = _tidy(obj)
        return await self._create(resource, namespace, obj, entries, options, warnings, admission)

    async def _apply_once(
        self,
        resource: Resource,
        current: Record,
        config: Obj,
        options: WriteOptions,
        warnings: tuple[str, ...],
        subresource: str,
        admission: Admission,
    ) -> Written:
        old = encoding.to_object(current, resource)
        _check_preconditions(resource, old, config["metadata"])
        kept = managed.read(old["metadata"]) or ()
        bare = _without_managed(old)
        wanted, entries = managed.applied(
            resource.schema.node,
            bare,
            config if not subresource else _only(config, subresource),
            kept,
            self._writer(resource, options, subresource, managed.APPLY),
            force=options.force,
            status=resource.status,
        )
        wanted, _ = resource.schema.conform(wanted, defaults=True)
        new = _merged(resource, old, _tidy(wanted), subresource)
        strategies.prepare(resource, new, old)
        given = managed.written(kept)
        return await self._replace(resource, current, old, new, given, lambda: entries, options, warnings, admission)

    async def _retried(
        self, resource: Resource, namespace: str, name: str, once: Callable[[Record | None], Any]
    ) -> Written:
        key = Key(resource.storage, namespace, name)
        for _ in range(_RETRIES):
            try:
                written: Written = await once(self.store.latest(key))
            except Conflict:
                continue
            return written
        raise errors.conflict(resource.group, resource.plural, name, MODIFIED)

    async def _replace(
        self,
        resource: Resource,
        current: Record,
        old: Obj,
        new: Obj,
        given: list[Obj],
        entries: Callable[[], Sequence[Entry]],
        options: WriteOptions,
        warnings: tuple[str, ...],
        admission: Admission,
    ) -> Written:
        """The last steps of an update: what changes nothing is not written."""
        admission.prepare(new, old)
        self._validate(resource, new, old)
        warnings += tuple(admission.review("UPDATE", new, old))
        _count_generation(resource, old, new)
        after = managed.written(entries())
        if _looks_same(old, new) and _who(after) == _who(given):
            _manage(new, given)
            if _is_stored(_sized(resource, new), current.body):
                return Written(encoding.to_wire(current, resource), warnings, current)
        _manage(new, after)
        body = _sized(resource, new)
        if options.dry_run:
            new["metadata"]["resourceVersion"] = str(current.revision)
            return Written(encoding.dump(new), warnings)
        if new["metadata"].get("deletionTimestamp") and not _finalizers(new) and not _has_contents(resource):
            record = await self._delete(current)
            return Written(encoding.to_wire(Record(record.key, record.revision, body), resource), warnings, record)
        record = await self._put(current.key, body, current.revision)
        return Written(encoding.to_wire(record, resource), warnings, record)

    def _writer(
        self, resource: Resource, options: WriteOptions, subresource: str = "", operation: str = managed.UPDATE
    ) -> Writer:
        return Writer(options.manager, operation, resource.api_version, subresource, format_time(self._now()))

    # Deleting

    async def delete(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        options: DeleteOptions,
        admission: Admission = UNRESTRICTED,
    ) -> Written:
        """Deletes, or marks for deletion while finalizers remain. Raises StatusError 403, 404 or 409."""
        key = Key(resource.storage, namespace, name)
        for _ in range(_RETRIES):
            current = self.store.latest(key)
            if current is None:
                raise errors.not_found(resource.group, resource.plural, name)
            try:
                return await self._delete_once(resource, current, options, admission)
            except Conflict:
                continue
        raise errors.conflict(resource.group, resource.plural, name, MODIFIED)

    async def _delete_once(
        self, resource: Resource, current: Record, options: DeleteOptions, admission: Admission
    ) -> Written:
        obj = encoding.to_object(current, resource)
        meta = obj["metadata"]
        _check_delete_preconditions(resource, meta, options)
        warnings = tuple(admission.review("DELETE", None, obj))
        finalizers = _finalizers(obj)
        if not meta.get("deletionTimestamp"):
            finalizers = _with_propagation(finalizers, options.propagation)
        if options.dry_run:
            return Written(_deleted_status(resource, meta), warnings)
        if not finalizers and not _has_contents(resource):
            await self._delete(current)
            return Written(_deleted_status(resource, meta), warnings)
        if meta.get("deletionTimestamp") and finalizers == _finalizers(obj):
            return Written(encoding.to_wire(current, resource), warnings)
        meta["finalizers"] = finalizers
        meta.setdefault("deletionTimestamp", format_time(self._now()))
        meta.setdefault("deletionGracePeriodSeconds", 0)
        if resource.generation:
            meta["generation"] = meta.get("generation", 0) + 1
        if _has_contents(resource):
            obj["status"] = {**(obj.get("status") or {}), "phase": "Terminating"}
        record = await self._put(current.key, _sized(resource, obj), current.revision)
        return Written(encoding.to_wire(record, resource), warnings)

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
        self, resource: Resource, obj: Obj, options: WriteOptions, old: Obj = _NOTHING
    ) -> tuple[Obj, tuple[str, ...]]:
        """The object pruned and with defaults, and warnings about what was pruned. What is `old`'s very own is as it
        must be already."""
        kept = {name: part for name, part in obj.items() if name != "metadata" and part is old.get(name, _NOTHING)}
        fresh = {name: part for name, part in obj.items() if name not in kept}
        shaped, warnings = self._conformed(resource, fresh, options, defaults=True)
        whole = {
            name: kept[name] if name in kept else shaped.pop(name) for name in obj if name in kept or name in shaped
        }
        return _tidy({**whole, **shaped}), warnings

    def _conformed(
        self, resource: Resource, obj: Obj, options: WriteOptions, *, defaults: bool
    ) -> tuple[Obj, tuple[str, ...]]:
        wrong = metadata.check_types(obj.get("metadata"))
        if wrong:
            raise errors.bad_request("; ".join(f"{cause.field}: {cause.message}" for cause in wrong))
        shaped, unknown = resource.schema.conform(obj, defaults=defaults)
        told = tuple(f'unknown field "{path}"' for path in unknown)
        if told and options.field_validation == "Strict":
            raise errors.bad_request(
                f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: '
                f"strict decoding error: {', '.join(told)}"
            )
        return shaped, told if options.field_validation == "Warn" else ()

    def _validate(self, resource: Resource, obj: Obj, old: Obj | None) -> None:
        causes = metadata.check(obj["metadata"], resource.name_rule)
        causes += resource.schema.validate(obj, old)
        if not causes:
            causes += strategies.check(resource, obj, old)
        if old is not None and obj["metadata"].get("deletionTimestamp"):
            added = set(_finalizers(obj)) - set(_finalizers(old))
            if added:
                causes.append(
                    errors.Cause(
                        "FieldValueForbidden",
                        "Forbidden: no new finalizers can be added if the object is being deleted, "
                        f"found new finalizers []string{{{_quoted(added)}}}",
                        "metadata.finalizers",
                    )
                )
        wrong = [cause for cause in causes if cause.reason == "FieldValueTypeInvalid"]
        if wrong and not resource.custom:
            told = "; ".join(f"{cause.field}: {cause.message}" for cause in wrong)
            kind = resource.kind
            raise errors.bad_request(f'{kind} in version "{resource.version}" cannot be handled as a {kind}: {told}')
        if causes:
            raise errors.invalid(resource.group, resource.kind, obj["metadata"].get("name", ""), tuple(causes))


def _check_preconditions(resource: Resource, old: Obj, meta: Obj) -> None:
    name = old["metadata"]["name"]
    if meta.get("resourceVersion") and meta["resourceVersion"] != old["metadata"]["resourceVersion"]:
        raise errors.conflict(resource.group, resource.plural, name, MODIFIED)
    deletion = meta.get("deletionTimestamp")
    if deletion and not old["metadata"].get("deletionTimestamp"):
        why = f'Invalid value: "{deletion}": field is immutable'
        cause = errors.Cause("FieldValueInvalid", why, "metadata.deletionTimestamp")
        raise errors.invalid(resource.group, resource.kind, name, (cause,))
    if meta.get("uid") and meta["uid"] != old["metadata"]["uid"]:
        why = f"Precondition failed: UID in precondition: {meta['uid']}, UID in object meta: {old['metadata']['uid']}"
        raise errors.conflict(resource.group, resource.plural, name, why)


def _check_delete_preconditions(resource: Resource, meta: Obj, options: DeleteOptions) -> None:
    for word, wanted, found, guess in (
        ("UID", options.uid, meta["uid"], "deleted and then recreated"),
        ("ResourceVersion", options.resource_version, meta["resourceVersion"], "modified"),
    ):
        if wanted and wanted != found:
            why = (
                f"the {word} in the precondition ({wanted}) does not match the {word} in record ({found}). "
                f"The object might have been {guess}"
            )
            raise errors.conflict(resource.group, resource.kind, meta["name"], why)


def _without_status(resource: Resource, obj: Obj) -> Obj:
    """A new object: its status is written by the status subresource only."""
    return {name: value for name, value in obj.items() if name != "status"} if resource.status else obj


def _without_managed(obj: Obj) -> Obj:
    meta = {k: v for k, v in obj["metadata"].items() if k not in ("managedFields", "resourceVersion")}
    return {**obj, "metadata": meta}


def _only(config: Obj, part: str) -> Obj:
    """What an apply to a subresource may claim."""
    kept = ("apiVersion", "kind", part)
    meta = {"name": config["metadata"]["name"]}
    return {**{name: value for name, value in config.items() if name in kept}, "metadata": meta}


def _tidy(obj: Obj) -> Obj:
    """Without empty metadata."""
    obj["metadata"] = {k: v for k, v in obj["metadata"].items() if v not in (None, {}, [])}
    return obj


def _merged(resource: Resource, old: Obj, wanted: Obj, subresource: str) -> Obj:
    """The next object: what this writer may write of `wanted`, the rest of `old`."""
    if subresource == "status":
        return _with_part(old, "status", wanted)
    if subresource == "scale":
        return {**wanted, "metadata": dict(old["metadata"])}
    if subresource == "approval":
        conditions = (wanted.get("status") or {}).get("conditions")
        return {**old, "status": {**(old.get("status") or {}), "conditions": conditions or []}}
    if subresource == "finalize":
        finalizers = (wanted.get("spec") or {}).get("finalizers") or []
        return {**old, "spec": {**(old.get("spec") or {}), "finalizers": finalizers}}
    new = dict(wanted)
    new["metadata"] = dict(wanted["metadata"])
    for field in _OURS:
        new["metadata"].pop(field, None)
        if field in old["metadata"]:
            new["metadata"][field] = old["metadata"][field]
    return _with_part(new, "status", old) if resource.status else new


def _with_part(obj: Obj, part: str, source: Obj) -> Obj:
    new = {k: v for k, v in obj.items() if k != part}
    if part in source:
        new[part] = source[part]
    new["metadata"] = dict(new["metadata"])
    return new


def _manage(obj: Obj, entries: list[Obj]) -> None:
    obj["metadata"].pop("managedFields", None)
    if entries:
        obj["metadata"]["managedFields"] = entries


def _looks_same(old: Obj, new: Obj) -> bool:
    """Whether nothing differs but what a write never is about; to Python 1, 1.0 and true do not differ."""
    return _without_managed(old) == _without_managed(new)


def _who(entries: list[Obj]) -> list[Obj]:
    """The entries without their times."""
    return [{k: v for k, v in entry.items() if k != "time"} for entry in entries]


def _count_generation(resource: Resource, old: Obj, new: Obj) -> None:
    if not resource.generation:
        return
    ignored = {"metadata", "status"} if resource.status else {"metadata"}
    if {k: v for k, v in old.items() if k not in ignored} != {k: v for k, v in new.items() if k not in ignored}:
        new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1


def _has_contents(resource: Resource) -> bool:
    """Whether it is a namespace: its spec.finalizers hold it until the garbage collector has emptied it."""
    return resource.storage == NAMESPACES


def _with_propagation(finalizers: list[str], propagation: str) -> list[str]:
    kept = [finalizer for finalizer in finalizers if finalizer not in (FOREGROUND, ORPHAN)]
    if propagation == "Foreground":
        return [*kept, FOREGROUND]
    if propagation == "Orphan":
        return [*kept, ORPHAN]
    return kept if propagation == "Background" else finalizers


def _finalizers(obj: Obj) -> list[str]:
    return list(obj["metadata"].get("finalizers") or [])


def _sized(resource: Resource, obj: Obj) -> bytes:
    body = encoding.to_stored(conversion.to_stored(resource, obj))
    if len(body) > MAX_OBJECT:
        raise errors.too_large(f"the object has {len(body)} bytes; at most {MAX_OBJECT} are stored")
    return body


def _undeclared(resource: Resource, namespace: str, name: str, warning: str) -> errors.StatusError:
    """Nobody can own a field that the schema has not."""
    path = warning.removeprefix('unknown field "').removesuffix('"')
    return errors.bad_request(
        f"failed to create typed patch object ({namespace}/{name}; {resource.api_version}, Kind={resource.kind}): "
        f".{path}: field not declared in schema"
    )


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in sorted(names))


def _is_stored(body: bytes, stored: bytes) -> bool:
    """Whether two bodies hold the same, in whatever order."""
    return body == stored or (len(body) == len(stored) and msgspec.json.decode(body) == msgspec.json.decode(stored))


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
