"""Objects that were not there."""

from collections.abc import Sequence

from starlink.api import errors
from starlink.apiserver import aside
from starlink.apiserver.objects import managed
from starlink.apiserver.objects.backing import Backing
from starlink.apiserver.objects.checking import prepare, sized, validate
from starlink.apiserver.objects.contract import Write, Written
from starlink.apiserver.objects.envelope import check_envelope
from starlink.apiserver.objects.managed import Entry
from starlink.apiserver.objects.refusals import warned
from starlink.apiserver.objects.shaping import shaped, without_status
from starlink.apiserver.resources import encoding
from starlink.apiserver.resources.encoding import Obj
from starlink.store.base import Conflict, Key

_NOT_TAKEN = (
    "resourceVersion",
    "managedFields",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "selfLink",
    "generation",
    "namespace",
)


async def create(backing: Backing, write: Write, namespace: str, obj: Obj) -> Written:
    """Of what a client sent. Raises StatusError."""
    resource = write.resource
    check_envelope(resource, namespace, "", obj)
    writer = backing.writer(write)

    def fitted() -> tuple[Obj, Sequence[Entry], tuple[str, ...]]:
        whole, warnings = shaped(write, obj)
        fitting = without_status(resource, whole)
        if (fill_in := resource.strategy.fill_in) is not None:
            fill_in(fitting)
        return fitting, managed.created(resource.schema.node, fitting, writer, status=resource.status), warnings

    return await create_shaped(backing, write, namespace, *await aside.run(write.weight(), fitted))


async def create_shaped(
    backing: Backing, write: Write, namespace: str, obj: Obj, entries: Sequence[Entry], warnings: tuple[str, ...]
) -> Written:
    """Of an object that fits its schema; `entries` say who set its fields. Raises StatusError."""
    with warned(warnings):
        _stamp(backing, write, namespace, obj)
        await aside.run(write.weight(), lambda: prepare(write, obj, None))
        write.admission.prepare(obj, None)
        await aside.run(write.weight(), lambda: validate(write, obj, None))
        warnings += await write.review("CREATE", obj)
        if entries:
            obj["metadata"]["managedFields"] = managed.written(entries)
        return await _put(backing, write, namespace, obj, warnings)


async def _put(backing: Backing, write: Write, namespace: str, obj: Obj, warnings: tuple[str, ...]) -> Written:
    resource = write.resource
    body = sized(resource, obj)
    key = Key(resource.storage, namespace, obj["metadata"]["name"])
    if write.options.dry_run:
        if backing.store.latest(key) is not None:
            raise errors.already_exists(resource.group, resource.plural, key.name)
        return Written(encoding.dump(obj), warnings, created=True)
    try:
        record = await backing.put(key, body, 0)
    except Conflict:
        raise errors.already_exists(resource.group, resource.plural, key.name) from None
    return Written(encoding.to_wire(record, resource), warnings, record, created=True)


def _stamp(backing: Backing, write: Write, namespace: str, obj: Obj) -> None:
    """Fills in what only the server says. Raises StatusError 422 without a name."""
    resource, meta = write.resource, obj["metadata"]
    if not meta.get("name"):
        meta["name"] = _name(backing, write, meta.get("generateName"))
    for field in _NOT_TAKEN:
        meta.pop(field, None)
    if resource.namespaced:
        meta["namespace"] = namespace
    meta["uid"] = backing.uid()
    meta["creationTimestamp"] = backing.timestamp()
    if resource.generation:
        meta["generation"] = 1


def _name(backing: Backing, write: Write, prefix: str | None) -> str:
    if prefix:
        return backing.generated(prefix)
    why = "Required value: name or generateName is required"
    cause = errors.Cause("FieldValueRequired", why, "metadata.name")
    raise errors.invalid(write.resource.group, write.resource.kind, "", (cause,))
