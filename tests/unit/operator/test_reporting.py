"""What is told behind what is done: the latest status, each Event once, and what fails looked at again."""

import asyncio
from typing import Any

import pytest

from starlink.api.kinds import ASSIGNMENT, TASK
from starlink.api.meta import ObjectKey
from starlink.client.errors import Unreachable
from starlink.planning.plan import Action, Create, Plan, RecordEvent, UpdateStatus
from starlink_operator.reporting import AT_ONCE, Subject, Teller

KEY = ObjectKey("default", "web")


def status(key: ObjectKey = KEY, **fields: Any) -> UpdateStatus:
    return UpdateStatus(TASK, key, "uid", fields)


def event(message: str) -> RecordEvent:
    return RecordEvent(TASK, KEY, "uid", "Normal", "Placed", message)


def plan(*actions: Action, key: ObjectKey = KEY) -> Plan:
    return Plan(TASK, key, actions)


class Api:
    """Takes writes one after another, each when it is let through."""

    def __init__(self) -> None:
        self.taken: list[Action] = []
        self.began = asyncio.Semaphore(0)
        self.through = asyncio.Semaphore(0)
        self.refuses = False
        self.answered = 0

    async def write(self, action: Action) -> None:
        self.taken.append(action)
        self.began.release()
        await self.through.acquire()
        self.answered += 1
        if self.refuses:
            raise Unreachable("gone")


async def test_acts_end_where_only_telling_is_left() -> None:
    create = Create(ASSIGNMENT, {})
    mixed = plan(status(phase="a"), create, status(phase="b"), event("one"))
    assert mixed.acts == (status(phase="a"), create)
    assert mixed.tells == (status(phase="b"), event("one"))
    assert plan(status(phase="a")).acts == ()
    assert plan(create).tells == ()
    of_another = status(ObjectKey("default", "other"), phase="a")
    assert plan(of_another, status(phase="b")).acts == (of_another,), "only its own status merely tells"


async def test_only_the_latest_status_is_sent_and_each_event_once() -> None:
    api, failed = Api(), list[Subject]()
    teller = Teller(api, lambda subject, _: failed.append(subject))
    teller.tell(plan(status(phase="Pending"), event("one")))
    teller.tell(plan(status(phase="Running"), event("one"), event("two")))
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        running = group.create_task(teller.run())
        for _ in range(3):
            await api.began.acquire()
            api.through.release()
        running.cancel()
    assert api.taken == [status(phase="Running"), event("one"), event("two")]
    assert not failed


async def test_of_a_state_the_latest_is_told_once() -> None:
    api = Api()
    teller = Teller(api, lambda _, __: None)

    def lacks(number: int) -> RecordEvent:
        return RecordEvent(TASK, KEY, "uid", "Warning", "Unplaceable", f"{number} lack cpu", lasting=True)

    teller.tell(plan(event("one"), lacks(1)))
    teller.tell(plan(lacks(4)))
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        running = group.create_task(teller.run())
        for number in range(2):
            await api.began.acquire()
            teller.tell(plan(event("two"), lacks(5 + number)))
            api.through.release()
        await api.began.acquire()
        running.cancel()
    assert api.taken == [event("one"), lacks(4), event("two")]


async def test_news_of_an_object_wait_for_what_is_under_way_and_do_not_repeat_it() -> None:
    api = Api()
    teller = Teller(api, lambda _, __: None)
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        running = group.create_task(teller.run())
        teller.tell(plan(status(phase="Pending"), event("one")))
        await api.began.acquire()
        teller.tell(plan(status(phase="Running"), event("one")))
        for _ in range(2):
            api.through.release()
            await api.began.acquire()
        api.through.release()
        running.cancel()
    assert api.taken == [status(phase="Pending"), event("one"), status(phase="Running")]


async def test_a_status_that_is_no_longer_so_is_not_sent() -> None:
    api = Api()
    teller = Teller(api, lambda _, __: None)
    other = ObjectKey("default", "other")
    teller.tell(plan(status(phase="Degraded")))
    teller.tell(plan())
    teller.tell(plan(event("one"), key=other))
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        running = group.create_task(teller.run())
        await api.began.acquire()
        running.cancel()
    assert api.taken == [event("one")]


@pytest.mark.parametrize("objects", [1, 3 * AT_ONCE])
async def test_what_was_not_told_is_looked_at_again(objects: int) -> None:
    api, failed = Api(), list[Subject]()
    api.refuses = True
    all_failed = asyncio.Event()

    def note(subject: Subject, error: Exception) -> None:
        assert isinstance(error, Unreachable)
        failed.append(subject)
        if len(failed) == objects:
            all_failed.set()

    teller = Teller(api, note)
    keys = [ObjectKey("default", f"web-{number}") for number in range(objects)]
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        running = group.create_task(teller.run())
        for key in keys:
            teller.tell(plan(status(key, phase="Running"), key=key))
        for _ in keys:
            api.through.release()
        await all_failed.wait()
        running.cancel()
    assert sorted(failed) == sorted((TASK, key) for key in keys)


async def test_of_what_is_about_to_be_overtaken_only_the_newer_is_sent() -> None:
    api, awaited = Api(), True
    teller = Teller(api, lambda _, __: None, lambda _: awaited)
    others = [ObjectKey("default", name) for name in ("same", "gone", "busy")]
    for key in (KEY, *others):
        teller.tell(plan(status(key, phase="Pending"), event("one"), key=key))
    again = plan(status(others[2], phase="Preparing"), event("two"), key=others[2])
    teller.tell(again)  # before it came to rest
    awaited = False
    teller.tell(plan(status(phase="Running"), event("two")))
    teller.tell(plan(key=others[0]))
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        running = group.create_task(teller.run())
        for _ in range(7):
            await api.began.acquire()
            api.through.release()
        for _ in range(10):
            await asyncio.sleep(0)
        running.cancel()
    statuses = [one.status["phase"] for one in api.taken if isinstance(one, UpdateStatus)]
    messages = [one.message for one in api.taken if isinstance(one, RecordEvent)]
    assert sorted(statuses) == ["Preparing", "Running"]
    assert sorted(messages) == ["one", "one", "one", "two", "two"], "and no Event is lost"


async def test_one_at_a_time_is_told_while_something_is_done() -> None:
    api = Api()
    teller = Teller(api, lambda *_: None)
    for number in range(2 * AT_ONCE):
        key = ObjectKey("default", f"web-{number}")
        teller.tell(plan(status(key, phase="Running"), key=key))
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        with teller.behind():
            running = group.create_task(teller.run())
            for _ in range(3):
                await api.began.acquire()
                assert len(api.taken) - api.answered == 1
                api.through.release()
        for _ in range(AT_ONCE):
            await api.began.acquire()
        assert len(api.taken) - api.answered == AT_ONCE
        running.cancel()
