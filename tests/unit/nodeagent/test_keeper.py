"""The loop: what is held is brought to what is declared, and what can't be understood is left alone."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from tests.conftest import soon
from tests.unit.nodeagent.fakes import NEIGHBOUR, UID, FakeAgent, World, record

from starlink.api.assignment import Assignment
from starlink.api.kinds import Kind
from starlink.api.meta import ObjectKey
from starlink_nodeagent.decisions.plan import Declared
from starlink_nodeagent.keeper import Keeper
from starlink_nodeagent.reporting.report import Status
from starlink_nodeagent.reporting.reporter import Reporter
from starlink_nodeagent.reporting.teller import Teller
from starlink_nodeagent.runtimes.contract import Exit

ENDED = Exit(0)
ROOM = {"cpu": 1000, "memory": 1024**3, "ephemeral-storage": 1024**3}


class Heard:
    """What the API has been told: the last status of each, by UID."""

    def __init__(self) -> None:
        self.statuses: dict[str, Status] = {}

    def tell(self, uid: str, _key: ObjectKey, status: Status, _version: str = "", _there: object = None) -> None:
        self.statuses[uid] = status

    def again(self, uid: str, _key: ObjectKey, _version: str, _there: object = None) -> bool:
        return uid in self.statuses

    def forget(self, uid: str) -> None:
        self.statuses.pop(uid, None)

    def event(self, _kind: Kind, _key: ObjectKey, _uid: str, _type: str, _reason: str, _message: str) -> None:
        pass

    def phase(self, uid: str = UID) -> str:
        return str(self.statuses.get(uid, {}).get("phase", ""))


class Site:
    """A keeper over a world, and what is declared to it."""

    def __init__(self, world: World) -> None:
        self.world, self.heard = world, Heard()
        self.agent = FakeAgent(world)
        self.assignments: dict[str, Assignment] = {}
        self.unread: dict[str, str] = {}
        self.version, self.cluster = 10, "c"
        self.objects = {a.key: a for a in self.assignments.values()}
        host, reporter = self.agent.host, cast(Reporter, self.heard)
        teller = Teller(reporter, self.objects, lambda: "10.0.0.1", lambda: world.time.now, host.finding)
        self.keeper = Keeper(host, teller, self.declared, ROOM, lambda: None)
        self.agent.instances = self.keeper.instances
        self.keeper.adopt()

    def declared(self) -> Declared:
        return Declared(self.cluster, self.version, dict(self.assignments), dict(self.unread))

    def declare(self, uid: str = UID, **spec: Any) -> None:
        template = {"command": ["run"], "restart": {"policy": "Always"}, **spec.pop("template", {})}
        body = {"server": "s1", "slot": "0", "attempt": 1, "desired": "Running", "template": template, **spec}
        meta = {"name": f"a-{uid[-1]}", "namespace": "default", "uid": uid, "resourceVersion": "5", "generation": 1}
        self.assignments[uid] = msgspec.convert({"metadata": meta, "spec": body}, Assignment)

    async def runs(self, uid: str = UID) -> None:
        await self.keeper.follow()
        await soon(lambda: self.heard.phase(uid) == "Running" and self.world.living(uid), "it runs")


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    made = Site(World(tmp_path))
    yield made
    await made.agent.die()
    assert made.world.wrong == []


async def later(site: Site) -> Site:
    """The next agent's, after the first one was killed."""
    await site.agent.die()
    made = Site(site.world)
    made.assignments, made.unread = site.assignments, site.unread
    site.agent = made.agent
    return made


async def test_what_is_declared_runs_and_what_is_withdrawn_stops(site: Site) -> None:
    site.declare()
    await site.runs()
    site.declare(desired="Stopped")
    await site.keeper.follow()
    await soon(lambda: site.heard.phase() == "Stopped", "it stops")
    assert site.world.living() == []
    await site.keeper.follow()
    assert len(site.world.runs) == 1, "and is not started again"


async def test_what_is_gone_is_stopped_and_forgotten(site: Site) -> None:
    site.declare()
    await site.runs()
    del site.assignments[UID]
    await site.keeper.follow()
    await soon(lambda: UID not in site.keeper.instances, "it is forgotten")
    assert site.world.living() == [] and not (site.world.folder / UID).exists()


async def test_one_waits_for_another_to_stop(site: Site) -> None:
    site.declare()
    await site.runs()
    site.declare(NEIGHBOUR, waitFor=[UID])
    await site.keeper.follow()
    assert (site.heard.phase(NEIGHBOUR), site.heard.statuses[NEIGHBOUR]["reason"]) == ("Pending", "WaitingFor")
    site.declare(desired="Stopped")
    await site.keeper.follow()
    await soon(lambda: site.heard.phase() == "Stopped", "it stops")
    await site.runs(NEIGHBOUR)


async def test_one_that_its_runtime_can_not_use_is_refused_and_takes_nothing(site: Site) -> None:
    requests = {"resources": {"requests": {"cpu": "10"}}}
    site.declare(template={"command": ["bad"], **requests})
    site.declare(NEIGHBOUR, template=requests)
    await site.runs(NEIGHBOUR)
    assert (site.heard.phase(), site.heard.statuses[UID]["reason"]) == ("Failed", "InvalidSpec")
    assert site.world.runs[0].uid == NEIGHBOUR


async def test_what_can_not_be_read_is_not_begun_and_not_stopped(site: Site) -> None:
    site.declare()
    await site.runs()
    site.declare(NEIGHBOUR)
    site.unread = dict.fromkeys((UID, NEIGHBOUR), "spec.x: it is no value that this agent knows")
    await site.keeper.follow()
    assert site.heard.statuses[NEIGHBOUR]["reason"] == "Unreadable" and not site.world.living(NEIGHBOUR)
    assert len(site.world.living()) == 1 and site.heard.phase() == "Running"


async def test_a_list_that_went_back_and_another_cluster_stop_nothing(site: Site) -> None:
    site.declare()
    await site.runs()
    site.assignments.clear()
    site.version = 1
    assert [*await site.keeper.follow()] == ["default/a-1"]
    site.version, site.cluster = 99, "another"
    assert [*await site.keeper.follow()] == ["default/a-1"]
    assert len(site.world.living()) == 1


async def test_the_next_agent_goes_on_with_what_runs(site: Site) -> None:
    site.declare()
    await site.runs()
    again = await later(site)
    await again.keeper.follow()
    await soon(lambda: again.keeper.instances[UID].record.ready, "it goes on")
    assert len(site.world.runs) == 1


async def test_what_runs_without_a_record_goes_on_when_it_is_declared(site: Site) -> None:
    """Its directory was lost while no agent ran."""
    site.declare()
    await site.runs()
    await site.agent.die()
    (site.world.folder / UID / "record.json").unlink()
    again = await later(site)
    assert again.keeper.instances == {} and not again.keeper.settled
    await again.keeper.follow()
    await soon(lambda: again.keeper.instances[UID].record.ready, "it goes on")
    assert (len(site.world.runs), again.keeper.instances[UID].record.run) == (1, 1)


async def test_what_may_live_and_can_not_be_looked_at_is_not_started(site: Site) -> None:
    site.declare()
    await site.runs()
    await site.agent.die()
    (site.world.folder / UID / "record.json").unlink()
    again = await later(site)
    again.agent.runtime.trouble["lives", UID] = OSError("it can't be told")
    await again.keeper.follow()
    assert again.keeper.instances == {} and not again.keeper.settled
    again.agent.runtime.trouble.clear()
    await again.keeper.follow()
    await soon(lambda: again.keeper.instances[UID].record.ready, "it goes on")
    assert len(site.world.runs) == 1


async def test_what_nobody_declares_and_has_no_record_is_kept_while_it_lives(site: Site) -> None:
    site.declare()
    await site.runs()
    await site.agent.die()
    (site.world.folder / UID / "record.json").unlink()
    (site.world.folder / UID / "work").mkdir()
    site.assignments.clear()
    again = await later(site)
    assert [*await again.keeper.follow()] == [UID] and len(site.world.living()) == 1
    again.agent.runtime.trouble["lives", UID] = OSError("it can't be told")
    assert [*await again.keeper.follow()] == [] and (site.world.folder / UID).exists()
    again.agent.runtime.trouble.clear()
    site.world.living()[0].end(exit_=ENDED)
    assert [*await again.keeper.follow()] == [] and not (site.world.folder / UID).exists()


async def test_what_is_of_another_server_is_left_as_it_is(site: Site) -> None:
    strange = record(NEIGHBOUR)
    strange.server, strange.run, strange.phase = "s2", 1, "Running"
    await site.agent.journal.save(strange)
    again = await later(site)
    assert [*await again.keeper.follow()] == ["default/a-2"]
    assert again.keeper.instances == {} and not {"adopt", "sweep", "stop"} & {*site.world.steps}
