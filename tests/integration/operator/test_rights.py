"""An operator's rights: those of its table suffice, and what is missing is said once while it goes on."""

import asyncio
import contextlib
import itertools
import json
import logging
import sys
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.conftest import soon
from tests.integration.conftest import Wire

from starlink.api.kinds import EVENT, LEASE, POOL, TASK, Kind
from starlink.api.task import Task
from starlink.client.cache import Cache
from starlink.client.config import render
from starlink.client.errors import AlreadyExists, NotFound
from starlink.client.kube import Client
from starlink.client.rights import Right
from starlink_operator import rights
from starlink_operator.leadership import DEFAULT

USER = "op"
RBAC = "rbac.authorization.k8s.io"
NEEDED = rights.needed("starlink-servers", DEFAULT)


@dataclass
class Running:
    """An operator's process, and where it logs."""

    process: asyncio.subprocess.Process
    log: Path

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.endswith("}")]

    def said(self, words: str) -> list[str]:
        return [line["msg"] for line in self.lines() if words in line["msg"]]


@contextlib.asynccontextmanager
async def operator(wire: Wire, folder: Path, *words: str, module: str = "starlink_operator") -> AsyncIterator[Running]:
    kubeconfig, log = folder / "kubeconfig", folder / "log"
    kubeconfig.write_text(render(wire.config(USER, ()), USER))
    arguments = ["-m", module, "--kubeconfig", str(kubeconfig), "--identity", "t", *words]
    with log.open("wb") as file:
        process = await asyncio.create_subprocess_exec(sys.executable, *arguments, stderr=file)
    try:
        yield Running(process, log)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        async with asyncio.timeout(60):
            await process.wait()


def role(*, namespaced: bool, binding: bool = False) -> Kind:
    name = f"{'Role' if namespaced else 'ClusterRole'}{'Binding' if binding else ''}"
    return Kind(RBAC, "v1", name, f"{name.lower()}s", namespaced)


async def revoke(client: Client, name: str = USER) -> None:
    """Takes away what was granted under the name."""
    for namespaced, binding in itertools.product((False, True), repeat=2):
        kind = role(namespaced=namespaced, binding=binding)
        for item in (await client.list(kind)).items:
            meta = msgspec.json.decode(item)["metadata"]
            if meta["name"] == name:
                await client.delete(kind, name, meta.get("namespace", ""))


async def grant(client: Client, given: Sequence[Right], name: str = USER) -> None:
    """Roles that give just these rights, bound to the user."""
    for namespace in sorted({right.namespace for right in given}):
        kind = role(namespaced=bool(namespace))
        rules = [
            {"apiGroups": [right.group], "resources": [right.resource], "verbs": [right.verb]}
            for right in given
            if right.namespace == namespace
        ]
        await client.create(kind, {"metadata": {"name": name}, "rules": rules}, namespace)
        binding = {
            "metadata": {"name": name},
            "roleRef": {"apiGroup": RBAC, "kind": kind.kind, "name": name},
            "subjects": [{"apiGroup": RBAC, "kind": "User", "name": USER}],
        }
        await client.create(role(namespaced=bool(namespace), binding=True), binding, namespace)


async def leader(client: Client) -> str:
    try:
        return str((await client.get(LEASE, DEFAULT.name, DEFAULT.namespace))["spec"].get("holderIdentity"))
    except NotFound:
        return ""


async def placed(client: Client) -> Any:
    """What the task's status says."""
    return ((await client.get(TASK, "web", "default")).get("status") or {}).get("conditions")


async def until(ask: Any, what: str) -> Any:
    """As `soon`, of what is asked of the API."""
    async with asyncio.timeout(60):
        while not (found := await ask()):
            await asyncio.sleep(0.05)
    assert found, what
    return found


async def test_the_rights_of_the_table_are_all_that_an_operator_needs(
    wire: Wire, client: Client, tmp_path: Path
) -> None:
    await grant(client, NEEDED)
    spec = {"template": {"command": ["run"]}}
    async with operator(wire, tmp_path) as running:
        await client.create(TASK, {"metadata": {"name": "web"}, "spec": spec}, "default")
        await until(lambda: placed(client), "the task's status")
        await until(lambda: events(client), "an Event")
        assert await leader(client) == "t" and running.said("missing") == []
    assert running.process.returncode == 0 and running.said("forbidden") == []


async def events(client: Client) -> Any:
    return (await client.list(EVENT, "default")).items


async def test_what_is_missing_is_said_once_and_had_as_soon_as_it_is_given(
    wire: Wire, client: Client, tmp_path: Path
) -> None:
    without = [right for right in NEEDED if right.resource not in ("leases", "pools", "tasks/status")]
    await grant(client, without)
    async with operator(wire, tmp_path) as running:
        (told,) = await soon(lambda: running.said("rights are missing"), "it says what is missing")
        assert told.startswith(
            "rights are missing: User op may not create leases.coordination.k8s.io in namespace kube-system"
        )
        assert '- {apiGroups: ["starlink.dev"], resources: [tasks/status], verbs: [patch]}' in told
        await soon(lambda: running.said("leadership is not to be had yet"), "it can't lead yet")
        before = len(running.lines())
        await grant(client, [right for right in NEEDED if right not in without], "more")
        await soon(lambda: running.said("rights that were missing are there"), "it has looked again")
        await until(lambda: is_led(client), "it leads")
        await until(lambda: heard(client), "kopf follows pools")
        assert len(running.said("missing:")) == 1 and before < 20, running.lines()
        assert running.said("Request attempt") == [] and running.process.returncode is None


async def heard(client: Client, name: str = "edge") -> bool:
    """Whether a pool that comes is told of."""
    with contextlib.suppress(AlreadyExists):
        await client.create(POOL, {"metadata": {"name": name}, "spec": {}})
    return bool((await client.get(POOL, name)).get("status", {}).get("conditions"))


async def is_led(client: Client) -> bool:
    return await leader(client) == "t"


async def test_a_watch_that_is_refused_is_not_logged_at_each_try(wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    refusals: list[Exception] = []
    async with Client(wire.config(USER, ()), refused=refusals.append) as client:
        cache = Cache(client, TASK, Task, now=time.monotonic, jitter=lambda: 0.01)
        following = asyncio.create_task(cache.run())
        await soon(lambda: len(refusals) > 5, "several tries")
        following.cancel()
    assert caplog.text.count("the watch of tasks was refused") == 1
