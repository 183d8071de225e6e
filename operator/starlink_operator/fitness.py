"""Whether this operator may begin here: a cluster that is new enough, CRDs of its schema, and no other StarLink.

Each is looked at before anything is written, and told in words.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

import msgspec

from starlink.api import schema
from starlink.api.kinds import CRD, LEASE, NAMESPACE, Kind
from starlink.api.labels import LEADER_LABEL
from starlink.api.lease import Lease
from starlink.api.meta import Object, ObjectKey
from starlink.client.errors import ClientError, Forbidden, NotFound
from starlink.client.kube import Client
from starlink_operator.leadership import DEFAULT, LEASE_SECONDS

log = logging.getLogger(__name__)

PAUSE_SECONDS = 1.0
T = TypeVar("T")


class Unfit(Exception):
    """The message says what is wrong with the cluster, and what to do."""


async def check_version(client: Client) -> None:
    """Waits until the cluster answers, and looks at its version. Raises Unfit."""
    version = await _asked(lambda: client.raw("GET", "/version"))
    if version is not None and (why := schema.too_old(msgspec.json.decode(version))):
        raise Unfit(why)


async def check_crds(client: Client) -> None:
    """Looks at the CRDs, unless it may not. Raises Unfit."""
    faults = []
    for name in schema.CRDS:
        try:
            crd = await _asked(lambda name=name: client.get(CRD, name))  # type: ignore[misc]
        except NotFound:
            faults.append(schema.fault(name, None))
            continue
        if crd is None:
            return
        faults.append(schema.fault(name, crd))
        if schema.is_newer(crd):
            log.info("CRD %s is of a newer schema; what this version does not know of it is left alone", name)
    if told := list(filter(None, faults)):
        raise Unfit(f"{'; '.join(told)}; {schema.REMEDY}")


async def demand_alone(
    client: Client, own: ObjectKey, clock: Callable[[], float], dead: Iterable[Lease] = ()
) -> Sequence[Lease]:
    """Looks for Leases of other leaders, and gives those that nobody renews. One that is held is watched until it is
    renewed, or for as long as a leader may stay silent; one that is as it was among the `dead` is not watched again.
    `clock` is monotonic. Raises Unfit."""
    begun = clock()
    found = await _leaders(client, own)
    doubtful = [lease for lease in found if is_renewed(lease, dead)]
    while doubtful and clock() - begun < LEASE_SECONDS:
        await asyncio.sleep(PAUSE_SECONDS)
        for lease in await _leaders(client, own):
            if is_renewed(lease, found):
                raise Unfit(rival(lease, own))
    return found


def is_renewed(lease: Lease, before: Iterable[Lease]) -> bool:
    """Whether a Lease has changed since it was one of these, and so somebody lives who holds it."""
    versions = {one.key: one.metadata.resource_version for one in before}
    return versions.get(lease.key, "") != lease.metadata.resource_version


def rival(lease: Lease, own: ObjectKey) -> str:
    """Another StarLink that leads, in words, and the ways out."""
    return (
        f"another StarLink leads in this cluster: its Lease is {lease.key}, held by {lease.spec.holder_identity}, and "
        f"this operator's would be {own}; a cluster has one StarLink: stop one of them, or, if both are the same, give "
        f"this one --lease-namespace {lease.key.namespace} --lease-name {lease.key.name}"
    )


async def _leaders(client: Client, own: ObjectKey) -> list[Lease]:
    """The Leases that other leaders hold.

    Who may write Leases in a namespace of his own, as an agent may and many a user, must not stop the operator by one
    that says that it is a leader's. So a Lease counts in the usual namespace, in the operator's own, and in those which
    an administrator has labelled.
    """
    leases = [msgspec.json.decode(item, type=Lease) for item in await _labelled(client, LEASE)]
    rivals = [lease for lease in leases if lease.key != own and lease.spec.holder_identity]
    if not rivals:
        return []
    homes = [msgspec.json.decode(item, type=Object).metadata.name for item in await _labelled(client, NAMESPACE)]
    return [lease for lease in rivals if lease.key.namespace in (DEFAULT.namespace, own.namespace, *homes)]


async def _labelled(client: Client, kind: Kind) -> Sequence[msgspec.Raw]:
    """The objects of a kind that are labelled as a leader's; none where one may not look."""
    found = await _asked(lambda: client.list(kind, label_selector=f"{LEADER_LABEL}=true"))
    return found.items if found is not None else ()


async def _asked(ask: Callable[[], Awaitable[T]]) -> T | None:
    """The answer, once there is one; None where one may not ask. Raises ClientError for what stays so."""
    told = ""
    while True:
        try:
            return await ask()
        except Forbidden:
            return None
        except NotFound:
            raise
        except ClientError as error:
            if told != str(error):
                told = str(error)
                log.info("the cluster does not answer yet: %s", error)
        await asyncio.sleep(PAUSE_SECONDS)
