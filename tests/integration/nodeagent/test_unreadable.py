"""An agent of real processes whose Assignments become unreadable: by watch, by relist, and after its own restart."""

import asyncio
import contextlib
import json
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.conftest import _let_pass, instances_below, soon
from tests.crds import shipped

from starlink.api.kinds import ASSIGNMENT, EVENT, Kind
from starlink.client.kube import Client
from starlink_nodeagent.agent import Agent
from starlink_nodeagent.assembly import assembled
from starlink_nodeagent.journal.journal import Journal
from starlink_nodeagent.machine import machine
from starlink_nodeagent.processes.processes import Marker, Processes
from starlink_nodeagent.users.policy import users

Obj = dict[str, Any]
CRD = Kind("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False)
ANYTHING = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
RUN = {"command": ["sh", "-c", "exec sleep 100000"], "stop": {"gracePeriod": "1s"}}
CHANGES = {
    "a runtime of a newer version": ("spec", {"template": {"runtime": "Container"}}),
    "a wish of a newer version": ("spec", {"desired": "Paused"}),
    "a command that is none": ("spec", {"template": {"command": 7}}),
    "a template that is none": ("spec", {"template": 7}),
    "a phase of a newer operator": ("status", {"phase": "Lost"}),
    "a phase that is none": ("status", {"phase": 7}),
    "conditions that are none": ("status", {"conditions": "well"}),
}


class Site:
    """An API that takes any spec and status, and agents of one server, one after another."""

    def __init__(self, client: Client, folder: Path) -> None:
        self.client, self.folder = client, folder

    async def open(self) -> None:
        definition = shipped(ASSIGNMENT.plural)
        parts = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
        parts["spec"], parts["status"] = {**ANYTHING, "properties": {"server": {"type": "string"}}}, ANYTHING
        await self.client.patch(
            CRD, definition["metadata"]["name"], {"spec": {"versions": definition["spec"]["versions"]}}
        )

    @asynccontextmanager
    async def agent(self) -> AsyncIterator[Agent]:
        journal = Journal(self.folder / "instances")
        numbers = users(None, None, self.folder / "task-uids")
        host = assembled("s1", journal, self.folder / "artifacts", None, numbers, path=os.environ["PATH"])
        made = Agent(self.client, host, machine.observe(self.folder, "127.0.0.1", {}), time.monotonic, lambda: 1.0)
        running = asyncio.create_task(made.run())
        try:
            yield made
            assert not running.done()
        finally:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running

    async def create(self, name: str, **spec: Any) -> None:
        body = {"server": "s1", "slot": "0", "attempt": 1, "desired": "Running", "template": RUN, **spec}
        await self.client.create(ASSIGNMENT, {"metadata": {"name": name}, "spec": body}, "default")

    async def patch(self, name: str, part: str, changed: Obj) -> None:
        subresource = part if part == "status" else ""
        await self.client.patch(ASSIGNMENT, name, {part: changed}, "default", subresource=subresource)

    async def until(self, name: str, check: Callable[[Obj], bool]) -> Obj:
        async with asyncio.timeout(60):
            while True:
                found = await self.client.get(ASSIGNMENT, name, "default")
                status: Obj = found.get("status", {})
                if check(status):
                    return status
                await asyncio.sleep(0.05)

    def processes(self) -> dict[int, str]:
        return instances_below(self.folder)

    async def events(self, reason: str) -> list[str]:
        items = (await self.client.list(EVENT, "default")).items
        return [
            event["involvedObject"]["name"] for event in map(msgspec.json.decode, items) if event["reason"] == reason
        ]

    async def clear(self) -> None:
        processes = Processes()
        for record in Journal(self.folder / "instances").load().records:
            if record.user is None:
                continue
            while pids := await processes.members(Marker(f"{record.uid}/{record.run}", record.user.uid), None):
                for pid in pids:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, 9)


@pytest.fixture
async def site(client: Client, tmp_path: Path) -> AsyncIterator[Site]:
    _let_pass(tmp_path)
    made = Site(client, tmp_path)
    await made.open()
    yield made
    await made.clear()


def runs(status: Obj) -> bool:
    return status.get("phase") == "Running" and status.get("ready") is True


def says_so(status: Obj) -> bool:
    return status.get("reason") == "Unreadable" and "upgrade the agent" in status["message"]


@pytest.mark.parametrize(("part", "changed"), CHANGES.values(), ids=CHANGES)
async def test_what_runs_goes_on_when_its_assignment_can_not_be_read(site: Site, part: str, changed: Obj) -> None:
    """Told by the watch, by a relist, and to the next agent, which lists it first."""
    async with site.agent() as agent:
        await site.create("odd")
        await site.until("odd", runs)
        before = site.processes()
        await site.patch("odd", part, changed)
        status = await site.until("odd", lambda status: (says_so(status) if part == "spec" else True) and runs(status))
        await agent._assignments.refresh()
        await site.create("well")
        await site.until("well", runs)
        assert before.items() <= site.processes().items()
    async with site.agent():
        await site.create("later")
        await site.until("later", runs)
        await site.until("odd", runs)
        assert before.items() <= site.processes().items(), "the same process runs"
        if part == "spec":
            stalled = next(one for one in status["conditions"] if one["type"] == "Stalled")
            assert (stalled["status"], stalled["reason"]) == ("True", "Unreadable")
            assert "odd" in await site.events("Unreadable")
            await site.patch("odd", "spec", {"desired": "Running", "template": {**RUN, "runtime": None}})
            await site.until("odd", lambda status: "reason" not in status and runs(status))
        await site.client.delete(ASSIGNMENT, "odd", "default")
        await soon(lambda: not before.keys() & site.processes().keys(), "it stops once it is deleted")


async def test_what_can_not_be_read_is_not_begun_until_it_can(site: Site) -> None:
    async with site.agent():
        await site.create("odd", template={**RUN, "runtime": "Container"})
        status = await site.until("odd", says_so)
        assert (status["phase"], status["ready"]) == ("Pending", False)
        await site.create("well")
        await site.until("well", runs)
        assert await site.events("Unreadable") == ["odd"]
        await site.patch("odd", "spec", {"template": {"runtime": "Process"}})
        await site.until("odd", runs)


async def test_what_a_newer_agent_began_is_left_to_the_next_one_that_knows_it(site: Site) -> None:
    async with site.agent():
        await site.create("odd")
        await site.until("odd", runs)
        before = site.processes()
    (path,) = (site.folder / "instances").glob("*/record.json")
    newer = json.loads(path.read_bytes())
    newer.pop("sum")
    newer["template"]["runtime"] = "Container"
    path.write_bytes(written := json.dumps(newer, separators=(",", ":")).encode())
    await site.patch("odd", "spec", {"template": {"runtime": "Container"}})
    async with site.agent():
        await site.until("odd", says_so)
        await site.create("well")
        await site.until("well", runs)
        await site.patch("odd", "spec", {"desired": "Stopped"})
        await site.patch("well", "spec", {"desired": "Stopped"})
        await site.until("well", lambda status: status["phase"] == "Stopped")
        assert before.items() <= site.processes().items(), "it can't know how to stop it"
        assert path.read_bytes() == written, "the record is the newer agent's"
