"""An agent that the API refuses: it gives up, but not what runs."""

import asyncio
import contextlib
import logging
import time
from dataclasses import replace
from pathlib import Path

import pytest
from tests.conftest import soon
from tests.integration.apiserver.test_revocation import acting, add_account, token_of
from tests.integration.conftest import Wire
from tests.integration.nodeagent.test_agent import Site, assignment, host, site, writes

from starlink.api.kinds import ASSIGNMENT, SERVER
from starlink.apiserver.security.certificates.pki import Pki
from starlink.client.errors import Untrusted
from starlink.client.kube import Client
from starlink_nodeagent import agent as agents
from starlink_nodeagent.agent import Agent
from starlink_nodeagent.instances.host import Host
from starlink_nodeagent.machine import machine
from starlink_nodeagent.server.refusal import Refused
from starlink_nodeagent.server.registration import join

__all__ = ["host", "site", "writes"]


def agent(client: Client, host: Host, folder: Path) -> Agent:
    return Agent(client, host, machine.observe(folder, "", {}), time.monotonic, lambda: 1.0)


async def test_an_agent_that_the_api_does_not_know_gives_up(wire: Wire, host: Host, tmp_path: Path) -> None:
    async with acting(wire, token="nobodys") as client:
        with pytest.raises(Refused, match=r"the API server knows this agent no more.* starlink server add s1"):
            await agent(client, host, tmp_path).run()


async def test_an_agent_of_another_server_gives_up(wire: Wire, client: Client, host: Host, tmp_path: Path) -> None:
    await add_account(client, "s2")
    async with acting(wire, token=await token_of(client, "s2")) as other:
        with pytest.raises(Refused, match="this agent may not be server s1"):
            await agent(other, host, tmp_path).run()


async def test_an_agent_of_another_starlink_gives_up(wire: Wire, host: Host, tmp_path: Path) -> None:
    stranger = Pki(tmp_path / "stranger", wire.pki._now)
    stranger.client("anybody")
    async with Client(replace(wire.config(token="t"), ca=stranger.ca.read_bytes())) as client:
        with pytest.raises(Refused, match="the kubeconfig is of another StarLink"):
            await agent(client, host, tmp_path).run()


async def test_a_certificate_that_is_out_of_date_is_tried_again(wire: Wire, host: Host, tmp_path: Path) -> None:
    """It may be this machine's clock that is wrong: many boards start in 1970."""
    old = Pki(tmp_path / "old", wire.pki._now.replace(year=2001))
    certificate, key = old.server(["127.0.0.1"])
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    config = replace(wire.config(token="t"), server=f"https://127.0.0.1:{port}", ca=old.ca.read_bytes())
    async with Client(config) as client:
        with pytest.raises(Exception, match="expired") as found:
            await client.get(SERVER, "s1")
    assert not isinstance(found.value, Untrusted)
    server.close()


async def test_what_runs_is_looked_after_all_the_same(
    wire: Wire,
    site: Site,
    host: Host,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A second agent goes on with what the first one left, and is refused again and again."""
    await site.client.create(ASSIGNMENT, assignment("stays"), "default")
    await site.until("Running", 1)
    monkeypatch.setattr(agents, "RETRY_SECONDS", 0.01)
    caplog.set_level(logging.WARNING)
    async with acting(wire, token="nobodys") as client:
        refused = asyncio.create_task(agent(client, host, tmp_path).run())
        await soon(lambda: caplog.text.count("could not register yet") > 3, "several tries")
        assert not refused.done()
        refused.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await refused


async def test_the_address_is_the_one_of_the_network_that_came_up(
    wire: Wire, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The network was not there yet when the agent first looked."""
    found = iter(["127.0.0.1", *["10.0.0.7"] * 3])

    async def towards(*_: object) -> str:
        return next(found)

    monkeypatch.setattr("starlink_nodeagent.server.registration.towards", towards)
    await add_account(client, "s1")
    async with acting(wire, token=await token_of(client, "s1")) as one:
        _, address = await join(one, "s1", machine.observe(tmp_path, "", {}))
    assert address == "10.0.0.7"
    told = (await client.get(SERVER, "s1"))["status"]["addresses"]
    assert {"type": "InternalIP", "address": "10.0.0.7"} in told
