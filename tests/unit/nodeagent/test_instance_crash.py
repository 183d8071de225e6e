"""An agent that dies at any of its steps: the next one goes on, and nothing is started twice, lost, or left."""

from pathlib import Path

import pytest
from tests.conftest import soon
from tests.unit.nodeagent.fakes import UID, FakeAgent, World, record

from starlink_nodeagent.instances.instance import Instance
from starlink_nodeagent.runtimes.contract import Exit

STEPS = 40
"""More than there are."""


class Scenario:
    """One run that fails, and a next one that is stopped; `deaths` counts the agents that died on the way."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.failed = self.wished = False
        self.deaths = 0

    async def play(self) -> Instance:
        """Goes on with new agents until the instance is over."""
        while True:
            agent = FakeAgent(self.world).adopt()
            instance = agent.instances.get(UID)
            if instance is None:
                assert not self.world.living(), "what lives has a record"
                instance = agent.begin(record())
            await soon(lambda: self._go_on(instance) or self.world.dead, "it goes on")  # noqa: B023 - called here
            if not self.world.dead and self.world.record_on_disk(UID).finished:
                await agent.die()
                return instance
            self.deaths += 1
            await agent.die()

    def _go_on(self, instance: Instance) -> bool:
        """What the world does next; whether all is over and written."""
        living = self.world.living()
        if living and not self.failed:
            living[0].end(Exit(1))
            self.failed = True
        elif living and (instance.record.ready or self.wished):
            self.wished = True
        if self.wished:
            instance.stop()
        for pause in self.world.time.pauses:
            self.world.time.pass_(pause)
        return instance.record.finished and self.world.record_on_disk(UID).finished


@pytest.mark.parametrize("step", range(STEPS))
async def test_whatever_step_an_agent_dies_at_the_next_one_ends_in_the_same(tmp_path: Path, step: int) -> None:
    world = World(tmp_path)
    world.dies_at = step
    scenario = Scenario(world)
    instance = await scenario.play()
    assert world.wrong == [] and world.living() == []
    assert (instance.record.phase, instance.record.restarts) == ("Stopped", 1), instance.record
    assert scenario.deaths <= 1


async def test_there_are_fewer_steps_than_are_tried(tmp_path: Path) -> None:
    world = World(tmp_path)
    await Scenario(world).play()
    assert 10 < len(world.steps) < STEPS
