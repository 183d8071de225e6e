"""Objects that change."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from starlink.apiserver import aside
from starlink.apiserver.objects import managed
from starlink.apiserver.objects.backing import Backing
from starlink.apiserver.objects.checking import (
    check_preconditions,
    finalizers,
    has_contents,
    prepare,
    sized,
    validate,
)
from starlink.apiserver.objects.contract import Change, Write, Written
from starlink.apiserver.objects.envelope import check_envelope
from starlink.apiserver.objects.managed import Entry
from starlink.apiserver.objects.refusals import warned
from starlink.apiserver.objects.shaping import merged, shaped, without_managed
from starlink.apiserver.objects.veil import veiled
from starlink.apiserver.resources import encoding
from starlink.apiserver.resources.encoding import Obj
from starlink.apiserver.resources.resource import Resource
from starlink.apiserver.schema.correlation import ABSENT, same
from starlink.store.base import Record


@dataclass(frozen=True, slots=True)
class Replacement:
    """The next object in place of a record. `given` are its managedFields before the write, `entries` gives them
    after it."""

    current: Record
    old: Obj
    new: Obj
    given: list[Obj]
    entries: Callable[[], Sequence[Entry]]
    warnings: tuple[str, ...]


async def update(backing: Backing, write: Write, current: Record, change: Change) -> Written:
    """Writes `change(current)`. Raises Conflict and StatusError."""
    with veiled(write, current.key.name):
        step = await aside.run(write.weight(current), lambda: _changed(backing, write, current, change))
        with warned(step.warnings):
            return await replace(backing, write, step)


def _changed(backing: Backing, write: Write, current: Record, change: Change) -> Replacement:
    """What `change(current)` comes to. Raises StatusError."""
    resource = write.resource
    old = encoding.to_object(current, resource)
    wanted = change(old)
    check_envelope(resource, current.key.namespace, current.key.name, wanted)
    fitting, warnings = shaped(write, wanted, old)
    with warned(warnings):
        check_preconditions(write, old, wanted["metadata"], patch=write.options.patch)
        entries = managed.given(wanted["metadata"], old["metadata"])
        new = merged(resource, old, fitting, write.subresource)
        prepare(write, new, old)

    def entries_after() -> Sequence[Entry]:
        if not entries:  # fields are followed from the creation or the first apply on
            return ()
        writer = backing.writer(write)
        return managed.updated(resource.schema.node, old, new, entries, writer, status=resource.status)

    return Replacement(current, old, new, managed.written(entries or ()), entries_after, warnings)


async def replace(backing: Backing, write: Write, step: Replacement) -> Written:
    """The last steps of an update: what changes nothing is not written. Raises Conflict and StatusError."""
    resource, old, new = write.resource, step.old, step.new
    weight = write.weight(step.current)
    write.admission.prepare(new, old)
    await aside.run(weight, lambda: validate(write, new, old))
    seen = _with_managed(new, step.given)
    warnings = step.warnings + await write.review("UPDATE", seen, old, len(step.current.body))
    _count_generation(resource, old, new)
    after = await aside.run(weight, lambda: managed.written(step.entries()))
    if _looks_same(old, new) and _who(after) == _who(step.given):
        _manage(new, step.given)
        if _is_stored(sized(resource, new, step.current.body), step.current.body):
            return Written(encoding.to_wire(step.current, resource), warnings, step.current)
    _manage(new, after)
    return await _put(backing, write, step.current, new, warnings)


async def _put(backing: Backing, write: Write, current: Record, new: Obj, warnings: tuple[str, ...]) -> Written:
    resource = write.resource
    body = sized(resource, new, current.body)
    if write.options.dry_run:
        new["metadata"]["resourceVersion"] = str(current.revision)
        return Written(encoding.dump(new), warnings)
    if new["metadata"].get("deletionTimestamp") and not finalizers(new) and not has_contents(resource):
        record = await backing.delete(current)
        return Written(encoding.to_wire(Record(record.key, record.revision, body), resource), warnings, record)
    record = await backing.put(current.key, body, current.revision)
    return Written(encoding.to_wire(record, resource), warnings, record)


def _with_managed(obj: Obj, entries: list[Obj]) -> Obj:
    """The object as its writer gives it, the managedFields that it brings included."""
    seen = {**obj, "metadata": dict(obj["metadata"])}
    _manage(seen, entries)
    return seen


def _manage(obj: Obj, entries: list[Obj]) -> None:
    obj["metadata"].pop("managedFields", None)
    if entries:
        obj["metadata"]["managedFields"] = entries


def _looks_same(old: Obj, new: Obj) -> bool:
    """Whether nothing differs but what a write never is about; to Python 1, 1.0 and true do not differ."""
    return without_managed(old) == without_managed(new)


def _who(entries: list[Obj]) -> list[Obj]:
    """The entries without their times."""
    return [{k: v for k, v in entry.items() if k != "time"} for entry in entries]


def _count_generation(resource: Resource, old: Obj, new: Obj) -> None:
    if not resource.generation:
        return
    ignored = {"metadata", "status"} if resource.status else {"metadata"}
    names = (old.keys() | new.keys()) - ignored
    if not all(same(new.get(name, ABSENT), old.get(name, ABSENT)) for name in names):
        new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1


def _is_stored(body: bytes, stored: bytes) -> bool:
    """Whether two bodies hold the same, in whatever order."""
    return body == stored or (len(body) == len(stored) and msgspec.json.decode(body) == msgspec.json.decode(stored))
