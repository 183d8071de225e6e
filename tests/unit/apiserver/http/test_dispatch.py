"""Requests on their way through a handler."""

import asyncio
from collections.abc import Callable

import pytest

from starlink.http.call import Call
from starlink.http.dispatch import Dispatcher
from starlink.http.fairness import Account
from starlink.http.limits import Limits
from starlink.http.message import Answer, Request, Response


class World:
    def __init__(self, limits: Limits | None = None) -> None:
        self.gates: dict[str, asyncio.Event] = {}
        self.begun: list[str] = []
        self.cancelled: list[str] = []
        self.answered: dict[str, int] = {}
        self.dispatcher = Dispatcher(self.handle, limits or Limits())

    async def handle(self, request: Request) -> Response:
        self.begun.append(request.path)
        if request.method == "WAIT":
            try:
                async with asyncio.timeout(20):
                    await self.gates.setdefault(request.path, asyncio.Event()).wait()
            except asyncio.CancelledError:
                self.cancelled.append(request.path)
                raise
        if request.method == "FAIL":
            raise ValueError("no")
        if request.method == "MEND":
            try:
                await asyncio.wait_for(asyncio.Event().wait(), 0.001)
            except TimeoutError:
                await asyncio.sleep(0)
                return Response(202)
        return Response(200)

    def ask(self, method: str, path: str, user: str = "u") -> Call:
        call = Call(Request(method, path), Account(user), self._told(path))
        if not self.dispatcher.submit(call):
            self.answered[path] = 429
        return call

    def _told(self, path: str) -> Callable[[Answer], None]:
        return lambda answer: self.answered.__setitem__(path, answer.status)

    async def until(self, check: Callable[["World"], bool]) -> None:
        async with asyncio.timeout(20):
            while not check(self):
                await asyncio.sleep(0.001)


async def test_what_waits_holds_up_nothing_else() -> None:
    world = World()
    for number in range(50):
        world.ask("WAIT", f"w{number}")
        world.ask("GET", f"g{number}")
    await world.until(lambda world: len(world.begun) == 100)
    assert world.answered == {f"g{number}": 200 for number in range(50)}
    for gate in world.gates.values():
        gate.set()
    await world.until(lambda world: len(world.answered) == 100)
    assert set(world.answered.values()) == {200}
    await world.dispatcher.stop()


async def test_failures_and_errors_at_the_first_wait_are_the_handlers_own(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    world.ask("FAIL", "f")
    world.ask("MEND", "m")
    await world.until(lambda world: len(world.answered) == 2)
    assert world.answered == {"f": 500, "m": 202}
    assert "no" in caplog.text
    await world.dispatcher.stop()


async def test_an_abandoned_call_is_cancelled_and_its_worker_goes_on() -> None:
    world = World(Limits(handled=2, handled_per_user=1))
    first = world.ask("WAIT", "a")
    second = world.ask("WAIT", "b")
    third = world.ask("GET", "c")
    await world.until(lambda world: world.begun == ["a"])
    second.abandon()
    first.abandon()
    await world.until(lambda world: world.answered == {"c": 200})
    assert world.cancelled == ["a"]
    assert not third.abandoned
    assert world.begun == ["a", "c"]
    world.ask("GET", "d")
    await world.until(lambda world: world.answered.get("d") == 200)
    await world.dispatcher.stop()


async def test_stopping_cancels_what_waits() -> None:
    world = World()
    world.ask("WAIT", "a")
    await world.until(lambda world: world.begun == ["a"])
    await world.dispatcher.stop()
    assert world.cancelled == ["a"]
    assert world.answered == {}
