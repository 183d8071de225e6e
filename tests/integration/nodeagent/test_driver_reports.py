"""What a driver has found, over the wire: it replaces what was found before, and another agent reads it again."""

import asyncio
import contextlib
import json
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import _let_pass
from tests.integration.conftest import Wire
from tests.integration.nodeagent.drivers import Leftovers

from starlink.api.kinds import ASSIGNMENT, SERVER
from starlink.client.kube import Client
from starlink.http.message import OPERATOR
from starlink_nodeagent.agent import Agent
from starlink_nodeagent.assembly import assembled
from starlink_nodeagent.journal.journal import Journal
from starlink_nodeagent.layout import RESULT
from starlink_nodeagent.machine import machine
from starlink_nodeagent.users.policy import users


def driver(command: list[str], **spec: Any) -> dict[str, Any]:
    wanted = {"name": "exec-report", "operation": "run", "spec": {"command": command, **spec}}
    template = {"runtime": "Driver", "driver": wanted, "stop": {"gracePeriod": "5s"}}
    return {
        "apiVersion": ASSIGNMENT.api_version,
        "kind": ASSIGNMENT.kind,
        "metadata": {"name": "d-0", "namespace": "default"},
        "spec": {"server": "s1", "slot": "0", "attempt": 1, "desired": "Running", "template": template},
    }


class Site:
    """An API server and agents, one after another, on one data directory."""

    def __init__(self, client: Client, operator: Client, folder: Path) -> None:
        """Only the operator writes drivers."""
        _let_pass(folder)
        self.client, self.operator, self.folder = client, operator, folder
        self.leftovers = Leftovers()
        self._running: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        journal, path = Journal(self.folder / "instances"), os.environ["PATH"]
        own = users(None, None, self.folder / "task-uids")
        host = assembled("s1", journal, self.folder / "artifacts", None, own, path=path)
        facts = machine.observe(self.folder, "127.0.0.1", {})
        self._running = asyncio.create_task(Agent(self.client, host, facts, time.monotonic, lambda: 1.0).run())

    async def leave(self) -> None:
        assert self._running is not None
        self._running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._running

    async def status(self) -> dict[str, Any]:
        found = await self.client.get(ASSIGNMENT, "d-0", "default")
        self.leftovers.uids.add(found["metadata"]["uid"])
        status: dict[str, Any] = found.get("status", {})
        return status

    async def until(self, key: str, value: Any) -> dict[str, Any]:
        async with asyncio.timeout(60):
            while (status := await self.status()).get(key) != value:
                await asyncio.sleep(0.05)
        return status

    async def create(self, command: list[str], **spec: Any) -> str:
        made = await self.operator.create(ASSIGNMENT, driver(command, **spec), "default")
        self.leftovers.uids.add(made["metadata"]["uid"])
        return str(made["metadata"]["uid"])


@pytest.fixture
async def site(wire: Wire, client: Client, tmp_path: Path) -> AsyncIterator[Site]:
    async with Client(wire.config(OPERATOR)) as operator:
        made = Site(client, operator, tmp_path)
        await made.begin()
        yield made
        await made.leave()
        await made.leftovers.end()


@pytest.mark.on_both
async def test_what_a_driver_finds_stands_in_the_status_and_replaces_what_it_found_before(site: Site) -> None:
    uid = await site.create(["sh", "-c", "echo a; exit 3"], every="1h")
    status = await site.until("result", {"exitCode": 3, "lines": ["a"]})
    assert status["phase"] == "Running"
    path = site.folder / "instances" / uid / RESULT
    path.write_text(json.dumps({"signal": "SIGKILL", "lines": []}))
    await site.until("result", {"signal": "SIGKILL", "lines": []})
    path.write_text('{"exitCode":"stored"}')
    status = await site.until("reason", "InvalidResult")
    assert status["result"] == {"signal": "SIGKILL", "lines": []} and "stored" not in json.dumps(status)
    path.write_text("{}")
    status = await site.until("result", {})
    assert "reason" not in status


async def test_what_was_found_while_no_agent_looked_is_told_by_the_next(site: Site) -> None:
    uid = await site.create(["sh", "-c", "echo a"], every="1h")
    await site.until("result", {"exitCode": 0, "lines": ["a"]})
    await site.leave()
    (site.folder / "instances" / uid / RESULT).write_text('{"lines":["later"]}')
    await site.begin()
    await site.until("result", {"lines": ["later"]})


async def test_a_server_says_which_drivers_it_has(site: Site) -> None:
    async def said() -> Any:
        with contextlib.suppress(Exception):
            return (await site.client.get(SERVER, "s1")).get("status", {})
        return {}

    async with asyncio.timeout(60):
        while "runtimes" not in (status := await said()):
            await asyncio.sleep(0.05)
    assert status["runtimes"] == ["Process", "Driver"] and "driver.starlink.dev/exec-report" in status["features"]


async def test_a_spec_that_the_driver_can_not_use_is_told_by_its_field(site: Site) -> None:
    await site.create([], every="never")
    status = await site.until("reason", "InvalidSpec")
    assert status["message"].startswith("template.driver.spec.command: it has 0 items; write at least 1")
    assert site.leftovers.processes() == []


@pytest.mark.on_both
async def test_a_change_of_its_spec_and_host_ports_reaches_the_run_that_there_is(site: Site) -> None:
    await site.create(["sh", "-c", "echo a"], every="1h")
    before = await site.until("result", {"exitCode": 0, "lines": ["a"]})
    spec = {"command": ["sh", "-c", "echo b"], "every": "1h"}
    patch = {"spec": {"hostPorts": [28080], "template": {"driver": {"spec": spec}}}}
    changed = await site.operator.patch(ASSIGNMENT, "d-0", patch, "default")
    await site.until("result", {"exitCode": 0, "lines": ["b"]})
    after = await site.until("observedGeneration", changed["metadata"]["generation"])
    assert (after["startedAt"], after["restarts"]) == (before["startedAt"], 0)
