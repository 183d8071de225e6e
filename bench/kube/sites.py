"""The racers, each started for one round on the same machine: they differ in their servers, and nothing else."""

import asyncio
import contextlib
import datetime
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

from tests.kube.control_plane import ControlPlane
from tests.kube.installed import CRDS, ROLES

from bench import usage
from bench.agents import SimulatedAgent
from bench.fleet import Machine
from bench.kube import workloads
from bench.kube.kubelets import NODE, POD, SimulatedKubelet
from bench.kube.ledger import KUBERNETES, ON_KUBERNETES, STARLINK
from bench.kube.workloads import Obj, Workload
from bench.load import Files
from starlink.api import labels
from starlink.api.kinds import ASSIGNMENT, SERVER, STARLINK_KINDS, Kind
from starlink.apiserver.security.certificates.pki import Pki
from starlink.cli.datadir import DataDir
from starlink.cli.launcher import ADMIN, ADMIN_GROUP, OPERATOR, Standalone
from starlink.client.config import render
from starlink.client.errors import AlreadyExists, NotFound
from starlink.client.kube import Client
from starlink.manifest import load_all

EVERY_CONTROLLER = ("*",)
"""All that are on by default."""
SERVED_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Words:
    """What servers, and what is bound to them, are called; what simulates a server; how a workload's set is written;
    whether instances may go to a server; the server, "" for none, and the set of what may be bound."""

    server: Kind
    bound: Kind
    machine: type[Machine]
    written: Callable[[Workload, int], tuple[str, bytes]]
    is_ready: Callable[[Obj], bool]
    place_of: Callable[[Obj], tuple[str, str]]


def _is_ready(obj: Obj) -> bool:
    """Of a Server, and of a Node."""
    conditions = {one["type"]: one["status"] for one in obj.get("status", {}).get("conditions", [])}
    return conditions.get("Ready") == "True" and not obj["spec"].get("taints")


OURS = Words(
    SERVER, ASSIGNMENT, SimulatedAgent, workloads.task, _is_ready,
    lambda obj: (obj["spec"]["server"], obj["metadata"]["labels"][labels.TASK]),
)  # fmt: skip
THEIRS = Words(
    NODE, POD, SimulatedKubelet, workloads.deployment, _is_ready,
    lambda obj: (obj["spec"].get("nodeName", ""), obj["metadata"]["labels"]["app"]),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Site:
    """A racer that runs: an administrator's kubeconfig and files, its port on loopback, and its processes by name."""

    racer: str
    words: Words
    kubeconfig: Path
    files: Files
    port: int
    pids: Callable[[], Mapping[str, int]]

    def cpu(self) -> float:
        """Seconds that all parts have taken."""
        return sum(usage.cpu_seconds(pid) for pid in self.pids().values())

    def memory(self) -> float:
        """Of all parts in MB, what they share counted once."""
        return sum(usage.proportional(pid) for pid in self.pids().values())


@contextlib.asynccontextmanager
async def standalone(folder: Path) -> AsyncIterator[Site]:
    """StarLink alone: its API server on SQLite, which syncs what it writes, and its operator."""
    started = Standalone(DataDir(folder / "data"))
    try:
        await started.start()
        pki = Pki(started.data.pki, datetime.datetime.now(datetime.UTC))
        files = pki.ca, *pki.client(ADMIN, [ADMIN_GROUP])
        port = int(started.url.rpartition(":")[2])
        yield Site(STARLINK, OURS, started.data.admin_kubeconfig, files, port, lambda: _pids(started))
    finally:
        await started.stop()


@contextlib.asynccontextmanager
async def kubernetes(folder: Path) -> AsyncIterator[Site]:
    """Kubernetes: etcd, which syncs what it writes, kube-apiserver, controller manager and scheduler."""
    with _plane(folder) as plane:
        yield _site(KUBERNETES, THEIRS, plane, lambda: plane.pids)


@contextlib.asynccontextmanager
async def on_kubernetes(folder: Path) -> AsyncIterator[Site]:
    """StarLink's operator on the same Kubernetes, all of which runs."""
    with _plane(folder) as plane:
        async with operator_on(plane, folder) as site:
            yield site


@contextlib.asynccontextmanager
async def operator_on(plane: ControlPlane, folder: Path) -> AsyncIterator[Site]:
    """StarLink's operator on a Kubernetes that runs."""
    async with Client(plane.config()) as client:
        await _install(client)
    started = Standalone(DataDir(folder / "starlink"), url=plane.config().server)
    started.data.create()
    started.data.pki.mkdir(exist_ok=True)
    started.data.operator_kubeconfig.write_text(render(plane.config(OPERATOR, ()), OPERATOR))
    try:
        await started._start_child("operator", started._operator())
        yield _site(ON_KUBERNETES, OURS, plane, lambda: {**plane.pids, **_pids(started)})
    finally:
        await started.stop()


async def _install(client: Client) -> None:
    """StarLink's kinds and roles, as from their files."""
    for path in (*sorted(CRDS.glob("*.yaml")), ROLES):
        for obj in load_all(path.read_text(), str(path)):
            meta, group = obj["metadata"], obj["apiVersion"]
            within = f"/namespaces/{meta['namespace']}" if "namespace" in meta else ""
            prefix = f"/apis/{group}" if "/" in group else f"/api/{group}"
            with contextlib.suppress(AlreadyExists):
                await client.raw("POST", f"{prefix}{within}/{_plural(obj['kind'])}", body=obj)
    for kind in STARLINK_KINDS:
        await _served(client, kind)


def _plural(kind: str) -> str:
    name = kind.lower()
    return f"{name.removesuffix('y')}ies" if name.endswith("y") else f"{name}s"


async def _served(client: Client, kind: Kind) -> None:
    """Until the API server has taken a CRD in."""
    async with asyncio.timeout(SERVED_SECONDS):
        while True:
            with contextlib.suppress(NotFound):
                await client.list(kind)
                return
            await asyncio.sleep(0.1)


SITES: Mapping[str, Callable[[Path], AbstractAsyncContextManager[Site]]] = {
    STARLINK: standalone,
    ON_KUBERNETES: on_kubernetes,
    KUBERNETES: kubernetes,
}


def _plane(folder: Path) -> ControlPlane:
    return ControlPlane(folder, EVERY_CONTROLLER, scheduler=True, durable=True)


def _site(racer: str, words: Words, plane: ControlPlane, pids: Callable[[], Mapping[str, int]]) -> Site:
    return Site(racer, words, plane.kubeconfig(), plane_files(plane), plane.port, pids)


def plane_files(plane: ControlPlane) -> Files:
    """An administrator's."""
    return plane.pki.ca, *plane.pki.client("kubernetes-admin", ["system:masters"])


def _pids(started: Standalone) -> dict[str, int]:
    return {child.name: child.pid for child in started.children if child.pid}
