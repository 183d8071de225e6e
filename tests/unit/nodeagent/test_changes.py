"""What changes for an instance while it runs: brought to its run, and to no other run of it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.conftest import soon
from tests.unit.nodeagent.fakes import NEIGHBOUR, UID, World, record
from tests.unit.nodeagent.test_keeper import Site, later

from starlink.api.template import Template
from starlink_nodeagent.decisions.changes import Wish, of
from starlink_nodeagent.failures.failure import NotYet
from starlink_nodeagent.journal.record import Record
from starlink_nodeagent.runtimes.contract import Exit


def driver(spec: dict[str, Any], uid: str = UID) -> Record:
    return record(uid, **template_of(spec), command=[])


def template_of(spec: dict[str, Any], **driver: Any) -> dict[str, Any]:
    return {"runtime": "Driver", "driver": {"name": "d", "operation": "run", "spec": spec, **driver}}


def wished(one: Record, spec: dict[str, Any]) -> Wish:
    assert one.template.driver is not None
    changed = msgspec.structs.replace(one.template.driver, spec=spec)
    return of(msgspec.structs.replace(one.template, driver=changed), one.host_ports)


class Drivers(Site):
    def wish(self, spec: dict[str, Any], uid: str = UID, generation: int = 1, **rest: Any) -> None:
        self.declare(uid, **{"template": {"command": [], **template_of(spec)}, **rest})
        meta = msgspec.structs.replace(self.assignments[uid].metadata, generation=generation)
        self.assignments[uid] = msgspec.structs.replace(self.assignments[uid], metadata=meta)
        self.objects[self.assignments[uid].key] = self.assignments[uid]

    async def told(self, spec: dict[str, Any], uid: str = UID) -> None:
        await soon(lambda: self.world.told[uid][-1:] == [spec], "it is told")

    async def observes(self, generation: int, uid: str = UID) -> None:
        await soon(lambda: self.heard.statuses[uid]["observedGeneration"] == generation, "its generation is told")

    def reason(self, uid: str = UID) -> object:
        return self.heard.statuses[uid]["reason"]


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Drivers]:
    made = Drivers(World(tmp_path))
    yield made
    await made.agent.die()
    assert made.world.wrong == []


async def test_a_change_is_told_to_the_run_that_there_is(site: Drivers) -> None:
    site.wish({"n": 1})
    await site.runs()
    site.wish({"n": 2}, generation=2)
    await site.keeper.follow()
    await site.told({"n": 2})
    await site.observes(2)
    assert len(site.world.runs) == 1
    found = site.world.record_on_disk(UID).template.driver
    assert found is not None and found.spec == {"n": 2}


async def test_a_generation_is_observed_once_its_change_is_made(site: Drivers) -> None:
    site.wish({"n": 1})
    await site.runs()
    site.agent.driver.trouble["reload", UID] = OSError("not now")
    site.wish({"n": 2}, generation=2)
    await site.keeper.follow()
    await soon(lambda: 2.0 in site.world.time.pauses, "it is tried again later")
    site.keeper._teller.tell(site.keeper.instances[UID].record)
    assert site.heard.statuses[UID]["observedGeneration"] == 1
    site.agent.driver.trouble.clear()
    site.world.time.pass_(2.0)
    await site.told({"n": 2})
    await site.observes(2)


async def test_changes_that_come_together_are_told_as_the_last(site: Drivers) -> None:
    site.wish({"n": 1})
    await site.runs()
    reloads = site.world.steps.count("reload")
    for number in range(2, 102):
        site.wish({"n": number}, generation=number)
        await site.keeper.follow()
    await site.told({"n": 101})
    await site.observes(101)
    assert site.world.steps.count("reload") - reloads < 5


async def test_a_wish_that_is_taken_back_while_it_is_made(site: Drivers) -> None:
    site.wish({"n": 1})
    await site.runs()
    site.wish({"n": 2}, generation=2)
    await site.keeper.follow()
    site.wish({"n": 1}, generation=3)
    await site.keeper.follow()
    await site.observes(3)
    assert site.world.told[UID][-1] == {"n": 1}


@pytest.mark.parametrize(("before", "after"), [({"n": 1}, {"n": True}), ({"n": 0.0}, {"n": 0}), ({}, {"n": {}})])
async def test_values_that_python_takes_for_the_same_are_a_change(
    site: Drivers, before: dict[str, Any], after: dict[str, Any]
) -> None:
    site.wish(before)
    await site.runs()
    site.wish(after)
    await site.keeper.follow()
    await soon(lambda: repr(site.world.told[UID][-1]) == repr(after), "it is told")


async def test_what_its_driver_can_not_use_is_told_and_it_goes_on_as_before(site: Drivers) -> None:
    site.wish({"n": 1})
    await site.runs()
    site.agent.driver.faults = ("bad",)
    site.wish({"n": "bad"}, generation=2)
    await site.keeper.follow()
    assert (site.reason(), site.heard.phase()) == ("InvalidSpec", "Running")
    await site.observes(2)
    assert site.world.told[UID][-1] == {"n": 1}
    site.wish({"n": 3}, generation=3)
    await site.keeper.follow()
    await site.told({"n": 3})
    await site.observes(3)
    assert site.reason() is None


async def test_host_ports_change_without_another_run(site: Drivers) -> None:
    site.wish({"n": 1}, hostPorts=[8080])
    await site.runs()
    site.wish({"n": 1}, generation=2, hostPorts=[8081])
    await site.keeper.follow()
    await site.observes(2)
    assert site.world.record_on_disk(UID).host_ports == (8081,)
    site.wish({}, NEIGHBOUR, hostPorts=[8080])
    await site.runs(NEIGHBOUR)
    assert len(site.world.runs) == 2


async def test_host_ports_that_another_has_are_waited_for(site: Drivers) -> None:
    site.wish({"n": 1}, hostPorts=[8080])
    site.wish({}, NEIGHBOUR, hostPorts=[8081])
    await site.runs()
    await site.runs(NEIGHBOUR)
    site.wish({"n": 2}, generation=2, hostPorts=[8081])
    await site.keeper.follow()
    assert (site.reason(), site.heard.phase()) == ("PortTaken", "Running")
    assert "host port 8081 is that of default/a-2" in site.heard.statuses[UID]["message"]
    assert site.world.told[UID][-1] == {"n": 1}, "all of it is made, or nothing"
    site.wish({}, NEIGHBOUR, hostPorts=[8081], desired="Stopped")
    await site.keeper.follow()
    await site.keeper.instances[NEIGHBOUR].over()
    await site.keeper.follow()
    await site.told({"n": 2})
    await site.observes(2)
    assert site.reason() is None


async def test_a_host_port_is_its_own_from_the_wish_on(site: Drivers) -> None:
    """Also while the disk does not take the change."""
    site.wish({"n": 1})
    await site.runs()
    site.agent.driver.trouble["reload", UID] = OSError("not now")
    site.wish({"n": 1}, generation=2, hostPorts=[8080])
    await site.keeper.follow()
    site.wish({}, NEIGHBOUR, hostPorts=[8080])
    await site.keeper.follow()
    assert site.reason(NEIGHBOUR) == "PortTaken"


@pytest.mark.parametrize("other", [{"operation": "stop"}, {"name": "other"}])
async def test_another_driver_or_operation_is_another_instances_matter(site: Drivers, other: dict[str, str]) -> None:
    site.wish({"n": 1})
    await site.runs()
    told = len(site.world.told[UID])
    site.wish({}, template={"command": [], **template_of({"n": 2}, **other)})
    await site.keeper.follow()
    assert len(site.world.told[UID]) == told and site.keeper.instances[UID].record.template != Template()


async def test_what_changed_while_no_agent_was_there_is_told_by_the_next(site: Drivers) -> None:
    site.wish({"n": 1})
    await site.runs()
    site.wish({"n": 2}, generation=2)
    next_site = await later(site)
    await next_site.keeper.follow()
    await soon(lambda: next_site.world.told[UID][-1] == {"n": 2}, "it is told")
    assert len(next_site.world.runs) == 1


async def test_one_that_is_to_stop_is_told_nothing_more(site: Drivers) -> None:
    site.wish({"n": 1})
    await site.runs()
    site.wish({"n": 2}, generation=2, desired="Stopped")
    await site.keeper.follow()
    await soon(lambda: site.heard.phase() == "Stopped", "it stops")
    assert {"n": 2} not in site.world.told[UID]
    assert site.heard.statuses[UID]["observedGeneration"] == 2


@pytest.mark.parametrize("policy", ["Never", "Always"])
async def test_what_a_driver_keeps_goes_with_the_instance_and_not_with_a_run(site: Drivers, policy: str) -> None:
    site.wish({}, template={"command": [], "restart": {"policy": policy}, **template_of({})})
    await site.runs()
    site.world.living()[0].end(Exit(1))
    if policy == "Never":
        await site.keeper.instances[UID].over()
        assert not site.world.kept
        return
    await soon(lambda: site.world.time.pauses and site.heard.phase() == "Starting", "it waits for another start")
    assert site.world.kept == {UID}
    site.wish({}, desired="Stopped")
    await site.keeper.follow()
    await site.keeper.instances[UID].over()
    assert not site.world.kept


async def test_what_can_not_be_released_yet_is_tried_again_before_it_is_over(site: Drivers) -> None:
    site.wish({})
    await site.runs()
    site.agent.driver.trouble["release", UID] = NotYet("Busy", "not now")
    site.wish({}, desired="Stopped")
    await site.keeper.follow()
    await soon(lambda: 0.5 in site.world.time.pauses, "it is tried again later")
    assert site.world.kept and site.heard.phase() == "Stopping"
    site.agent.driver.trouble.clear()
    site.world.time.pass_(0.5)
    await site.keeper.instances[UID].over()
    assert not site.world.kept and site.heard.phase() == "Stopped"
