"""The loop over an API that is played: what it plans, when, and what it keeps."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from tests.conftest import soon

from starlink.api.kinds import SERVER, TASK
from starlink.api.meta import ObjectKey
from starlink.api.timestamp import format_time
from starlink.client.errors import ServerTrouble
from starlink.engine.rounds.round import plan_round
from starlink.planning import service
from starlink.planning.plan import Action, Create, UpdateStatus
from starlink_operator import reconciler as module
from starlink_operator.caches import Caches
from starlink_operator.fleet_plans import FleetPlans
from starlink_operator.kinds import fleet
from starlink_operator.kinds import task as tasks
from starlink_operator.outage import Outage
from starlink_operator.reconciler import Reconciler
from starlink_operator.timers import Timers
from starlink_operator.worklist import MOST_IN_A_ROUND


class Played:
    """Takes every write, and nothing while it rests."""

    def __init__(self) -> None:
        self.written: list[Action] = []
        self.resting, self.asked = 0.0, 0

    def rest(self) -> float:
        self.asked += 1
        return self.resting

    async def write(self, action: Action) -> None:
        self.written.append(action)

    def created(self) -> set[str]:
        made = [action.manifest["metadata"] for action in self.written if isinstance(action, Create)]
        return {metadata["labels"]["starlink.dev/task"] for metadata in made}


class Operator:
    """A reconciler of which nothing is connected; `hear` says what its caches hear."""

    def __init__(self) -> None:
        nothing: Any = None
        self.observed = Caches(nothing, time.monotonic, time.time, lambda: 1.0)
        self.writer = Played()
        writer: Any = self.writer
        self.reconciler = Reconciler(self.observed, writer, time.monotonic)
        self.tasks: Any = self.reconciler.of[TASK]
        self.version = 0
        self.hear("servers", "s1", status={"architecture": "amd64", "allocatable": {"cpu": "4", "memory": "8Gi"}})

    def hear(self, kind: str, name: str, event: str = "ADDED", **body: Any) -> None:
        self.version += 1
        meta = {"name": name, "uid": f"uid-{name}", "generation": 1, "resourceVersion": str(self.version)}
        meta |= {"namespace": "default"} if kind in ("tasks", "assignments") else {}
        meta |= body.pop("metadata", {})
        getattr(self.observed, kind).hear(event, msgspec.json.encode({"metadata": meta, **body}))

    def task(self, name: str, event: str = "ADDED", **spec: Any) -> None:
        self.hear("tasks", name, event, spec={"template": {"command": ["run"]}, **spec})

    def assignment(self, name: str, event: str = "ADDED", server: str = "s1") -> None:
        spec = {"server": server, "slot": "0", "attempt": 1, "template": {"command": ["run"]}}
        self.hear("assignments", name, event, spec=spec, metadata={"labels": {"starlink.dev/task": name}})

    def beat(self, version: int) -> None:
        """A heartbeat of s1."""
        meta = {"name": "s1", "namespace": "starlink-servers", "resourceVersion": str(version)}
        self.observed._leases.hear("MODIFIED", msgspec.json.encode({"metadata": meta, "spec": {}}))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        run = asyncio.create_task(self.reconciler.run())
        try:
            yield
            assert not run.done(), "the loop has ended"
        finally:
            run.cancel()
            await asyncio.gather(run, return_exceptions=True)


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch) -> list[frozenset[Any]]:
    """The keys of each round."""
    rounds: list[frozenset[Any]] = []
    whole = plan_round

    def counted(world: Any, dirty: Any, reservations: Any) -> Any:
        rounds.append(dirty)
        return whole(world, dirty, reservations)

    monkeypatch.setattr(tasks, "plan_round", counted)
    return rounds


async def test_nothing_is_planned_while_nothing_may_be_written(planned: list[frozenset[Any]]) -> None:
    operator = Operator()
    operator.task("web")
    operator.writer.resting = 0.01
    async with operator.running():
        await soon(lambda: operator.writer.asked > 20, "it asks whether it may")
        assert planned == [] and operator.writer.written == []
        operator.writer.resting = 0.0
        await soon(lambda: operator.writer.created() == {"web"}, "it plans once it may")


async def test_looks_at_one_task_leave_one_timer(planned: list[frozenset[Any]]) -> None:
    operator = Operator()
    async with operator.running():
        for number in range(1, 21):
            spec = {"type": "Batch", "deadline": "1h", "template": {"command": ["run"]}}
            status = {"startedAt": format_time(time.time()), "failed": number}
            operator.hear("tasks", "sum", spec=spec, status=status, metadata={"generation": number})
            await soon(lambda wanted=number: len(planned) >= wanted, "it is looked at")  # type: ignore[misc]
        assert len(operator.reconciler._timers) == 1


async def test_a_standby_keeps_nothing_of_what_is_gone() -> None:
    operator = Operator()
    for number in range(50):
        operator.task(f"t{number}")
        operator.assignment(f"t{number}", server=f"s{number}")
        operator.assignment(f"t{number}", "DELETED", server=f"s{number}")
        operator.task(f"t{number}", "DELETED")
    observed = operator.observed
    assert not (observed._by_task or observed._by_server or observed._changed or observed._groups)
    assert not operator.tasks._worklist
    operator.task("web")
    async with operator.running():
        await soon(lambda: operator.writer.created() == {"web"}, "once it leads it looks at all that is there")


async def test_a_task_that_can_not_be_planned_is_tried_ever_more_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, tries = service.decide, [0]

    def broken(observed: Any, *given: Any) -> Any:
        if observed.task.name == "bad":
            tries[0] += 1
            raise KeyError("a secret")
        return whole(observed, *given)

    monkeypatch.setattr(service, "decide", broken)
    operator = Operator()
    operator.task("bad")
    async with operator.running():
        for number in range(30):
            operator.hear("tasks", "bad", "MODIFIED", spec={"template": {"command": ["run"]}}, status={"ready": number})
            operator.task(f"good{number}")
            await soon(lambda wanted=number: f"good{wanted}" in operator.writer.created(), "others are served")  # type: ignore[misc]
        statuses = [action.status for action in operator.writer.written if isinstance(action, UpdateStatus)]
        told = [one for status in statuses for one in status.get("conditions", ()) if one["reason"] == "InternalError"]
        assert {one["type"] for one in told} == {"Ready", "Reconciling", "Stalled"}
        assert tries[0] < 10, "30 changes of it do not make 30 tries"
        monkeypatch.undo()
        operator.hear("tasks", "bad", "MODIFIED", spec={"template": {"command": ["go"]}}, metadata={"generation": 2})
        await soon(lambda: "bad" in operator.writer.created(), "another spec is tried at once")


async def test_a_round_that_fails_as_a_whole_does_not_end_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise ZeroDivisionError

    operator = Operator()
    operator.task("web")
    with monkeypatch.context() as patched:
        patched.setattr(tasks, "plan_round", broken)
        patched.setattr("starlink_operator.fleet_plans.plan_fleet", lambda *_, **__: broken())
        async with operator.running():
            await soon(lambda: len(operator.reconciler._retries._known) == 1, "the task is to be looked at again")
    async with operator.running():
        await soon(lambda: operator.writer.created() == {"web"}, "it is served when it can be")


STEPS = {
    "run": "run",
    "begin": "a round",
    "take": "a round",
    "plan": "plan",
    "tick": "tick",
    "look_at_all": "a look at all",
}
"""What a controller does, and what the log calls it."""


@pytest.mark.parametrize("step", STEPS)
async def test_a_controller_that_raises_is_tried_again_and_harms_no_other(
    step: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def nothing(_: Any) -> None:
        """There is nothing to list."""

    def broken(*_: Any) -> Any:
        raise KeyError("a secret")

    monkeypatch.setattr(module, "TICK_SECONDS", 0.01)
    monkeypatch.setattr(module, "FULL_ROUND_SECONDS", 0.02)
    monkeypatch.setattr(Caches, "refresh", nothing)
    operator = Operator()
    with monkeypatch.context() as patched:
        patched.setattr(fleet.Fleet, step, broken)
        async with operator.running():
            await soon(lambda: f"{STEPS[step]} of controller Fleet failed: KeyError" in caplog.text, "it has raised")
            for number in range(10):
                operator.task(f"t{number}")
                await soon(lambda wanted=number: f"t{wanted}" in operator.writer.created(), "others are served")  # type: ignore[misc]
            patched.undo()
            before = len(operator.writer.written)
            if step not in ("run", "tick", "look_at_all"):
                await soon(lambda: SERVER in _told(operator.writer.written[before:]), "it is served when it can be")
    assert caplog.text.count("KeyError at") == 1, "it is logged once"
    assert "a secret" not in caplog.text


def _told(written: list[Action]) -> set[Any]:
    return {action.kind for action in written if isinstance(action, UpdateStatus)}


@pytest.mark.parametrize("step", ["look", "awaited"])
async def test_an_object_whose_controller_raises_of_it_is_looked_at_again(
    step: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    operator, calls = Operator(), [0]
    operator.task("web")

    def broken(*_: Any) -> Any:
        calls[0] += 1
        if calls[0] == 1:
            raise KeyError("a secret")
        return whole(*_)

    whole = getattr(operator.tasks, step)
    monkeypatch.setattr(operator.tasks, step, broken)
    async with operator.running():
        operator.reconciler._look_again((TASK, ObjectKey("default", "web")))
        await soon(lambda: calls[0] >= 1 + (step == "look"), "it is asked, and looked at again after a pause")
        await soon(lambda: TASK in _told(operator.writer.written), "it is told")
    assert f"{step} of controller Tasks failed: KeyError" in caplog.text and "a secret" not in caplog.text


async def test_of_the_timers_of_a_key_the_last_holds() -> None:
    called: list[str] = []
    timers = Timers[str](called.append)
    for seconds in (3600.0, 0.01, 3600.0):
        timers.set("a", seconds)
    timers.hasten("a", 7200.0)
    timers.set("b", 3600.0)
    timers.hasten("b", 0.01)
    timers.set("c", 0.01)
    timers.set("c", None)
    await soon(lambda: called, "b is due")
    assert called == ["b"] and len(timers) == 1


def test_an_outage_is_waited_out_ever_longer_and_ends_with_the_first_answer() -> None:
    outage, away = Outage(), ServerTrouble(503, "ServiceUnavailable", "")
    outage.failed(away, 0.0)
    outage.failed(away, 0.0)
    assert outage.rest(0.0) == 0.0, "two failures are none"
    now, rests = 0.0, []
    for _ in range(8):
        for _ in range(32):  # those of one round count once
            outage.failed(away, now)
        rests.append(outage.rest(now))
        now += rests[-1]
    assert rests == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0, 10.0]
    outage.succeeded()
    assert outage.rest(now) == 0.0


async def test_it_wakes_when_the_least_time_ready_is_over() -> None:
    operator = Operator()
    operator.task("web", update={"minReadyTime": "300ms"})
    owner = [{"apiVersion": "v1", "kind": "Task", "name": "web", "uid": "uid-web", "controller": True}]
    meta = {"labels": {"starlink.dev/task": "web"}, "ownerReferences": owner}
    spec = {"server": "s1", "slot": "0", "attempt": 1, "template": {"command": ["run"]}}
    async with operator.running():
        for event, ready in (("ADDED", False), ("MODIFIED", True)):
            status = {"phase": "Running", "ready": ready}
            operator.hear("assignments", "web-0", event, spec=spec, status=status, metadata=meta)

        def available() -> list[int]:
            told = [action.status for action in operator.writer.written if isinstance(action, UpdateStatus)]
            return [status["available"] for status in told if "available" in status]

        await soon(lambda: 1 in available(), "it is available, without anything else that happens")


ROOM = {"architecture": "amd64", "allocatable": {"cpu": "4", "memory": "8Gi"}}


async def test_what_waits_is_looked_at_when_a_deleted_server_comes_back() -> None:
    operator = Operator()
    operator.beat(1)
    operator.hear("servers", "s1", "DELETED")
    async with operator.running():
        operator.task("web")
        await soon(lambda: operator.tasks._unplaced.keys, "it finds no server")
        operator.observed._heartbeats._seen["s1"] = ("1", time.monotonic() - 60)
        operator.hear("servers", "s1", metadata={"uid": "uid-anew"})
        operator.hear("servers", "s1", "MODIFIED", metadata={"uid": "uid-anew"}, status=ROOM)
        await soon(lambda: "s1" in operator.tasks._silent, "it is not heard yet")
        assert operator.writer.created() == set()
        operator.beat(operator.version + 1)
        await soon(lambda: operator.writer.created() == {"web"}, "it is placed, long before all are looked at", 10.0)


async def test_what_is_told_of_a_server_has_nobody_look_at_all_servers_again(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[tuple[int, str]] = []

    class Counted(FleetPlans):
        def due(self, world: Any, now: float, among: Any = None) -> Any:
            conditions = world.servers["s1"].status.conditions
            looks.append((len(conditions), world.servers["s1"].metadata.labels.get("rack", "")))
            return super().due(world, now, among)

    monkeypatch.setattr(fleet, "FleetPlans", Counted)
    monkeypatch.setattr(module, "TICK_SECONDS", 60.0)
    operator = Operator()
    ready = {"type": "Ready", "status": "True", "reason": "AgentHeard", "message": "", "lastTransitionTime": ""}
    async with operator.running():
        await soon(lambda: looks == [(0, "")], "a server that is new is looked at")
        operator.hear("servers", "s1", "MODIFIED", status={**ROOM, "conditions": [ready]})
        for _ in range(20):
            await asyncio.sleep(fleet.Fleet.settles / 10)
        operator.hear(
            "servers", "s1", "MODIFIED", status={**ROOM, "conditions": [ready]}, metadata={"labels": {"rack": "1"}}
        )
        await soon(lambda: looks[-1] == (1, "1"), "a server that has changed is looked at")
    assert len(looks) == 2


async def test_what_waits_is_looked_at_when_a_server_is_heard_right_after_a_look(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The look finds it silent still, and the tick after it finds it heard, as the tick before did."""
    operator = Operator()
    operator.beat(1)
    operator.hear("servers", "s1", "DELETED")
    looks = 0

    def looked(world: Any, dirty: Any, reservations: Any) -> Any:
        nonlocal looks
        found = plan_round(world, dirty, reservations)
        looks += 1
        if looks == 1:
            operator.beat(operator.version + 1)
        return found

    async with operator.running():
        operator.task("web")
        await soon(lambda: operator.tasks._unplaced.keys, "it finds no server")
        operator.observed._heartbeats._seen["s1"] = ("1", time.monotonic() - 60)
        monkeypatch.setattr(tasks, "plan_round", looked)
        operator.hear("servers", "s1", metadata={"uid": "uid-anew"}, status=ROOM)
        await soon(lambda: operator.writer.created() == {"web"}, "it is placed, long before all are looked at", 10.0)
    assert looks <= 4, "it is looked at for what it has heard, and not again and again"


async def test_the_log_has_a_line_for_a_round_that_does_something_and_none_for_one_that_does_not(
    planned: list[frozenset[Any]], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="starlink_operator")
    operator = Operator()
    for number in range(20):
        operator.task(f"t{number}")
    async with operator.running():
        await soon(lambda: len(operator.writer.created()) == 20, "all are placed")
        rounds, before = [record for record in caplog.records if record.message == "round"], len(planned)
        operator.task("t0", "MODIFIED", suspend=True)
        await soon(lambda: len(planned) > before, "another round")
    assert sum(record.__dict__["actions"]["Create Assignment"] for record in rounds) == 20
    assert len(rounds) <= before and all(len(record.__dict__["first"]) <= 3 for record in rounds)
    assert all(record.__dict__["objects"] > 0 for record in caplog.records if record.message == "round")
    assert [record for record in caplog.records if record.message == "plan"] == []


async def test_what_has_not_been_looked_at_goes_before_what_is_looked_at_again(planned: list[frozenset[Any]]) -> None:
    """What a round has created marks its tasks again; they wait for those that have nothing yet."""
    operator = Operator()
    names = [f"t{number:04}" for number in range(3 * MOST_IN_A_ROUND)]
    for name in names:
        operator.task(name)
    operator.task("urgent", placement={"priority": 7})

    async def created(action: Action) -> None:
        operator.writer.written.append(action)
        if isinstance(action, Create):
            operator.assignment(action.manifest["metadata"]["labels"]["starlink.dev/task"])

    operator.writer.write = created  # type: ignore[method-assign]
    async with operator.running():
        await soon(lambda: len(planned) >= 4, "all have been looked at")
    assert "urgent" in {key.name for key in planned[0]}, "of higher priority, although it came last"
    looks = [key.name for keys in planned[:3] for key in keys if key.name != "urgent"]
    assert len(looks) == len({*looks}) >= 3 * (MOST_IN_A_ROUND - 1), "none is looked at again"
    assert {*names} - {*looks} <= {key.name for key in planned[3]}, "before all have been looked at once"


async def test_what_it_wrote_itself_is_looked_at_again_with_the_next_tick(
    planned: list[frozenset[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a burst a round for each would cost as much as the placing."""
    monkeypatch.setattr(module, "TICK_SECONDS", 60.0)
    operator = Operator()
    async with operator.running():
        await soon(lambda: not operator.tasks.some.is_set(), "the first look is over")
        for number in range(20):
            operator.task(f"t{number}")
        await soon(lambda: len(operator.writer.created()) == 20, "all are placed")
        before = len(planned)
        for number in range(20):
            operator.assignment(f"t{number}")
            operator.task(f"t{number}", "MODIFIED")  # its status, which the operator has told
            await asyncio.sleep(0)
        operator.task("new")
        await soon(lambda: "new" in operator.writer.created(), "what is new is looked at at once")
        assert [{key.name for key in keys} for keys in planned[before:]] == [{"new"}]
        operator.tasks.tick()
        await soon(lambda: len(planned) > before + 1, "the others are looked at")
        assert {f"t{number}" for number in range(20)} <= {key.name for key in planned[before + 1]}
