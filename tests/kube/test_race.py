"""The race with Kubernetes, as small as it can be: each of its lines is there, and says something."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from bench.endpoint import Endpoint
from bench.kube import api, bulk, courses
from bench.kube.ledger import KUBERNETES, ON_KUBERNETES, STARLINK, Ledger
from bench.kube.sites import SITES, Site, operator_on, plane_files
from bench.kube.sizes import Sizes
from bench.server import Server
from bench.widgets import GROUP, PLURAL
from tests.kube.control_plane import ControlPlane
from tests.kube.installed import clear

from starlink.client.kube import Client

TINY = Sizes(
    rounds=1, servers=3, sets=3, few=6, many=12, constrained=3, writes=20, reads=20, listed=30, watchers=3,
    watch_seconds=(0.1, 0.5), rest_seconds=0.1, quiet_seconds=0.1,
)  # fmt: skip
FREE = (
    "6 instances as 3 sets of 2", "6 single instances", "12 instances as 3 sets of 4", "12 single instances",
)  # fmt: skip
CONSTRAINED = "3 instances as 1 set of 3, spread over zones", "3 instances as 1 set of 3, kept apart"
OVERFULL = "4 single instances of unlike sizes, more than fits into zone-0"


async def raced(site: Site) -> dict[str, float]:
    """The medians by what was measured."""
    ledger = Ledger()
    await courses.run(site, TINY, ledger)
    return medians(ledger)


def medians(ledger: Ledger) -> dict[str, float]:
    return {one.measure: one.median for one in ledger.results()}


def judge_speed(found: dict[str, float], racer: str, workloads: tuple[str, ...]) -> None:
    for workload in workloads:
        assert found[f"{workload} onto 3 servers: created → bound, durable, seen by its agent's watch: {racer}"] > 0
        assert f"{workload}: CPU of all parts: {racer}" in found
    assert found[f"instances that were bound anew, for their server was held to be lost: {racer}"] == 0
    at_rest, filled = (found[name] for name in found if name.startswith("memory (PSS)"))
    assert 0 < at_rest <= filled
    assert 0 <= found[f"{FREE[0]}: instances by which servers differ: {racer}"] <= (2 if racer == KUBERNETES else 0)


@pytest.mark.parametrize("racer", [KUBERNETES, STARLINK])
async def test_who_has_a_scheduler_is_measured(racer: str, tmp_path: Path) -> None:
    async with SITES[racer](tmp_path) as site:
        found = await raced(site)
    judge_speed(found, racer, (*FREE[:2], *CONSTRAINED, *FREE[2:]))
    assert found[f"{CONSTRAINED[0]}: instances by which a set's zones differ, at most: {racer}"] <= 1
    assert found[f"{CONSTRAINED[1]}: pairs on one server all the same: {racer}"] == 0
    assert 50 < found[f"{OVERFULL}: CPU that is asked for then: {racer}"] <= 100
    assert found[f"{OVERFULL}: servers that were given more than they have: {racer}"] == 0


@pytest.fixture
async def operator(starlink_on_kubernetes: ControlPlane, tmp_path: Path) -> AsyncIterator[Site]:
    async with operator_on(starlink_on_kubernetes, tmp_path) as site:
        yield site
    async with Client(starlink_on_kubernetes.config()) as client:
        await clear(client)


async def test_the_operator_is_measured_on_the_same_api_server(operator: Site) -> None:
    judge_speed(await raced(operator), ON_KUBERNETES, FREE)


@pytest.fixture
def racers(kubernetes: ControlPlane, tmp_path: Path) -> Iterator[tuple[api.Racer, api.Racer]]:
    """StarLink's API server, and the Kubernetes that tests share."""
    theirs = Endpoint(kubernetes.port, plane_files(kubernetes))
    with Server(tmp_path / "starlink") as ours:
        theirs.define()
        try:
            yield api.Racer(STARLINK, ours, {"": ours.process.pid}), api.Racer(KUBERNETES, theirs, kubernetes.pids)
        finally:
            theirs.call("DELETE", f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{PLURAL}.{GROUP}")
            theirs.call("DELETE", f"/api/v1/namespaces/{api.WATCHED}")


def test_api_servers_are_measured(racers: tuple[api.Racer, api.Racer]) -> None:
    ledger = Ledger()
    api.race(racers, TINY, ledger)
    found = medians(ledger)
    names = [
        "create of 1 KB, 32 connections, durable", "status patch, 32 connections, durable",
        "memory (PSS) with 30 objects of 1 KB, API server and store", "get, 32 connections",
        "list of 30 objects, read by a client", "3 watchers, 1 writer: deliveries", "3 watchers, 1 writer: p99 lag",
        "3 watchers, 16 writers: deliveries", "3 watchers, 16 writers: p99 lag",
    ]  # fmt: skip
    assert list(found) == [f"{name}: {racer}" for name in names for racer in (STARLINK, KUBERNETES)]
    assert min(found.values()) > 0
    ratio = next(one.ratio for one in ledger.results() if one.measure == f"get, 32 connections: {STARLINK}")
    assert ratio == pytest.approx(found[f"{names[3]}: {STARLINK}"] / found[f"{names[3]}: {KUBERNETES}"], rel=0.02)


def test_writes_of_many_are_measured_by_themselves(tmp_path: Path) -> None:
    ledger = Ledger()
    bulk.run(tmp_path, TINY, ledger)
    found = medians(ledger)
    names = "create of an Assignment, 32 connections", "create of an Assignment, 20 in a request, 4 connections"
    assert list(found) == [f"{name}, durable: {STARLINK}" for name in names]
    assert min(found.values()) > 0
