"""Objects that go: at once, or when their finalizers have gone."""

from starlink.apiserver.names import EVENTS, FOREGROUND, ORPHAN
from starlink.apiserver.objects.backing import Backing
from starlink.apiserver.objects.checking import check_deletion, finalizers, has_contents, sized
from starlink.apiserver.objects.contract import Admission, Written
from starlink.apiserver.objects.options import DeleteOptions
from starlink.apiserver.resources import encoding
from starlink.apiserver.resources.encoding import Obj
from starlink.apiserver.resources.resource import Resource
from starlink.store.base import Record


async def delete(
    backing: Backing, resource: Resource, current: Record, options: DeleteOptions, admission: Admission
) -> Written:
    """Deletes, or marks for deletion while finalizers remain. Raises Conflict and StatusError."""
    obj = encoding.to_object(current, resource)
    meta = obj["metadata"]
    check_deletion(resource, meta, options)
    warnings = tuple(await admission.review("DELETE", None, obj, len(current.body)))
    holding = finalizers(obj)
    if not meta.get("deletionTimestamp") and resource.storage != EVENTS:  # which nothing holds
        holding = _with_propagation(holding, options.propagation)
    if not holding and not has_contents(resource):
        if not options.dry_run:
            await backing.delete(current)
        return Written(_deleted_status(resource, meta), warnings)
    if meta.get("deletionTimestamp") and holding == finalizers(obj):
        return Written(encoding.to_wire(current, resource), warnings)
    _mark(resource, obj, holding, backing.timestamp())
    if options.dry_run:
        return Written(encoding.dump(obj), warnings)
    record = await backing.put(current.key, sized(resource, obj, current.body), current.revision)
    return Written(encoding.to_wire(record, resource), warnings)


def _mark(resource: Resource, obj: Obj, holding: list[str], now: str) -> None:
    meta = obj["metadata"]
    if holding:
        meta["finalizers"] = holding
    meta.setdefault("deletionTimestamp", now)
    meta.setdefault("deletionGracePeriodSeconds", 0)
    if resource.generation:
        meta["generation"] = meta.get("generation", 0) + 1
    if has_contents(resource):
        obj["status"] = {**(obj.get("status") or {}), "phase": "Terminating"}


def _with_propagation(holding: list[str], propagation: str) -> list[str]:
    kept = [finalizer for finalizer in holding if finalizer not in (FOREGROUND, ORPHAN)]
    if propagation == "Foreground":
        return [*kept, FOREGROUND]
    if propagation == "Orphan":
        return [*kept, ORPHAN]
    return kept if propagation == "Background" else holding


def _deleted_status(resource: Resource, meta: Obj) -> bytes:
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
