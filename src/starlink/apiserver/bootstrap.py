"""What is there from the first start on: namespaces, the default roles, and the shipped CRDs with their policies.

Servers that share a store may start at once. Each step looks at what is there and makes what is missing; when another
server came between, it looks again.
"""

import asyncio
import functools
from collections.abc import Awaitable, Callable

from starlink.api.errors import StatusError
from starlink.apiserver.definitions.lifecycle import Definitions
from starlink.apiserver.names import CRDS, PROTECTED_NAMESPACES
from starlink.apiserver.objects import Objects
from starlink.apiserver.objects.bringing import bring
from starlink.apiserver.objects.options import DeleteOptions, WriteOptions
from starlink.apiserver.resources.encoding import Obj, raw
from starlink.apiserver.resources.resource import Registry, Resource
from starlink.apiserver.security.authorization import roles
from starlink.apiserver.security.authorization.rbac import GROUP
from starlink.assets import asset_dir
from starlink.data_files import load
from starlink.store.base import Key, StoreRefused

_OPTIONS = WriteOptions(manager="starlink")
_LOOKS = 100
_PAUSE = 0.05
_OTHERS_WROTE = (404, 409)
_INVALID = 422


async def bootstrap(objects: Objects, registry: Registry, definitions: Definitions) -> None:
    """Makes what is missing; brings the default roles, the shipped CRDs and their policies up to date. Raises
    StoreRefused."""
    namespaces = registry.get("", "v1", "namespaces")
    assert namespaces is not None
    for name in PROTECTED_NAMESPACES:
        await _settled(functools.partial(_make_namespace, objects, namespaces, name))
    for wanted in roles.defaults():
        await _settled(functools.partial(_reconcile, objects, registry, wanted))
    for path in sorted(asset_dir("crds").glob("*.yaml")):
        await _settled(functools.partial(_bring, objects, registry, definitions, load(path)))


async def _bring(objects: Objects, registry: Registry, definitions: Definitions, wanted: Obj) -> None:
    resource = registry.find_kind(wanted["apiVersion"], wanted["kind"])
    assert resource is not None
    if resource.storage == CRDS:
        await _define(definitions, resource, wanted)
    else:
        await bring(objects, resource, wanted)


async def _define(definitions: Definitions, crds: Resource, wanted: Obj) -> None:
    """Raises StoreRefused when what is stored is of a StarLink whose CRD this one's can't take the place of."""
    try:
        await definitions.apply(crds, wanted)
    except StatusError as error:
        if error.code != _INVALID:
            raise
        raise StoreRefused(
            f"{error}; the objects in the store were written by a newer StarLink: start that version again, "
            "or restore a backup of this one's"
        ) from None


async def _settled(step: Callable[[], Awaitable[None]]) -> None:
    """Takes a step until nobody comes between. Raises StatusError."""
    for _ in range(_LOOKS - 1):
        try:
            return await step()
        except StatusError as error:
            if error.code not in _OTHERS_WROTE:
                raise
        await asyncio.sleep(_PAUSE)  # the other's write is on its way here
    return await step()


async def _make_namespace(objects: Objects, namespaces: Resource, name: str) -> None:
    if objects.store.latest(Key(namespaces.storage, "", name)) is None:
        await objects.create(namespaces, "", {"metadata": {"name": name}}, _OPTIONS)


async def _reconcile(objects: Objects, registry: Registry, wanted: Obj) -> None:
    resource = registry.find_kind(f"{GROUP}/v1", wanted["kind"])
    assert resource is not None
    name = wanted["metadata"]["name"]
    record = objects.store.latest(Key(resource.storage, "", name))
    to_write = roles.reconciled(raw(record) if record else None, wanted)
    if to_write is None:
        return
    if record is not None and to_write["metadata"].get("uid"):
        await objects.update(resource, "", name, lambda now: roles.reconciled(now, wanted) or now, _OPTIONS)
        return
    if record is not None:  # a binding to another role, which can't be changed
        await objects.delete(resource, "", name, DeleteOptions())
    await objects.create(resource, "", to_write, _OPTIONS)
