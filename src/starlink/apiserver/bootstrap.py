"""What is there from the first start on: namespaces, the default roles and the shipped CRDs."""

from starlink.apiserver import roles
from starlink.apiserver.definitions import Definitions
from starlink.apiserver.encoding import Obj, raw
from starlink.apiserver.names import PROTECTED_NAMESPACES
from starlink.apiserver.objects import Objects
from starlink.apiserver.options import DeleteOptions, WriteOptions
from starlink.apiserver.rbac import GROUP
from starlink.apiserver.resource import Registry
from starlink.assets import asset_dir
from starlink.manifest import load
from starlink.store.base import Key

_OPTIONS = WriteOptions(manager="starlink")


async def bootstrap(objects: Objects, registry: Registry, definitions: Definitions) -> None:
    """Makes what is missing; brings the default roles and the shipped CRDs up to date."""
    namespaces = registry.get("", "v1", "namespaces")
    crds = registry.get("apiextensions.k8s.io", "v1", "customresourcedefinitions")
    assert namespaces is not None and crds is not None
    for name in PROTECTED_NAMESPACES:
        if not objects.exists(namespaces, "", name):
            await objects.create(namespaces, "", {"metadata": {"name": name}}, _OPTIONS)
    for wanted in roles.defaults():
        await _reconcile(objects, registry, wanted)
    for path in sorted(asset_dir("crds").glob("*.yaml")):
        await definitions.apply(crds, load(path))


async def _reconcile(objects: Objects, registry: Registry, wanted: Obj) -> None:
    resource = registry.find_kind(f"{GROUP}/v1", wanted["kind"])
    assert resource is not None
    name = wanted["metadata"]["name"]
    record = objects.store.get(Key(resource.storage, "", name))
    to_write = roles.reconciled(raw(record) if record else None, wanted)
    if to_write is None:
        return
    if record is not None and to_write["metadata"].get("uid"):
        await objects.update(resource, "", name, lambda _: to_write, _OPTIONS)
        return
    if record is not None:  # a binding to another role, which can't be changed
        await objects.delete(resource, "", name, DeleteOptions())
    await objects.create(resource, "", to_write, _OPTIONS)
