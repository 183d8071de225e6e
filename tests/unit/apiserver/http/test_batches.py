"""Answers that are made of those to many requests: each has its turn, and others have theirs in between."""

import asyncio
import gc
from collections.abc import Callable, Iterator, Sequence

from starlink.http.call import AT_ONCE, Batch, Call
from starlink.http.dispatch import Dispatcher
from starlink.http.fairness import Account
from starlink.http.limits import Limits
from starlink.http.message import Answer, Parts, Request, Response


class World:
    """A handler that makes parts of `BULK n`, and waits for what is committed of `WRITE`."""

    def __init__(self, limits: Limits | None = None, most: int = 1_000_000) -> None:
        self.begun: list[str] = []
        self.ended: list[str] = []
        self.open = self.most_open = 0
        self.answered: dict[str, Response] = {}
        self.committing: list[asyncio.Future[None]] = []
        self.most = most
        self.dispatcher = Dispatcher(self.handle, limits or Limits())

    async def handle(self, request: Request) -> Response | Parts:
        name, _, count = request.path.partition(" ")
        if request.method == "BULK":
            return self.parts(name, int(count))
        self.begun.append(request.path)
        self.open += 1
        self.most_open = max(self.open, self.most_open)
        try:
            done = asyncio.get_running_loop().create_future()
            self.committing.append(done)
            await done
            self.ended.append(request.path)
        finally:
            self.open -= 1
        return Response(200, request.path.encode())

    def parts(self, name: str, count: int) -> Parts:
        def requests() -> Iterator[Request]:
            for number in range(count):
                yield Request("WRITE", f"{name}{number}")

        def join(answers: Sequence[Response]) -> Response:
            return Response(200, b" ".join(answer.body for answer in answers))

        return Parts(requests(), count, join, self.most, Response(413, b"-"))

    def ask(self, method: str, path: str, user: str = "u") -> Call:
        call = Call(Request(method, path), Account(user), self._told(path))
        if not self.dispatcher.submit(call):
            self.answered[path] = Response(429)
        return call

    def _told(self, path: str) -> Callable[[Answer], None]:
        def told(answer: Answer) -> None:
            assert isinstance(answer, Response)
            self.answered[path] = answer

        return told

    def commit(self) -> None:
        waiting, self.committing = self.committing, []
        for done in waiting:
            if not done.done():
                done.set_result(None)

    async def until(self, check: Callable[["World"], bool], *, commits: bool = True) -> None:
        async with asyncio.timeout(20):
            while not check(self):
                await asyncio.sleep(0)
                if commits and self.committing:
                    self.commit()


async def test_the_answers_are_in_the_order_of_the_requests_whichever_came_first() -> None:
    world = World()
    world.ask("BULK", "b 5")
    await world.until(lambda world: len(world.begun) == 5, commits=False)
    for done in reversed(world.committing):
        done.set_result(None)
        await asyncio.sleep(0)
    await world.until(lambda world: "b 5" in world.answered)
    assert world.answered["b 5"].body == b"b0 b1 b2 b3 b4"
    assert world.ended != sorted(world.ended)
    await world.dispatcher.stop()


async def test_a_strangers_single_waits_behind_no_bulk() -> None:
    """One of each account begins in turn, however many the others have."""
    world = World(Limits(handled=40, handled_per_user=30))
    for number in range(4):
        world.ask("BULK", f"b{number}- 500", "bulky")
    await world.until(lambda world: len(world.begun) > 100)
    seen = len(world.begun)
    for number in range(10):
        world.ask("WRITE", f"s{number}", "stranger")
    await world.until(lambda world: len(world.answered) == 10)
    strangers = [place for place, path in enumerate(world.begun[seen:]) if path.startswith("s")]
    assert len(strangers) == 10
    assert all(place <= 2 * number + 1 for number, place in enumerate(strangers)), strangers
    await world.until(lambda world: len(world.answered) == 14)
    assert len(world.begun) == 2010
    await world.dispatcher.stop()


async def test_an_accounts_own_single_waits_behind_no_bulk_of_its() -> None:
    world = World(Limits(handled=40, handled_per_user=30))
    for number in range(3):
        world.ask("BULK", f"b{number}- 500")
    await world.until(lambda world: len(world.begun) > 100)
    seen = len(world.begun)
    world.ask("WRITE", "heartbeat")
    await world.until(lambda world: "heartbeat" in world.answered)
    assert world.begun.index("heartbeat") <= seen + 4
    await world.until(lambda world: len(world.answered) == 4)
    await world.dispatcher.stop()


async def test_bulks_hold_no_more_than_their_account_may() -> None:
    world = World(Limits(handled=40, handled_per_user=30, queued_per_user=8))
    for number in range(8):
        world.ask("BULK", f"b{number}- 100")
    for _ in range(3):
        await world.until(lambda world: world.open == 30, commits=False)
        world.commit()
    await world.until(lambda world: len(world.answered) == 8)
    assert world.most_open == 30
    assert len(world.ended) == 800
    assert {answer.status for answer in world.answered.values()} == {200}
    await world.dispatcher.stop()


async def test_one_that_finds_no_room_in_the_queue_is_refused_whole() -> None:
    world = World(Limits(handled=1, queued=1))
    world.ask("WRITE", "w")
    await world.until(lambda world: world.begun == ["w"], commits=False)
    world.ask("BULK", "b 3")
    world.ask("WRITE", "x")
    assert world.answered["x"].status == 429
    world.commit()
    await world.until(lambda world: "b 3" in world.answered)
    assert world.answered["b 3"].body == b"b0 b1 b2"

    world.begun.clear()
    handle = world.handle

    async def full(request: Request) -> Response | Parts:
        answer = await handle(request)
        if isinstance(answer, Parts):
            world.ask("WRITE", "y")  # comes between the bulk's own turn and those of its parts
        return answer

    world.dispatcher._handle = full
    world.ask("BULK", "c 3")
    await world.until(lambda world: "c 3" in world.answered and "y" in world.answered)
    assert world.answered["c 3"].status == 429
    assert world.begun == ["y"]
    await world.dispatcher.stop()


async def test_what_is_abandoned_in_the_middle_ends_and_begins_nothing_more() -> None:
    world = World(Limits(handled=10, handled_per_user=5))
    bulk = world.ask("BULK", "b 100")
    await world.until(lambda world: world.open == 5, commits=False)
    bulk.abandon()
    other = world.ask("BULK", "c 100")
    await world.until(lambda world: "c 100" in world.answered)
    assert [path for path in world.begun if path.startswith("b")] == [f"b{number}" for number in range(5)]
    assert "b 100" not in world.answered and not other.abandoned and world.open == 0
    await world.dispatcher.stop()


async def test_after_too_much_is_answered_nothing_more_is_begun() -> None:
    world = World(Limits(handled_per_user=2), most=8)
    world.ask("BULK", "bb 20")
    await world.until(lambda world: "bb 20" in world.answered)
    told = world.answered["bb 20"].body.split()
    begun = len(world.begun)
    assert 3 <= begun <= 5 and told == [b"bb%d" % number for number in range(begun)] + [b"-"] * (20 - begun)
    await world.dispatcher.stop()


async def test_no_more_is_begun_than_few_answers_may_take() -> None:
    """How long the answers will be is known only when they come."""
    world = World(most=8)
    world.ask("BULK", "b 500")
    await world.until(lambda world: world.open == AT_ONCE, commits=False)
    for _ in range(10):
        await asyncio.sleep(0)
    assert len(world.begun) == AT_ONCE
    world.commit()
    await world.until(lambda world: "b 500" in world.answered)
    assert world.answered["b 500"].body.split().count(b"-") == 500 - len(world.begun)
    assert len(world.begun) <= AT_ONCE + 4
    await world.dispatcher.stop()


async def test_what_is_answered_is_let_go_without_the_collector_of_cycles() -> None:
    """It may be large, and the collector seldom runs."""
    world = World()
    gc.collect()
    gc.disable()
    try:
        for path in ("b 3", "c 3"):
            world.ask("BULK", path)
        await world.until(lambda world: len(world.begun) == 6, commits=False)
        assert sum(isinstance(one, Batch) for one in gc.get_objects()) == 2
        world.commit()
        await world.until(lambda world: len(world.answered) == 2)
        assert not any(isinstance(one, Batch) for one in gc.get_objects())
    finally:
        gc.enable()
    await world.dispatcher.stop()


async def test_one_that_was_let_in_goes_on_where_the_queue_is_full() -> None:
    world = World(Limits(handled=40, handled_per_user=30, queued=3, queued_per_user=1))
    world.ask("BULK", "b 100")
    await world.until(lambda world: world.open == 30, commits=False)
    for number in range(3):
        world.ask("WRITE", f"w{number}", f"user{number}")
    await world.until(lambda world: "b 100" in world.answered)
    assert world.answered["b 100"].body.split() == [b"b%d" % number for number in range(100)]
    await world.dispatcher.stop()
