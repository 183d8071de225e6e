"""A server that people add, and its agent, which takes it as it is."""

import asyncio
import time
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest
from tests.integration.apiserver.test_revocation import acting, add_account, token_of
from tests.integration.conftest import Wire, obj_of

from starlink.api.kinds import EVENT, POOL, SERVER
from starlink.api.meta import ObjectKey
from starlink.cli import server as adding
from starlink.client.errors import NotFound
from starlink.client.kube import Client
from starlink_nodeagent.__main__ import _parse
from starlink_nodeagent.machine import machine
from starlink_nodeagent.reporting.reporter import Reporter
from starlink_nodeagent.server import registration
from starlink_nodeagent.server.link import Link


@pytest.fixture
async def gold(client: Client) -> str:
    await client.create(POOL, obj_of(POOL, "gold", spec={}))
    return "gold"


PLAIN = "starlink {}".format
on_both = pytest.mark.on_both


async def joined(wire: Wire, client: Client, folder: Path, name: str = "s2") -> dict[str, Any]:
    """The Server once its agent has registered."""
    await add_account(client, name)
    async with acting(wire, token=await token_of(client, name)) as agent:
        await registration.register(agent, name, machine.observe(folder, "127.0.0.1", {}))
    return await client.get(SERVER, name)


@on_both
async def test_an_agent_adopts_what_was_added(wire: Wire, client: Client, gold: str, tmp_path: Path) -> None:
    await adding._add(client, "s2", gold, {"zone": "hall-2"}, PLAIN)
    found = await joined(wire, client, tmp_path)
    assert found["spec"]["pool"] == gold
    assert found["metadata"]["finalizers"] == ["starlink.dev/drained"]
    told = found["metadata"]["labels"]
    assert told["zone"] == "hall-2" and {"kubernetes.io/arch", "kubernetes.io/os", "kubernetes.io/hostname"} < set(told)
    assert found["status"]["machineID"]


@on_both
async def test_an_agent_registers_where_nobody_was(wire: Wire, client: Client, tmp_path: Path) -> None:
    found = await joined(wire, client, tmp_path)
    assert len(found["metadata"]["labels"]) == 3 and not found["spec"].get("pool")


@on_both
async def test_what_others_write_over_the_machine_is_said_again(wire: Wire, client: Client, tmp_path: Path) -> None:
    await add_account(client, "s2")
    here = machine.observe(tmp_path, "127.0.0.1", {})
    async with acting(wire, token=await token_of(client, "s2")) as agent:
        uid = await registration.register(agent, "s2", here)
        server = await client.get(SERVER, "s2")
        running = asyncio.create_task(Link(agent, "s2", time.time, time.monotonic, lambda: 1.0).run(uid, here))
        wrong = {"allocatable": {"cpu": "64", "memory": None, "example.com/dongle": "2"}, "architecture": "riscv64"}
        await client.patch_status(SERVER, server, wrong)
        async with asyncio.timeout(60):
            while not server["status"].items() <= (await client.get(SERVER, "s2"))["status"].items():
                await asyncio.sleep(0.05)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@on_both
async def test_adding_again_changes_nothing(client: Client, gold: str) -> None:
    await adding._add(client, "s2", gold, {"zone": "hall-2"}, PLAIN)
    before = await client.get(SERVER, "s2")
    for pool, labels in ((gold, {"zone": "hall-2"}), ("", {}), (gold, {})):
        await adding._add(client, "s2", pool, labels, PLAIN)
    assert await client.get(SERVER, "s2") == before


@on_both
async def test_what_is_otherwise_is_refused_with_the_way(client: Client, gold: str) -> None:
    await client.create(POOL, obj_of(POOL, "silver", spec={}))
    await adding._add(client, "s2", gold, {"zone": "a"}, PLAIN)
    for pool, labels, told in (
        ("silver", {}, "in pool gold; to move it: starlink pool move s2 silver"),
        ("", {"zone": "b"}, "with label zone=a; to change it: kubectl label --overwrite server s2 zone=b"),
        ("", {"rack": "1"}, "without label rack; to change it: kubectl label --overwrite server s2 rack=1"),
        ("lead", {}, "--pool lead: there is no such pool"),
    ):
        with pytest.raises(click.ClickException) as refused:
            await adding._add(client, "s2", pool, labels, PLAIN)
        assert told in refused.value.message
    with pytest.raises(click.ClickException):
        await adding._add(client, "s3", "lead", {}, PLAIN)
    with pytest.raises(NotFound):
        await client.get(SERVER, "s3")


def test_the_agent_takes_no_label(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        _parse(["--kubeconfig", "k", "--name", "s2", "--data-dir", "d", "--label", "pool=gold"])
    assert ended.value.code == 2
    assert "starlink server add NAME --label KEY=VALUE" in capsys.readouterr().err


@on_both
async def test_an_agents_own_events_are_taken(wire: Wire, client: Client) -> None:
    await add_account(client, "s2")
    server = await client.create(SERVER, obj_of(SERVER, "s2"))
    async with acting(wire, token=await token_of(client, "s2")) as agent:
        reporter = Reporter(agent, "s2", lambda: 1_900_000_000.0)
        await reporter._send_event(
            SERVER, ObjectKey("", "s2"), server["metadata"]["uid"], "Warning", "Failed", "\x01" * 9000
        )
    (event,) = [e for e in await events(client) if e["involvedObject"]["name"] == "s2"]
    assert len(event["message"]) == 1024


async def events(client: Client) -> list[dict[str, Any]]:
    return [msgspec.json.decode(item) for item in (await client.list(EVENT, "default")).items]
