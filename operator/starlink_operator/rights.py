"""The rights that the operator needs, and a look at which of them are missing."""

import asyncio
from collections.abc import Iterable, Sequence

import msgspec

from starlink.api.kinds import CRD, EVENT, LEASE, Kind
from starlink.api.meta import ObjectKey
from starlink.backoff import Pauses
from starlink.client.errors import ApiError, ClientError
from starlink.client.kube import Client
from starlink.client.rights import Missing, Right, of, shown
from starlink_operator.controller import Entry
from starlink_operator.kinds import KINDS

PAUSES = Pauses(5.0, 300.0)
"""Between two looks while something is missing."""
AT_ONCE = 2
"""Each that is asked beside others may open a connection, whose handshake takes longer than the answer."""
_REVIEW = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_WHO = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
_FOLLOWS = ("list", "watch")


def needed(servers: str, lease: ObjectKey, kinds: Iterable[Entry] = KINDS) -> Sequence[Right]:
    """All that it does, with the namespace of the servers' Leases and the Lease of the leader."""
    every = [
        *(right for entry in kinds for right in of_entry(entry)),
        *of(EVENT, "create", "get", "patch"),
        *of(LEASE, "list"),
        *of(CRD, "get"),
        *of(LEASE, *_FOLLOWS, namespace=servers),
        *of(LEASE, "get", "create", "patch", namespace=lease.namespace),
    ]
    return list(dict.fromkeys(every))


def of_entry(entry: Entry) -> Sequence[Right]:
    """What one controller needs: to follow what it reads, and what its plans write."""
    return [*following(entry.reads.kinds), *entry.writes]


def following(kinds: Iterable[Kind]) -> Sequence[Right]:
    """What a watch of each needs."""
    return [right for kind in kinds for right in of(kind, *_FOLLOWS)]


async def are_there(client: Client, rights: Sequence[Right], missing: Missing) -> bool:
    """Whether all rights are there; tells of those that are missing."""
    try:
        lacking = await _lacking(client, rights)
        missing.tell(await _who(client), lacking)
    except ClientError:  # who may not even ask learns of each right by its refusal
        return False
    return not lacking


async def given(client: Client, rights: Sequence[Right]) -> None:
    """Waits until all these are there."""
    looks = 0
    while True:
        try:
            if not await _lacking(client, rights):
                return
        except ApiError:  # who may not even ask tries what it may
            return
        except ClientError:
            looks = 0
        looks += 1
        await asyncio.sleep(PAUSES.after(looks))


async def look(client: Client, rights: Sequence[Right], missing: Missing) -> None:
    """Looks again and again, ever more seldom, until all are there."""
    for pause in PAUSES:
        await asyncio.sleep(pause)
        if await are_there(client, rights, missing):
            return


async def _lacking(client: Client, rights: Sequence[Right]) -> Sequence[Right]:
    slots = asyncio.Semaphore(AT_ONCE)
    allowed = await asyncio.gather(*(_allowed(client, right, slots) for right in rights))
    return [right for right, has in zip(rights, allowed, strict=True) if not has]


class _Verdict(msgspec.Struct):
    allowed: bool


class _Review(msgspec.Struct):
    status: _Verdict


_review = msgspec.json.Decoder(_Review)


async def _allowed(client: Client, right: Right, slots: asyncio.Semaphore) -> bool:
    resource, _, sub = right.resource.partition("/")
    asked = {"verb": right.verb, "group": right.group, "resource": resource, "subresource": sub}
    body: dict[str, object] = {"spec": {"resourceAttributes": {**asked, "namespace": right.namespace}}}
    body |= _kind("authorization.k8s.io/v1", "SelfSubjectAccessReview")
    async with slots:
        answer = await client.raw("POST", _REVIEW, body=body)
    return _review.decode(answer).status.allowed


async def _who(client: Client) -> str:
    """Who one is, as people write it in a binding."""
    try:
        answer = await client.raw("POST", _WHO, body=_kind("authentication.k8s.io/v1", "SelfSubjectReview"))
        return shown(msgspec.json.decode(answer)["status"]["userInfo"]["username"])
    except (ClientError, KeyError, TypeError):
        return "the operator"


def _kind(api_version: str, kind: str) -> dict[str, str]:
    return {"apiVersion": api_version, "kind": kind}
