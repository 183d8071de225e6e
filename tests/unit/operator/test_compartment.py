"""What a controller raises stays with it, and is tried again after ever longer pauses."""

import asyncio
import itertools
from typing import Any

import pytest
from tests.integration.operator.conftest import Clock

from starlink_operator.compartment import RETRIES, Compartment


def test_a_step_that_raises_rests_ever_longer_and_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    clock, tries = Clock(), list[float]()
    within = Compartment("controller Fleet", clock)

    def broken() -> None:
        tries.append(clock.now)
        raise KeyError("a secret")

    begun = clock.now
    while clock.now < begun + 400:
        within.do("tick", broken)
        within.do("look", lambda: None)
        clock.now += RETRIES.first
    pauses = [after - before for before, after in itertools.pairwise(tries)]
    assert pauses == [0.5, 1, 2, 4, 8, 16, 32, *([60] * (len(pauses) - 7))] and len(pauses) > 8
    assert caplog.text.count("tick of controller Fleet failed: KeyError at test_compartment.py") == 1
    assert "a secret" not in caplog.text


def test_a_step_that_has_gone_well_begins_with_the_shortest_pause() -> None:
    within = Compartment("controller Fleet", Clock())
    for _ in range(3):
        last = within.failed("tick", KeyError())
    assert last == 4 * RETRIES.first
    assert within.failed("look", KeyError()) == RETRIES.first, "each step has pauses of its own"
    within = Compartment("controller Fleet", Clock(0.0))
    within.do("tick", lambda: None)
    assert within.failed("tick", KeyError()) == RETRIES.first


async def test_what_goes_on_begins_anew_and_ends_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """It raises three times, the third after a long time, and then ends."""
    clock, paused, ends = Clock(), list[float](), iter([0.0, 0.0, RETRIES.longest + 1])

    async def pause(seconds: float) -> None:
        paused.append(seconds)

    async def go() -> None:
        try:
            clock.now += next(ends)
        except StopIteration:
            return
        async with asyncio.TaskGroup() as group:
            group.create_task(_raising())

    monkeypatch.setattr("starlink_operator.compartment.asyncio.sleep", pause)
    await Compartment("controller Fleet", clock).keep_on("run", go)
    assert paused == [RETRIES.first, 2 * RETRIES.first, RETRIES.first]


async def _raising() -> Any:
    raise KeyError
