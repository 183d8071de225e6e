"""On which servers the instances of a task are that this machine has not."""

import asyncio
from collections.abc import Sequence

import click
import msgspec

from starlink.api.assignment import Assignment
from starlink.api.kinds import ASSIGNMENT
from starlink.api.labels import TASK as TASK_LABEL
from starlink.api.meta import ObjectKey
from starlink.cli.cluster import with_client
from starlink.client.errors import NotFound
from starlink.client.kube import Client

SECONDS = 5.0
"""For how long the cluster is asked: the answer is a help and no more."""


def whereabouts(ctx: click.Context, key: ObjectKey, slot: str | None) -> Sequence[Assignment]:
    """The assignments of a task, or the assignment of this name, limited to one slot where that is given: those that go
    on, else those that are over. Empty when the cluster has none or does not answer."""

    async def work(client: Client) -> Sequence[Assignment]:
        async with asyncio.timeout(SECONDS):
            return await _of(client, key)

    try:
        found = [one for one in with_client(ctx, work) if slot in (None, one.spec.slot)]
    except (click.ClickException, TimeoutError, msgspec.ValidationError):
        return []
    return [one for one in found if not one.finished] or found


async def _of(client: Client, key: ObjectKey) -> list[Assignment]:
    listing = await client.list(ASSIGNMENT, key.namespace, label_selector=f"{TASK_LABEL}={key.name}")
    if listing.items:
        return [msgspec.json.decode(item, type=Assignment) for item in listing.items]
    try:
        return [msgspec.convert(await client.get(ASSIGNMENT, key.name, key.namespace), Assignment)]
    except NotFound:
        return []
