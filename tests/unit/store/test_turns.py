"""Many are woken a few at a time: few while the loop has little else to do, more when it has much."""

import asyncio
from collections.abc import Callable

import pytest

from starlink.store.turns import Turns

EACH = 0.0001
"""Seconds that one who is woken takes, on a clock that only goes on when somebody takes time."""


async def woken_between(others: float, count: int = 3_000) -> list[int]:
    """How many are woken between two turns of somebody who takes `others` seconds in each turn of the loop."""
    loop = asyncio.get_running_loop()
    time, woken, done = 0.0, 0, asyncio.Event()
    found: list[int] = []

    async def wait(waiter: "asyncio.Future[None]") -> None:
        nonlocal time, woken
        await waiter
        time += EACH
        woken += 1

    def somebody() -> None:
        nonlocal time, woken
        time += others
        found.append(woken)
        woken = 0
        if not done.is_set():
            loop.call_soon(somebody)

    turns = Turns(lambda: time, lambda: left.pop()())
    left: list[Callable[[], None]] = [done.set]
    waiters = [loop.create_future() for _ in range(count)]
    tasks = [asyncio.create_task(wait(waiter)) for waiter in waiters]
    await asyncio.sleep(0)
    turns.begin(waiters)
    loop.call_soon(somebody)
    await asyncio.gather(*tasks)
    await done.wait()
    assert not turns.under_way and not left
    return [one for one in found if one]


async def test_who_asks_for_little_waits_for_two() -> None:
    assert set(await woken_between(0.0)) == {2}


@pytest.mark.parametrize(("others", "at_once"), [(0.0005, 10), (0.001, 20), (0.1, 50)])
async def test_who_asks_for_much_does_not_hold_up_those_who_are_woken(others: float, at_once: int) -> None:
    found = await woken_between(others)
    assert found[0] == 2, "nothing is known in the beginning"
    assert found[-2] == pytest.approx(at_once, rel=0.1), "twice the time of the others, and five milliseconds at most"
    assert sum(found) == 3_000
