"""Drivers over the wire: the operator makes them, tells them of changes, and tells what they have found. The agent only
says what it is told to."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from tests.conftest import soon
from tests.integration.conftest import Wire, obj_of
from tests.integration.operator.test_waking import Site

from starlink.api.assignment import Assignment
from starlink.api.kinds import ASSIGNMENT, SERVER, TASK
from starlink.api.meta import ObjectKey
from starlink.client.errors import Forbidden
from starlink.client.kube import Client
from starlink.http.message import OPERATOR

pytestmark = pytest.mark.on_both
Obj = dict[str, Any]


@pytest.fixture
async def site(wire: Wire) -> AsyncIterator[Site]:
    """One whose operator has the operator's name, and whose server runs drivers."""
    async with Client(wire.config(OPERATOR, ("system:masters",))) as client:
        made = Site(client)
        await made.begin()
        runs = {"status": {"runtimes": ["Process", "Driver"]}}
        await client.patch(SERVER, "s1", runs, subresource="status")
        yield made
        await made.end()


def driver(**spec: Any) -> Obj:
    return {"runtime": "Driver", "driver": {"name": "haproxy", "operation": "serve", "spec": spec}}


async def apply(site: Site, name: str, **spec: Any) -> None:
    await site.client.create(TASK, obj_of(TASK, name, spec=spec), "default")


def of(site: Site, name: str) -> Assignment:
    (found,) = [one for one in site.observed.assignments.objects.values() if one.task == name]
    return found


async def status(site: Site, name: str) -> Obj:
    found: Obj = (await site.client.get(TASK, name, "default"))["status"]
    return found


async def test_what_it_is_to_do_and_its_ports_reach_it_while_it_lives(site: Site, client: Client) -> None:
    await apply(site, "gate", template=driver(routes=[{"host": "a"}], old=1), servers=[{"name": "s1"}], hostPorts=[443])
    await soon(lambda: site.running("gate") == 1, "the driver runs")
    before = of(site, "gate")
    assert before.spec.host_ports == (443,)
    with pytest.raises(Forbidden, match="only StarLink's operator may create what is of runtime Driver"):
        await client.patch(TASK, "gate", {"spec": {"suspend": True}}, "default")

    told = {"template": {"driver": {"spec": {"routes": [{"host": "b"}], "old": None}}}, "hostPorts": [80, 443]}
    await site.change("gate", spec=told)
    await soon(lambda: set(of(site, "gate").spec.host_ports) == {80, 443}, "it has its ports")
    after = of(site, "gate")
    assert after.spec.template.driver is not None
    assert after.spec.template.driver.spec == {"routes": [{"host": "b"}]}
    assert (after.uid, after.spec.attempt) == (before.uid, 1), "it is the same"

    await site.apply("web")
    await client.patch(TASK, "web", {"spec": {"template": {"ports": [{"name": "http", "port": 80}]}}}, "default")
    await soon(lambda: site.refused("web"), "no server has the port for another")
    (why,) = [c["message"] for c in (await status(site, "web"))["conditions"] if c["type"] == "Scheduled"]
    assert "a free port 80 (default/gate has it)" in why


async def test_what_it_has_found_is_told_and_stays(site: Site) -> None:
    await apply(site, "dump", type="Batch", template=driver(keep=1))
    await soon(lambda: site.running("dump") == 1, "the driver runs")
    name = of(site, "dump").name

    async def report(**told: Any) -> None:
        await site.client.patch(ASSIGNMENT, name, {"status": told}, "default", subresource="status")

    def results() -> Obj:
        task = site.observed.tasks.objects[ObjectKey("default", "dump")]
        return {one.slot: one.result for one in task.status.results}

    await report(result={"bytes": 1, "paths": ["/a"], "none": {}})
    await soon(lambda: results() == {"0": {"bytes": 1, "paths": ["/a"], "none": {}}}, "it is told")
    spec = site.observed.assignments.objects[ObjectKey("default", name)].spec
    assert msgspec.to_builtins(spec.template.driver)["spec"] == {"keep": 1}
    await site.change("dump", spec={"template": {"driver": {"spec": {"keep": 2}}}})
    await soon(lambda: of(site, "dump").spec.template.driver.spec == {"keep": 2}, "a Batch that has begun is told")  # type: ignore[union-attr]
