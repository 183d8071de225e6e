"""Keeps the rules of aggregated ClusterRoles as those that they gather."""

import asyncio
import contextlib
from dataclasses import replace

from starlink.api.errors import StatusError
from starlink.apiserver import aside
from starlink.apiserver.objects import Objects
from starlink.apiserver.objects.options import WriteOptions
from starlink.apiserver.resources.encoding import Obj, raw
from starlink.apiserver.resources.resource import Registry
from starlink.apiserver.security.authorization import roles
from starlink.apiserver.security.authorization.authorizer import CLUSTER_ROLES
from starlink.apiserver.security.authorization.rbac import GROUP
from starlink.store.base import Expired, StoreUnavailable

_OPTIONS = WriteOptions(manager="clusterrole-aggregation-controller")


async def aggregate(objects: Objects, registry: Registry) -> None:
    """Follows the ClusterRoles until cancelled."""
    while True:
        with contextlib.suppress(Expired):
            watch = objects.store.watch(CLUSTER_ROLES, None, objects.store.revision)
            await gather(objects, registry)
            try:
                async for _ in watch:
                    await gather(objects, registry)
            except StoreUnavailable:
                return
        await asyncio.sleep(0)


async def gather(objects: Objects, registry: Registry) -> None:
    """Writes the rules that are not what is gathered now."""
    resource = registry.get(GROUP, "v1", "clusterroles")
    assert resource is not None
    records = objects.store.list(CLUSTER_ROLES)
    size = sum(len(record.body) for record in records)
    for role in await aside.run(size, lambda: roles.regathered(map(raw, records))):
        rules = role["rules"]

        def gathered(obj: Obj, rules: list[Obj] = rules) -> Obj:
            return {**obj, "rules": rules}

        options = replace(_OPTIONS, weight=size)
        with contextlib.suppress(StatusError):  # looked at again after the write that came between
            await objects.update(resource, "", role["metadata"]["name"], gathered, options)
