"""What ships with StarLink is made what it is to be, whatever it is now."""

from starlink.apiserver.objects.contract import Written
from starlink.apiserver.objects.facade import Objects
from starlink.apiserver.objects.options import WriteOptions
from starlink.apiserver.resources.encoding import Obj
from starlink.apiserver.resources.resource import Resource
from starlink.store.base import Key

_OPTIONS = WriteOptions(manager="starlink")


async def bring(objects: Objects, resource: Resource, wanted: Obj) -> Written:
    """Creates an object without a namespace, or makes its spec what is wanted, and adds its labels and annotations:
    those of others stay. Raises StatusError."""
    name = wanted["metadata"]["name"]
    if objects.store.latest(Key(resource.storage, "", name)) is None:
        return await objects.create(resource, "", wanted, _OPTIONS)
    return await objects.update(resource, "", name, lambda obj: _brought(obj, wanted), _OPTIONS)


def _brought(obj: Obj, wanted: Obj) -> Obj:
    meta = dict(obj["metadata"])
    for field in ("labels", "annotations"):
        if given := wanted["metadata"].get(field):
            meta[field] = {**(meta.get(field) or {}), **given}
    return {**obj, "metadata": meta, "spec": wanted["spec"]}
