"""An agent with a real API server and real processes, all in this process: many stop at once, and one can't be used."""

import asyncio
import contextlib
import itertools
import os
import platform
import time
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.conftest import _let_pass, soon
from tests.unit.artifacts.packages import MACHINES, elf, zipped

from starlink.api.kinds import ASSIGNMENT, TASK, Kind
from starlink.client.kube import Client
from starlink.files import durable
from starlink_nodeagent.agent import Agent
from starlink_nodeagent.assembly import assembled
from starlink_nodeagent.instances.host import Host
from starlink_nodeagent.instances.instance import Instance
from starlink_nodeagent.journal.journal import Journal
from starlink_nodeagent.journal.record import Record, encode
from starlink_nodeagent.machine import machine
from starlink_nodeagent.machine.machine import ARCHITECTURES
from starlink_nodeagent.processes.processes import Marker, Processes
from starlink_nodeagent.server import heartbeat
from starlink_nodeagent.users.policy import users

CRD = Kind("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False)
MANY = 100


def assignment(name: str, **template: Any) -> dict[str, Any]:
    body = {"command": ["sh", "-c", "exec sleep 100000"], **template}
    return {
        "apiVersion": ASSIGNMENT.api_version,
        "kind": ASSIGNMENT.kind,
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"server": "s1", "slot": "0", "attempt": 1, "desired": "Running", "template": body},
    }


class Writes:
    """The journal's writes, of which those are counted that say of an instance that it has stopped."""

    def __init__(self) -> None:
        self._stopped: set[Path] = set()

    @property
    def stopped(self) -> int:
        return len(self._stopped)

    def __call__(self, path: Path, content: bytes) -> None:
        durable.replace(path, content)
        if b'"phase":"Stopped"' in content:
            self._stopped.add(path)


class Site:
    """What the API says of the agent's assignments, what its journal wrote, and what went wrong unheard."""

    def __init__(self, client: Client, host: Host, agent: Agent, writes: Writes) -> None:
        self.client, self.host, self.agent, self.writes = client, host, agent, writes
        self.unheard: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: self.unheard.append(context))

    async def phases(self) -> dict[str, dict[str, Any]]:
        listing = await self.client.list(ASSIGNMENT, "default")
        found = [msgspec.json.decode(item) for item in listing.items]
        return {a["metadata"]["name"]: a.get("status", {}) for a in found}

    async def until(self, phase: str, count: int) -> None:
        async with asyncio.timeout(120):
            while sum(status.get("phase") == phase for status in (await self.phases()).values()) < count:
                await asyncio.sleep(0.1)


@pytest.fixture
def writes() -> Writes:
    return Writes()


@pytest.fixture
def host(tmp_path: Path, writes: Writes) -> Host:
    _let_pass(tmp_path)
    journal, path = Journal(tmp_path / "instances", writes), os.environ["PATH"]
    return assembled("s1", journal, tmp_path / "artifacts", None, users(None, None, tmp_path / "task-uids"), path=path)


@pytest.fixture
async def site(client: Client, host: Host, writes: Writes, tmp_path: Path) -> AsyncIterator[Site]:
    facts = machine.observe(tmp_path, "127.0.0.1", {})
    agent = Agent(client, host, facts, time.monotonic, lambda: 1.0)
    made = Site(client, host, agent, writes)
    running = asyncio.create_task(agent.run())
    try:
        yield made
        assert not running.done()
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        await _clear(host.journal)


async def _clear(journal: Journal) -> None:
    for record in journal.load().records:
        for run in (record.run, record.run + 1):  # an agent that was cut short may have begun one that is not written
            if record.user is not None:
                await _kill(Marker(f"{record.uid}/{run}", record.user.uid))


async def _kill(marker: Marker) -> None:
    processes = Processes()
    while pids := await processes.members(marker, None):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)


@pytest.mark.on_both
async def test_heartbeats_get_through_while_a_hundred_stop(site: Site) -> None:
    names = [f"many-{number}" for number in range(MANY)]
    await asyncio.gather(*(site.client.create(ASSIGNMENT, assignment(name), "default") for name in names))
    await site.until("Running", MANY)
    stopped_at_turns: list[int] = []
    beats = 0

    async def turns() -> None:
        """What the loop has done each time that another has its turn."""
        while True:
            await asyncio.sleep(0)
            stopped_at_turns.append(site.writes.stopped)

    async def beat() -> None:
        nonlocal beats
        while True:
            await heartbeat.renew(site.client, "s1", time.time())
            beats += site.writes.stopped < MANY
            await asyncio.sleep(0.02)

    beside = [asyncio.create_task(turns()), asyncio.create_task(beat())]
    begun = site.host.processes.scans
    stop = {"spec": {"desired": "Stopped"}}
    await asyncio.gather(*(site.client.patch(ASSIGNMENT, name, stop, "default") for name in names))
    await site.until("Stopped", MANY)
    await soon(lambda: site.writes.stopped == MANY, "the journal says so too")
    scans = site.host.processes.scans - begun
    for task in beside:
        task.cancel()
    between = [later - earlier for earlier, later in itertools.pairwise(stopped_at_turns)]
    assert max(between) <= MANY / 4, "so many stopped while a heartbeat could not go on"
    assert beats, "heartbeats get through while they stop"
    assert scans < MANY, "each reading of /proc serves all that stop"
    await asyncio.gather(*(site.client.delete(ASSIGNMENT, name, "default") for name in names))
    await soon(lambda: not any(site.host.journal.folder.iterdir()), "all is forgotten")
    assert site.unheard == []


async def test_what_cannot_be_used_fails_alone(site: Site) -> None:
    """An API server with an earlier schema lets such numbers through."""
    crd = await site.client.get(CRD, "assignments.starlink.dev")
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["template"]
    for said in ("pattern", "x-kubernetes-validations"):
        schema["properties"]["logs"]["properties"]["maxSize"].pop(said)
    schema["properties"]["resources"].pop("x-kubernetes-validations", None)
    schema["properties"]["resources"]["properties"]["requests"].pop("x-kubernetes-validations", None)
    schema["properties"]["resources"]["properties"]["requests"]["additionalProperties"] = {
        "x-kubernetes-int-or-string": True
    }
    await site.client.replace(CRD, crd)
    bad = {"logs": {"maxSize": "endless"}}, {"resources": {"requests": {"cpu": "lots"}}}
    for name, template in (("size", bad[0]), ("cpu", bad[1]), ("well", {})):
        await site.client.create(ASSIGNMENT, assignment(name, **template), "default")
    await site.until("Running", 1)
    await site.until("Failed", 2)
    phases = await site.phases()
    assert phases["well"]["phase"] == "Running"
    assert {phases[name]["reason"] for name in ("size", "cpu")} == {"InvalidSpec"}
    assert "template.logs.maxSize: 'endless' is not a quantity" in phases["size"]["message"]
    assert "template.resources.requests.cpu: 'lots' is not a quantity" in phases["cpu"]["message"]


async def test_what_an_earlier_agent_started_of_it_is_ended(host: Host) -> None:
    record = msgspec.convert(
        {
            "uid": "0d9ba4e5-5c2a-4a0c-9f0e-0000000000f2", "namespace": "default", "name": "old", "task": "old",
            "slot": "0", "cluster": "c", "resource_version": 1, "generation": 1,
            "template": {"command": ["sleep", "100000"]},
        },
        Record,
    )  # fmt: skip
    first = Instance(record, host, lambda _: None)
    first.begin()
    await soon(lambda: record.phase == "Running", "it runs")
    first.leave()
    await first.over()
    (known,) = host.journal.load().records
    known.template = msgspec.structs.replace(
        known.template, logs=msgspec.structs.replace(known.template.logs, max_size=1e30)
    )
    second = Instance(known, host, lambda _: None)
    second.begin()
    await second.over()
    assert (known.phase, known.reason) == ("Failed", "InvalidSpec") and "logs.maxSize: 1e+30" in known.message
    assert known.user is not None
    assert await host.processes.members(Marker(f"{known.uid}/{known.run}", known.user.uid), None) == []


@pytest.mark.on_both
async def test_it_answers_at_once_when_its_instances_are_called_unknown(site: Site) -> None:
    await site.client.create(ASSIGNMENT, assignment("well"), "default")
    await site.client.create(ASSIGNMENT, assignment("gone", command=["false"], restart={"policy": "Never"}), "default")
    await site.until("Running", 1)
    await site.until("Exited", 1)
    before = await site.phases()
    for name in ("well", "gone"):
        status = {"phase": "Unknown", "ready": False, "reason": "ServerUnknown", "message": "not heard"}
        for _ in range(2):
            await site.client.patch(ASSIGNMENT, name, {"status": status}, "default", subresource="status")
    await site.until("Running", 1)
    await site.until("Exited", 1)
    after = await site.phases()
    for name in ("well", "gone"):
        for field in ("phase", "ready", "reason", "message"):
            assert after[name].get(field) == before[name].get(field)


@pytest.mark.on_both
async def test_nothing_is_remembered_of_what_was_stopped_before_it_started(site: Site) -> None:
    names = [f"unstarted-{number}" for number in range(10)]
    for name in names:
        unwanted = assignment(name)
        unwanted["spec"]["desired"] = "Stopped"
        await site.client.create(ASSIGNMENT, unwanted, "default")
    await site.until("Stopped", len(names))
    assert {status["reason"] for status in (await site.phases()).values()} == {"NeverStarted"}
    for name in names:
        await site.client.delete(ASSIGNMENT, name, "default")
    async with asyncio.timeout(60):
        while site.agent._reporter._told:
            await asyncio.sleep(0.05)
    assert not site.agent._reporter._wanted


async def test_a_log_that_grows_fast_is_cut_while_it_grows(site: Site) -> None:
    """300 MB, a megabyte at a time. The bound leaves room for a machine on which others run too."""
    script = "for i in $(seq 300); do head -c 1000000 /dev/zero; sleep 0.005; done; touch done; exec sleep 100000"
    await site.client.create(
        ASSIGNMENT, assignment("talks", command=["sh", "-c", script], logs={"maxSize": "10Mi"}), "default"
    )
    await site.until("Running", 1)
    (directory,) = site.host.journal.folder.iterdir()
    most = 0

    def is_over() -> bool:
        nonlocal most
        with contextlib.suppress(FileNotFoundError):
            most = max(most, (directory / "logs" / "current.log").stat().st_blocks * 512)
        return (directory / "work" / "done").exists()

    await soon(is_over, "it has said everything")
    await soon(lambda: (directory / "logs" / "current.log").stat().st_size <= 10 << 20, "it is cut")
    assert 0 < most < 100_000_000
    assert all(path.stat().st_size <= (10 << 20) * 5 / 4 for path in (directory / "logs").glob("[0-9]*.log"))


async def test_what_a_file_artifact_holds_is_told_by_name_and_not_started(site: Site, tmp_path: Path) -> None:
    """Of which nobody looks before it comes to a server."""
    own = ARCHITECTURES[platform.machine()]
    other = next(name for name in ("arm64", "riscv64", "amd64") if name != own)
    wanted = {
        "machine": (elf(MACHINES[other]), "WrongArchitecture"),
        "loader": (elf(MACHINES[own], loader="/lib/ld-absent.so.1"), "InterpreterNotFound"),
        "script": (b"#!/opt/absent/python\n", "InterpreterNotFound"),
        "env": (b"#!/usr/bin/env absent-python\n", "InterpreterNotFound"),
    }
    site.host.artifacts.folder = tmp_path
    for name, (content, _) in wanted.items():
        archive = zipped({"start.sh": content, "bin/app": content})
        (tmp_path / f"{name}.zip").write_bytes(archive)
        artifact = {"url": f"file:{name}.zip", "sha256": sha256(archive).hexdigest()}
        in_path = [{"name": "PATH", "value": "bin:/usr/bin:/bin"}]
        for number, template in enumerate(({}, {"command": ["bin/app"]}, {"command": ["app"], "env": in_path})):
            body = assignment(f"{name}-{number}", artifact=artifact)
            body["spec"]["template"].pop("command")
            body["spec"]["template"].update(template)
            await site.client.create(ASSIGNMENT, body, "default")
    await site.until("Failed", 3 * len(wanted))
    found = {name: status["reason"] for name, status in (await site.phases()).items()}
    assert found == {f"{name}-{number}": reason for name, (_, reason) in wanted.items() for number in range(3)}


@pytest.mark.on_both
async def test_which_task_an_instance_is_of_is_learned_where_an_earlier_agent_wrote_its_name(
    client: Client, host: Host, tmp_path: Path
) -> None:
    about = {"apiVersion": TASK.api_version, "kind": TASK.kind, "metadata": {"name": "web", "namespace": "default"}}
    task = await client.create(TASK, {**about, "spec": {"template": {"command": ["true"]}}}, "default")
    owner = {"apiVersion": TASK.api_version, "kind": TASK.kind, "name": "web", "controller": True}
    declared = assignment("web-1")
    declared["metadata"]["ownerReferences"] = [{**owner, "uid": task["metadata"]["uid"]}]
    facts = machine.observe(tmp_path, "127.0.0.1", {})
    known: list[Record] = []
    try:
        for _ in range(2):
            agent = Agent(client, host, facts, time.monotonic, lambda: 1.0)
            running = asyncio.create_task(agent.run())
            if not known:
                await client.create(ASSIGNMENT, declared, "default")
            await soon(lambda: any(one.task_uid and one.run for one in host.journal.load().records), "it is known")
            known += host.journal.load().records
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            place = host.journal.directory(known[0].uid) / "record.json"
            host.journal = Journal(host.journal.folder)
            place.write_bytes(encode(without_task_uid(known[0])))
    finally:
        await _clear(host.journal)
    assert [one.task_uid for one in known] == [task["metadata"]["uid"]] * 2


def without_task_uid(record: Record) -> Record:
    """As an earlier agent wrote it."""
    return msgspec.structs.replace(record, task_uid="")
