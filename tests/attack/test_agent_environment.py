"""What an instance gets of the shell that its agent was started from: nothing."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.attack.agent_site import AgentSite, agent_site, api_server
from tests.crash.site import ApiServer

from starlink_nodeagent.runtimes.supervision.environment import PATH


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    with api_server(tmp_path_factory.mktemp("api")) as made:
        yield made


@pytest.fixture
async def site(tmp_path: Path, server: ApiServer) -> AsyncIterator[AgentSite]:
    async with agent_site(tmp_path, server) as made:
        yield made


async def test_the_path_of_instances_is_the_agents_own(site: AgentSite) -> None:
    site.kill()
    site.environment = {"PATH": "/opt/evil:/nowhere", "LD_PRELOAD": "", "SECRET": "of the shell"}
    site.start()
    uid = await site.create("env", "echo $PATH; echo ${SECRET-none}; sleep 100000")
    await site.until("env", phase="Running")
    await site.stop("env")
    await site.until("env", phase="Stopped")
    log = site.data / "instances" / uid / "logs" / "current.log"
    assert log.read_text() == f"{PATH}\nnone\n"
