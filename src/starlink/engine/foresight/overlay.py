"""The world as it would be with pools and servers that somebody declares."""

from collections.abc import Iterable
from dataclasses import replace

import msgspec

from starlink.api.pool import Pool, PoolStatus
from starlink.api.server import Server
from starlink.planning.world import World


def overlaid(world: World, pools: Iterable[Pool], servers: Iterable[Server]) -> World:
    """The world with them as if applied; what is observed of those that exist stays.

    A server that does not exist is passed over: nothing runs there before an agent has reported it.
    """
    known = [server for server in servers if server.name in world.servers]
    return replace(
        world,
        pools={**world.pools, **{pool.name: _pool(world.pools.get(pool.name), pool) for pool in pools}},
        servers={**world.servers, **{server.name: _server(world.servers[server.name], server) for server in known}},
    )


def _pool(existing: Pool | None, pool: Pool) -> Pool:
    if existing is not None:
        return msgspec.structs.replace(existing, spec=pool.spec)
    metadata = msgspec.structs.replace(pool.metadata, uid="new", deletion_timestamp=None)
    return msgspec.structs.replace(pool, metadata=metadata, status=PoolStatus())


def _server(existing: Server, server: Server) -> Server:
    labels, annotations = server.metadata.labels, server.metadata.annotations
    metadata = msgspec.structs.replace(existing.metadata, labels=labels, annotations=annotations)
    return msgspec.structs.replace(existing, metadata=metadata, spec=server.spec)
