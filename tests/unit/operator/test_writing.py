"""What the operator writes of a plan, in which requests, over an API that is played."""

import asyncio
import time
from typing import Any

import pytest
from tests.unit.client.asked import Asked, Played, answered, refusal

from starlink.api.kinds import ASSIGNMENT, TASK
from starlink.api.meta import ObjectKey
from starlink.client.bulk import REQUESTS
from starlink.client.errors import Unreachable
from starlink.planning.plan import Action, Create, Patch, Plan, UpdateStatus
from starlink_operator.apply import Applier
from starlink_operator.caches import Caches
from starlink_operator.reporting import Teller
from starlink_operator.writer import NotLeading, Writer


class Site:
    """The writer of an operator that leads while the test says so."""

    def __init__(self) -> None:
        self.api = Played()
        self.leads = True
        self.observed = Caches(self.api, time.monotonic, time.time, lambda: 1.0)
        self.writer = Writer(self.api, self.observed, time.time, lambda: self.leads, lambda: 0.0)
        self.applier = Applier(self.writer, Teller(self.writer, lambda *_: None))

    def apply(self, *actions: Action) -> "asyncio.Task[None]":
        return asyncio.create_task(self.applier.apply(Plan(TASK, ObjectKey("default", "web"), actions)))

    async def out(self) -> list[Asked]:
        for _ in range(10):
            await asyncio.sleep(0)
        return self.api.out

    async def learn(self) -> None:
        """It knows that the server takes many writes in one request."""
        applied = self.apply(create(1000), create(1001))
        while not applied.done():
            for request in await self.out():
                if request.is_discovery:
                    request.answer(200, {"resources": [{"name": "bulkwrites", "verbs": ["create"]}]})
                else:
                    request.answer(201, assignment(*request.names))
        self.api.asked.clear()

    def known(self) -> set[str]:
        return {key.name for key in self.observed.assignments.objects}


def create(slot: int, uid: str = "uid-web") -> Create:
    meta = {"name": f"web-{slot}", "namespace": "default", "ownerReferences": [{"uid": uid}]}
    return Create(ASSIGNMENT, {"metadata": meta, "spec": spec(slot)})


def spec(slot: int) -> dict[str, Any]:
    return {"server": "s1", "slot": str(slot), "attempt": 1, "template": {"command": ["run"]}}


def doubt(slot: int) -> UpdateStatus:
    return UpdateStatus(ASSIGNMENT, ObjectKey("default", f"web-{slot}"), f"uid-{slot}", {"ready": False}, str(slot + 1))


def assignment(name: str, uid: str = "uid-web") -> dict[str, Any]:
    meta = {"name": name, "namespace": "default", "uid": f"uid-{name}", "resourceVersion": "7"}
    owners = {
        "labels": {"starlink.dev/task": "web"},
        "ownerReferences": [{"apiVersion": "v1", "kind": "Task", "name": "web", "uid": uid}],
    }
    return {"kind": "Assignment", "metadata": meta | owners, "spec": spec(int(name.partition("-")[2]))}


def with_defaults(obj: dict[str, Any]) -> dict[str, Any]:
    """As the API stores it."""
    spec = obj["spec"]
    return {**obj, "spec": {**spec, "desired": "Running", "template": {**spec["template"], "runtime": "Process"}}}


def made(*names: str) -> Any:
    return answered(*[{"code": 201, "object": assignment(name)} for name in names])


async def test_the_creations_of_a_round_go_together_and_are_seen_at_once() -> None:
    site = Site()
    await site.learn()
    plans = [site.apply(*map(create, range(first, first + 10))) for first in range(0, 60, 10)]
    (request,) = await site.out()
    assert request.is_bulk and len(request.names) == 60
    request.answer(200, made(*request.names))
    await asyncio.gather(*plans)
    assert {f"web-{number}" for number in range(60)} < site.known()


async def test_doubts_go_together_and_creations_only_after_them() -> None:
    site = Site()
    await site.learn()
    applied = site.apply(*map(doubt, range(5)), create(5), create(6))
    (request,) = await site.out()
    assert request.names == [f"web-{slot}" for slot in range(5)]
    assert request.body["items"][3]["object"] == {
        "metadata": {"uid": "uid-3", "resourceVersion": "4"},
        "status": {"ready": False},
    }
    items = [{"code": 200, "object": assignment(name)} for name in request.names]
    request.answer(200, answered(*items[:2], refusal(404, "NotFound"), *items[3:]))  # one is gone meanwhile
    (request,) = await site.out()
    assert request.names == ["web-5", "web-6"]
    request.answer(200, made("web-5", "web-6"))
    await applied
    assert site.known() >= {"web-0", "web-1", "web-3", "web-4", "web-5", "web-6"} and "web-2" not in site.known()


async def test_what_waits_when_the_leadership_is_lost_is_not_sent() -> None:
    site = Site()
    await site.learn()
    plans = []
    for slot in range(REQUESTS):
        plans.append(site.apply(create(slot)))
        await site.out()
    waiting = [site.apply(*map(create, range(10, 20))), site.apply(*map(doubt, range(20, 30)))]
    requests = await site.out()
    assert len(requests) == REQUESTS
    site.leads = False
    for request in requests:
        request.answer(201, assignment(*request.names))
    assert await site.out() == []
    await asyncio.gather(*plans)
    assert [type(one) for one in await asyncio.gather(*waiting, return_exceptions=True)] == [NotLeading, NotLeading]
    assert len(site.api.asked) == REQUESTS


@pytest.mark.parametrize("theirs", [False, True])
async def test_what_is_there_already_is_looked_at(theirs: bool) -> None:
    """Of an answer that was lost, the next try finds what it made."""
    site = Site()
    await site.learn()
    applied = site.apply(*map(create, range(3)))
    (request,) = await site.out()
    request.fail(Unreachable("the connection broke"))
    with pytest.raises(Unreachable):
        await applied
    assert not {"web-0", "web-1", "web-2"} & site.known()
    applied = site.apply(*map(create, range(3)))
    (request,) = await site.out()
    exists = refusal(409, "AlreadyExists")
    request.answer(200, answered(exists, exists, {"code": 201, "object": assignment("web-2")}))
    looks = await site.out()
    assert [(one.method, one.path.rpartition("/")[2]) for one in looks] == [("GET", "web-0"), ("GET", "web-1")]
    looks[0].answer(200, with_defaults(assignment("web-0")))
    looks[1].answer(200, assignment("web-1", uid="another" if theirs else "uid-web"))
    results = await asyncio.gather(applied, return_exceptions=True)
    assert [type(one).__name__ for one in results] == ["AlreadyExists" if theirs else "NoneType"]
    assert site.known() & {"web-0", "web-1", "web-2"} == ({"web-0", "web-2"} if theirs else {"web-0", "web-1", "web-2"})


async def test_other_writes_of_a_plan_stay_in_their_order() -> None:
    site = Site()
    await site.learn()
    stops = [
        Patch(ASSIGNMENT, ObjectKey("default", f"web-{slot}"), f"uid-{slot}", {"spec": {"desired": "Stopped"}})
        for slot in range(2)
    ]
    applied = site.apply(*stops, create(2))
    for slot in range(2):
        (request,) = await site.out()
        assert request.method == "PATCH" and request.path.endswith(f"/web-{slot}")
        request.answer(200, assignment(f"web-{slot}"))
    (request,) = await site.out()
    assert request.names == ["web-2"] and not request.is_bulk
    request.answer(201, assignment("web-2"))
    await applied


async def test_each_item_counts_for_itself() -> None:
    """One that is refused fails its own plan, and no other."""
    site = Site()
    await site.learn()
    plans = [site.apply(create(slot)) for slot in range(3)]
    (request,) = await site.out()
    request.answer(
        200,
        answered(
            {"code": 201, "object": assignment("web-0")},
            refusal(422, "Invalid"),
            {"code": 201, "object": assignment("web-2")},
        ),
    )
    results = await asyncio.gather(*plans, return_exceptions=True)
    assert [type(one).__name__ for one in results] == ["NoneType", "Invalid", "NoneType"]
    assert site.writer.rest() == 0.0
