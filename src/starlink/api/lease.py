"""Lease (coordination.k8s.io/v1): an agent's heartbeat, or a leader's claim."""

from starlink.api.meta import Object, View


class LeaseSpec(View, frozen=True):
    holder_identity: str | None = None
    renew_time: str | None = None


class Lease(Object, frozen=True):
    spec: LeaseSpec = LeaseSpec()
