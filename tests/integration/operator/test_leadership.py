"""Who leads when answers are lost. A real server and Lease; the clock that counts how long ago is the test's."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.conftest import soon
from tests.integration.conftest import Core
from tests.integration.operator.conftest import Clock, client_through

from starlink.api.kinds import LEASE
from starlink.apiserver.handler import Api
from starlink.apiserver.security.certificates.pki import Pki
from starlink.client.kube import Client
from starlink_operator.leadership import LEASE_SECONDS, NAME, NAMESPACE, Leadership, LeadershipLost

LEASE_PATH = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/{NAME}"


class Lossy:
    """An API that does what it is asked, and may not answer a change."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.loses = False
        self.lost = self.answered = 0

    async def __call__(self, request: Any) -> Any:
        answer = await self.api.handle(request)
        if request.method == "PATCH" and self.loses:
            self.lost += 1
            await asyncio.get_running_loop().create_future()
        self.answered += request.method == "PATCH"
        return answer


@pytest.fixture
def lossy(api: Api) -> Lossy:
    return Lossy(api)


@pytest.fixture
async def client(api: Api, lossy: Lossy, pki: Pki) -> AsyncIterator[Client]:
    async with client_through(lossy, api, pki) as made:
        yield made


@pytest.mark.parametrize("away", [0.0, LEASE_SECONDS + 1.0])
async def test_a_renewal_whose_answer_is_lost_was_our_own(client: Client, lossy: Lossy, away: float) -> None:
    clock = Clock()
    leadership = Leadership(client, "me", clock, time.time)
    await leadership.acquire()
    holding = asyncio.create_task(leadership.hold())
    lossy.loses = True
    await soon(lambda: lossy.lost, "a renewal is done without an answer")
    clock.now += away
    lossy.loses, before = False, lossy.answered
    await soon(
        lambda: holding.done() or (lossy.answered > before and leadership.leads), "a renewal is answered and it leads"
    )
    assert not holding.done()
    holding.cancel()
    await asyncio.gather(holding, return_exceptions=True)


@pytest.mark.parametrize(
    ("holder", "told"), [("other", "the Lease was taken by other"), ("", "the Lease was given back in our place")]
)
async def test_a_lease_that_another_has_or_had_is_lost(client: Client, core: Core, holder: str, told: str) -> None:
    leadership = Leadership(client, "me", Clock(), time.time)
    await leadership.acquire()
    await core.merge(LEASE_PATH, {"spec": {"holderIdentity": holder}})
    with pytest.raises(LeadershipLost, match=told):
        await leadership.hold()


async def test_a_lease_that_was_deleted_is_lost(client: Client) -> None:
    clock = Clock()
    leadership = Leadership(client, "me", clock, time.time)
    await leadership.acquire()
    await client.delete(LEASE, NAME, NAMESPACE)
    clock.now += LEASE_SECONDS
    with pytest.raises(LeadershipLost, match="the Lease was deleted"):
        await leadership.hold()
