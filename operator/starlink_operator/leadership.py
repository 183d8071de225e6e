"""One writer: leadership by Lease. The decision is pure, the edge is thin."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from starlink.api.kinds import LEASE
from starlink.api.labels import LEADER_LABEL
from starlink.api.lease import LeaseSpec
from starlink.api.meta import ObjectKey
from starlink.api.timestamp import format_micro_time
from starlink.backoff import Pauses
from starlink.client.errors import AlreadyExists, ClientError, Conflict, Forbidden, NotFound
from starlink.client.kube import Client

log = logging.getLogger(__name__)

NAME, NAMESPACE = "starlink-operator", "kube-system"
DEFAULT = ObjectKey(NAMESPACE, NAME)
LEASE_SECONDS = 15
RENEW_SECONDS = 3.0
LOOK_SECONDS = 1.0
_PAUSES = Pauses(LOOK_SECONDS, 30.0)
"""Between two tries to lead; the longer one after refusals for good."""
REQUEST_SECONDS = 5.0
"""The longest that a write may be under way: the leader sends nothing in the last part of its lease."""


class LeadershipLost(Exception):
    """Another may lead now; this process must end."""


@dataclass(frozen=True, slots=True)
class Observation:
    """The Lease as first seen at `version`, at `since` on our monotonic clock."""

    version: str
    holder: str
    since: float


def may_take(lease: Observation, identity: str, now: float) -> bool:
    """Whether the Lease is free: ours already, given back, or not renewed for its whole length since we saw it."""
    return lease.holder in ("", identity) or now - lease.since > LEASE_SECONDS


def lost_to(holder: str, identity: str) -> str:
    """To whom a leader has lost the Lease that `holder` holds now, in words; "" while it is its own."""
    if holder == identity:
        return ""
    return f"the Lease was taken by {holder}" if holder else "the Lease was given back in our place"


def may_write(renewed: float, now: float) -> bool:
    """Whether a write that starts now ends within the lease."""
    return now - renewed < LEASE_SECONDS - REQUEST_SECONDS


class Leadership:
    """`monotonic` decides, `wall` is only written down; `lease` is the Lease that leaders hold."""

    def __init__(
        self,
        client: Client,
        identity: str,
        monotonic: Callable[[], float],
        wall: Callable[[], float],
        lease: ObjectKey = DEFAULT,
    ) -> None:
        self._client = client
        self._identity = identity
        self._monotonic = monotonic
        self._wall = wall
        self.lease = lease
        self._renewed = float("-inf")
        self._version = ""

    @property
    def leads(self) -> bool:
        """Whether we may write now."""
        return may_write(self._renewed, self._monotonic())

    async def acquire(self) -> None:
        """Waits until we lead."""
        seen = Observation("", "", self._monotonic())
        told, refusals = "", 0
        while True:
            try:
                seen = await self._look(seen)
                if may_take(seen, self._identity, self._monotonic()):
                    await self._renew()
                    log.info("leading", extra={"identity": self._identity})
                    return
                refusals = 0
                if told != seen.holder:
                    told = seen.holder
                    log.info("another operator leads; waiting", extra={"holder": seen.holder})
            except ClientError as error:
                if told != str(error):
                    told = str(error)
                    log.info("leadership is not to be had yet: %s", error)
                if isinstance(error, Forbidden | NotFound):  # a person has to do something first
                    refusals += 1
            await asyncio.sleep(_PAUSES.after(refusals + 1))

    async def _look(self, seen: Observation) -> Observation:
        try:
            lease = await self._client.get(LEASE, self.lease.name, self.lease.namespace)
        except NotFound:
            with contextlib.suppress(AlreadyExists):
                made = {"metadata": {"name": self.lease.name}, "spec": {}}
                await self._client.create(LEASE, made, self.lease.namespace)
            lease = await self._client.get(LEASE, self.lease.name, self.lease.namespace)
        self._version = lease["metadata"]["resourceVersion"]
        if self._version == seen.version:
            return seen
        return Observation(self._version, _holder(lease), self._monotonic())

    async def _renew(self) -> None:
        started = self._monotonic()
        now = format_micro_time(self._wall())
        spec = {"holderIdentity": self._identity, "leaseDurationSeconds": LEASE_SECONDS, "renewTime": now}
        metadata = {"resourceVersion": self._version, "labels": {LEADER_LABEL: "true"}}
        patch = {"metadata": metadata, "spec": spec}
        lease = await self._client.patch(LEASE, self.lease.name, patch, self.lease.namespace)
        self._version = lease["metadata"]["resourceVersion"]
        self._renewed = started

    async def hold(self) -> None:
        """Renews until cancelled. Raises LeadershipLost when another took the Lease, also while the API was away."""
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            try:
                await self._renew()
            except Conflict as error:
                log.info("the Lease is not as it was left: %s", error)
                await self._win_back()
            except ClientError as error:
                log.warning("the leadership could not be renewed: %s", error)
                if not self.leads:
                    await self._win_back()

    async def _win_back(self) -> None:
        """Renews what the Lease says is still ours. Raises LeadershipLost when it is not.

        That it changed says nothing: a renewal of ours may have been done and its answer lost.
        """
        while True:
            try:
                lease = await self._client.get(LEASE, self.lease.name, self.lease.namespace)
                if problem := lost_to(_holder(lease), self._identity):
                    raise LeadershipLost(problem)
                self._version = lease["metadata"]["resourceVersion"]
                await self._renew()
                return
            except NotFound:
                raise LeadershipLost("the Lease was deleted") from None
            except ClientError:
                await asyncio.sleep(1.0)

    async def give_back(self) -> None:
        """Lets the next one lead at once."""
        patch = {"metadata": {"resourceVersion": self._version}, "spec": {"holderIdentity": ""}}
        with contextlib.suppress(ClientError):
            await self._client.patch(LEASE, self.lease.name, patch, self.lease.namespace)


def _holder(lease: dict[str, Any]) -> str:
    return msgspec.convert(lease.get("spec") or {}, LeaseSpec).holder_identity or ""
