"""Host ports: an instance's alone, beside those of its template."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.unit.nodeagent.fakes import NEIGHBOUR, UID, World, record
from tests.unit.nodeagent.test_keeper import Site, later

from starlink_nodeagent.decisions.admission import PORT_TAKEN
from starlink_nodeagent.instances import ports
from starlink_nodeagent.journal.record import decode, encode

PICKED = ports.FIRST + int(UID[:8], 16) % (ports.LAST - ports.FIRST + 1)
"""What the instance would pick first, and its neighbour too."""
HTTP = {"ports": [{"name": "http", "port": 0}]}


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    made = Site(World(tmp_path))
    yield made
    await made.agent.die()


async def test_one_that_another_has_is_refused(site: Site) -> None:
    site.declare(hostPorts=[8080, 8443])
    await site.runs()
    site.declare(NEIGHBOUR, hostPorts=[8443])
    await site.keeper.follow()
    assert site.heard.phase(NEIGHBOUR) == "Failed"
    status = site.heard.statuses[NEIGHBOUR]
    assert (status["reason"], status["message"]) == (
        PORT_TAKEN,
        "port 8443 is that of default/a-1 on this server; give another number, or 0 to have one picked",
    )


async def test_neither_a_port_of_a_template_nor_a_picked_one_is_anothers(site: Site) -> None:
    site.declare(template={"ports": [{"name": "http", "port": 8080}]})
    await site.runs()
    site.declare(NEIGHBOUR, hostPorts=[8080])
    await site.keeper.follow()
    assert site.heard.statuses[NEIGHBOUR]["reason"] == PORT_TAKEN


async def test_none_is_picked_for_another(site: Site) -> None:
    site.declare(hostPorts=[PICKED])
    await site.runs()
    site.declare(NEIGHBOUR, template=HTTP)
    await site.runs(NEIGHBOUR)
    assert site.heard.statuses[NEIGHBOUR]["endpoints"][0]["port"] == PICKED + 1


async def test_none_is_picked_beside_ones_own(site: Site) -> None:
    site.declare(hostPorts=[PICKED], template=HTTP)
    await site.runs()
    assert site.heard.statuses[UID]["endpoints"][0]["port"] == PICKED + 1


async def test_they_are_the_instances_for_the_next_agent_too(site: Site) -> None:
    site.declare(hostPorts=[8080])
    await site.runs()
    next_site = await later(site)
    next_site.declare(NEIGHBOUR, hostPorts=[8080])
    await next_site.keeper.follow()
    assert next_site.heard.statuses[NEIGHBOUR]["reason"] == PORT_TAKEN


async def test_they_are_free_once_their_instance_is_over(site: Site) -> None:
    site.declare(hostPorts=[8080])
    await site.runs()
    site.declare(hostPorts=[8080], desired="Stopped")
    site.declare(NEIGHBOUR, hostPorts=[8080], waitFor=[UID])
    await site.keeper.follow()
    assert site.heard.phase(NEIGHBOUR) == "Pending"
    await site.keeper.instances[UID].over()
    await site.runs(NEIGHBOUR)


def test_a_record_with_a_port_that_can_not_be_was_written_by_no_agent() -> None:
    one = record()
    one.host_ports = (8080, 70000)
    with pytest.raises(ValueError, match="host_ports"):
        decode(encode(one), UID)
