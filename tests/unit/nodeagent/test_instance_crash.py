"""An agent that dies at any of its steps: the next one goes on, and nothing is started twice, lost, or left."""

from pathlib import Path

import pytest
from tests.conftest import soon
from tests.unit.nodeagent.fakes import UID, FakeAgent, World, record
from tests.unit.nodeagent.test_changes import driver, wished

from starlink_nodeagent.instances.instance import Instance
from starlink_nodeagent.journal.record import Record
from starlink_nodeagent.runtimes.contract import Exit

STEPS = 40
"""More than there are."""


class Scenario:
    """One run that fails, and a next one that is stopped; `deaths` counts the agents that died on the way."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.failed = self.wished = False
        self.deaths = 0

    def record(self) -> Record:
        return record()

    async def play(self) -> Instance:
        """Goes on with new agents until the instance is over."""
        while True:
            agent = FakeAgent(self.world).adopt()
            instance = agent.instances.get(UID)
            if instance is None:
                assert not self.world.living(), "what lives has a record"
                instance = agent.begin(self.record())
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


class Changing(Scenario):
    """One run of a driver that is told of a change, twice, and then stopped."""

    SPECS = {"n": 1}, {"n": 2}, {"n": 3}

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.wished_for = 0

    def record(self) -> Record:
        return driver(self.SPECS[0])

    def _go_on(self, instance: Instance) -> bool:
        wish = wished(instance.record, self.SPECS[self.wished_for])
        if instance.record.ready and not instance.changes.has(wish):
            instance.changes.wish(wish)
        elif instance.record.ready and self.world.told[UID][-1] == self.SPECS[self.wished_for]:
            self.wished_for += self.wished_for < 2
            self.wished = self.world.told[UID][-1] == self.SPECS[2]
        if self.wished and instance.changes.has(wish):
            instance.stop()
        for pause in self.world.time.pauses:
            self.world.time.pass_(pause)
        return instance.record.finished and self.world.record_on_disk(UID).finished


@pytest.mark.parametrize("step", range(STEPS))
async def test_whatever_step_an_agent_dies_at_a_driver_is_told_of_the_change_and_runs_on(
    tmp_path: Path, step: int
) -> None:
    world = World(tmp_path)
    world.dies_at = step
    scenario = Changing(world)
    instance = await scenario.play()
    assert world.wrong == [] and world.living() == []
    assert (instance.record.phase, instance.record.restarts, len(world.runs)) == ("Stopped", 0, 1), instance.record
    numbers = [spec["n"] for spec in world.told[UID]]
    assert numbers == sorted(numbers) and {*numbers} == {1, 2, 3}
    found = instance.record.template.driver
    assert found is not None and found.spec == {"n": 3} and scenario.deaths <= 1
    assert not world.kept


async def test_there_are_fewer_steps_than_are_tried(tmp_path: Path) -> None:
    world = World(tmp_path)
    await Scenario(world).play()
    assert 10 < len(world.steps) < STEPS
    world = World(tmp_path / "changing")
    await Changing(world).play()
    assert 10 < len(world.steps) < STEPS
