"""What planning one object raises stays with it: it is told, and all others are served."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.world import Cluster, Obj

from starlink.engine.rounds import fleet, placing
from starlink.planning import pool, server, service
from starlink.planning import task as tasks


def conditions(obj: Obj) -> dict[str, tuple[str, str]]:
    return {one["type"]: (one["status"], one["reason"]) for one in obj["status"]["conditions"]}


def breaks(monkeypatch: pytest.MonkeyPatch, module: Any, function: str, name: Callable[..., str]) -> None:
    """Whatever is called `bad` raises from then on."""
    whole = getattr(module, function)

    def broken(*given: Any, **more: Any) -> Any:
        if name(*given) == "bad":
            raise StopIteration("a secret")
        return whole(*given, **more)

    monkeypatch.setattr(module, function, broken)


def examined(observed: Any, *_: Any) -> str:
    return str(observed.task.name)


STEPS = [
    (service, "decide", examined),
    (placing.Placer, "_ask", lambda _, examined, __: examined.task.name),
    (tasks, "task_status", lambda examined, *_: examined.task.name),
]


@pytest.mark.parametrize(("module", "function", "name"), STEPS, ids=["examine", "place", "complete"])
def test_a_task_whose_planning_raises_harms_no_other(
    module: Any, function: str, name: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = Cluster()
    cluster.server("s1")
    with monkeypatch.context() as patched:
        breaks(patched, module, function, name)
        bad = cluster.task("bad")
        cluster.task("good", replicas=2)
        cluster.settle()
        assert [a.task for a in cluster.assignments()] == ["good", "good"]
        assert conditions(bad) == {
            "Ready": ("Unknown", "InternalError"),
            "Reconciling": ("False", "InternalError"),
            "Stalled": ("True", "InternalError"),
        }
        told = [event for event in cluster.events if event.key.name == "bad"]
        assert [event.reason for event in told] == ["InternalError"], "it is told once"
        assert "StopIteration at test_bulkhead.py:" in told[0].message and "secret" not in told[0].message
    cluster.settle()
    assert conditions(bad)["Ready"] == ("True", "AllReady") and conditions(bad)["Stalled"] == ("False", "NotStalled")


def test_what_runs_of_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster()
    cluster.server("s1")
    bad = cluster.task("bad", replicas=2)
    cluster.settle()
    breaks(monkeypatch, service, "decide", examined)
    cluster.change(bad, replicas=0)
    cluster.settle()
    assert [a.status.phase for a in cluster.assignments()] == ["Running", "Running"]
    assert not any(a.stopping for a in cluster.assignments())


@pytest.mark.parametrize(
    ("module", "function", "kind"), [(server, "plan_server", "Server"), (pool, "plan_pool", "Pool")]
)
def test_a_server_or_pool_whose_planning_raises_harms_no_other(
    module: Any, function: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = Cluster()
    made = {"Server": cluster.server, "Pool": cluster.pool}[kind]
    with monkeypatch.context() as patched:
        breaks(patched, module, function, lambda obj, *_: obj.name)
        bad, good = made("bad"), made("good")
        cluster.settle()
        assert conditions(bad)["Stalled"] == ("True", "InternalError")
        assert conditions(good)["Stalled"] == ("False", "NotStalled")
    cluster.settle()
    assert conditions(bad) == conditions(good)


def test_pools_that_can_not_be_counted_harm_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise KeyError("a secret")

    cluster = Cluster()
    pool, server = cluster.pool("p"), cluster.server("s1", pool="p")
    with monkeypatch.context() as patched:
        patched.setattr(fleet, "outsiders", broken)
        cluster.settle()
        assert conditions(pool)["Stalled"] == ("True", "InternalError")
        assert conditions(server)["Ready"][0] == "True"
    cluster.settle()
    assert conditions(pool)["Ready"] == ("True", "ServersReady")


def test_a_server_is_drained_although_a_task_there_can_not_be_planned(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster()
    s1 = cluster.server("s1")
    cluster.task("bad")
    cluster.settle()
    cluster.delete(s1)
    breaks(monkeypatch, service, "decide", examined)
    cluster.settle()
    ready = next(one for one in s1["status"]["conditions"] if one["type"] == "Ready")
    assert ready["reason"] == "Draining" and "default/bad: its planning fails" in ready["message"]


@pytest.mark.parametrize(("told", "read"), [("1-x", {0, 1}), ("0,²,-3,5-1,9-", {0, 1}), ("1-99999999999999", {0, 1})])
def test_a_status_that_can_not_be_read_ends_nothing(told: str, read: set[int]) -> None:
    cluster = Cluster()
    cluster.server("s1")
    bad = cluster.task("bad", type="Batch", completions=2, parallelism=2)
    bad["status"] = {"completedSlots": told, "startedAt": "2026-01-01T00:00:00Z"}
    cluster.task("good")
    cluster.settle()
    assert {int(a.spec.slot) for a in cluster.assignments() if a.task == "bad"} | {
        int(slot) for slot in bad["status"]["completedSlots"].split(",") if slot
    } == read
    assert [a.task for a in cluster.assignments()].count("good") == 1
