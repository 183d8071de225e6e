"""Whether an operator may begin: the cluster's version and CRDs, and another StarLink that leads."""

import asyncio
import contextlib
import itertools
import logging
import time
from collections.abc import AsyncIterator

import pytest
from tests.integration.conftest import Wire
from tests.integration.operator.conftest import client_through

from starlink.api.kinds import CRD, LEASE, NAMESPACE
from starlink.api.labels import LEADER_LABEL
from starlink.api.meta import ObjectKey
from starlink.apiserver.handler import Api
from starlink.apiserver.security.certificates.pki import Pki
from starlink.client.errors import AlreadyExists
from starlink.client.kube import Client
from starlink.http.message import Answer, Request, Response
from starlink_operator import fitness
from starlink_operator.fitness import Unfit
from starlink_operator.leadership import DEFAULT, LEASE_SECONDS, Leadership

OTHER = ObjectKey("team", "other")


async def test_our_own_server_is_fit(client: Client) -> None:
    await check(client)
    assert await fitness.demand_alone(client, DEFAULT, time.monotonic) == []


async def check(client: Client) -> None:
    """All that an operator looks at of the cluster itself."""
    await fitness.check_version(client)
    await fitness.check_crds(client)


async def test_crds_that_are_missing_or_of_an_earlier_schema_are_all_told(client: Client) -> None:
    await client.delete(CRD, "pools.starlink.dev")
    await client.patch(CRD, "tasks.starlink.dev", {"metadata": {"annotations": {"starlink.dev/schema": None}}})
    with pytest.raises(
        Unfit, match=r"CRD pools\.starlink\.dev is not there; .*CRD tasks\.starlink\.dev is of schema 0, .*crds/$"
    ):
        await check(client)


async def test_newer_crds_are_told_of_and_no_hindrance(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    await client.patch(CRD, "tasks.starlink.dev", {"metadata": {"annotations": {"starlink.dev/schema": "99"}}})
    await check(client)
    assert [record.getMessage() for record in caplog.records if "newer schema" in record.getMessage()]


async def test_an_old_cluster_is_told(api: Api, pki: Pki) -> None:
    async def old(request: Request) -> Answer:
        if request.path == "/version":
            return Response(200, b'{"major": "1", "minor": "27"}', {"content-type": "application/json"})
        return await api.handle(request)

    async with client_through(old, api, pki) as client:
        with pytest.raises(Unfit, match=r"Kubernetes 1\.27, and StarLink needs 1\.30"):
            await check(client)


async def test_who_may_not_look_goes_on(wire: Wire) -> None:
    async with Client(wire.config("nobody", ())) as client:
        await check(client)
        assert await fitness.demand_alone(client, DEFAULT, time.monotonic) == []


async def held(client: Client, key: ObjectKey, holder: str = "another", *, labelled: bool = True) -> None:
    """A Lease as a leader holds it, in a namespace that an administrator has labelled, or not."""
    labels = {LEADER_LABEL: "true"} if labelled else {}
    with contextlib.suppress(AlreadyExists):
        await client.create(NAMESPACE, {"metadata": {"name": key.namespace, "labels": labels}})
    lease = {"metadata": {"name": key.name, "labels": {LEADER_LABEL: "true"}}, "spec": {"holderIdentity": holder}}
    await client.create(LEASE, lease, key.namespace)


@contextlib.asynccontextmanager
async def renewed(client: Client, key: ObjectKey) -> AsyncIterator[None]:
    """Renews a Lease again and again."""

    async def renew() -> None:
        for number in itertools.count():
            await client.patch(LEASE, key.name, {"spec": {"leaseTransitions": number}}, key.namespace)
            await asyncio.sleep(0.05)

    running = asyncio.create_task(renew())
    yield
    running.cancel()


async def test_another_starlink_that_leads_is_told_with_the_ways_out(client: Client) -> None:
    await held(client, OTHER)
    async with renewed(client, OTHER):
        with pytest.raises(Unfit, match=r"another StarLink leads.* Lease is team/other, held by another") as told:
            await fitness.demand_alone(client, DEFAULT, time.monotonic)
    assert "--lease-namespace team --lease-name other" in str(told.value)


async def test_a_lease_of_whoever_may_write_one_somewhere_stops_no_operator(client: Client) -> None:
    await held(client, OTHER, labelled=False)
    async with renewed(client, OTHER):
        assert await fitness.demand_alone(client, DEFAULT, time.monotonic) == []


async def test_a_lease_that_nobody_renews_is_waited_for_once(client: Client) -> None:
    await held(client, OTHER)
    await held(client, ObjectKey("team", "given-back"), "")
    moments = iter((0.0, 1.0, LEASE_SECONDS + 1.0, 100.0))
    dead = await fitness.demand_alone(client, DEFAULT, lambda: next(moments))
    assert [lease.key for lease in dead] == [OTHER]
    begun = iter((0.0,))
    assert await fitness.demand_alone(client, DEFAULT, lambda: next(begun), dead) == dead, "its clock is asked once"


async def test_the_own_lease_and_that_of_others_without_the_mark_are_no_rivals(client: Client) -> None:
    leader = Leadership(client, "one", time.monotonic, time.time)
    await leader.acquire()
    lease = await client.get(LEASE, DEFAULT.name, DEFAULT.namespace)
    assert lease["metadata"]["labels"] == {LEADER_LABEL: "true"}
    assert await fitness.demand_alone(client, DEFAULT, time.monotonic) == []
    async with renewed(client, DEFAULT):
        with pytest.raises(Unfit, match="Lease is kube-system/starlink-operator, held by one"):
            await fitness.demand_alone(client, OTHER, time.monotonic)


async def test_a_leader_may_hold_another_lease(client: Client) -> None:
    await client.create(NAMESPACE, {"metadata": {"name": OTHER.namespace}})
    leader = Leadership(client, "one", time.monotonic, time.time, OTHER)
    await leader.acquire()
    lease = await client.get(LEASE, OTHER.name, OTHER.namespace)
    assert lease["spec"]["holderIdentity"] == "one" and leader.leads
    await leader.give_back()
    assert not (await client.get(LEASE, OTHER.name, OTHER.namespace))["spec"].get("holderIdentity")
