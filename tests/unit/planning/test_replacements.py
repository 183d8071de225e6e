"""A service's decisions: fixed counts, how many instances are replaced at once, what preemption does to a slot."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from starlink.api.assignment import Assignment
from starlink.api.names import server_hash
from starlink.api.revision import revision
from starlink.api.server import Server
from starlink.api.task import Task
from starlink.api.timestamp import format_time
from starlink.planning import batch, service
from starlink.planning.decision import Decision, Want
from starlink.planning.health import Health
from starlink.planning.observed import observe
from starlink.planning.placement import PlacementResult
from starlink.planning.plan import Create, Delete
from starlink.planning.task import complete, examine
from starlink.planning.world import World

NOW = 1_750_000_000.0
SERVERS = frozenset({"s1", "s2", "s3"})
HEALTHY = Health({}, SERVERS, frozenset(), frozenset())
Obj = dict[str, Any]


def task(**spec: Any) -> Task:
    spec = {"template": {"command": ["run"]}, **spec}
    return msgspec.convert({"metadata": {"name": "web", "namespace": "default", "uid": "t"}, "spec": spec}, Task)


NOW_REVISION = revision(task().spec.template)


def attempt(slot: str, server: str = "s1", number: int = 1, outdated: bool = False, **changed: Any) -> Assignment:
    of_template = "outdated" if outdated else NOW_REVISION
    meta = {
        "name": f"web-{of_template}-{slot}-{number}", "namespace": "default", "uid": f"{slot}-{number}",
        "creationTimestamp": format_time(NOW), "labels": {"starlink.dev/task": "web", "starlink.dev/revision": of_template},
        "ownerReferences": [{"apiVersion": "v1", "kind": "Task", "name": "web", "uid": "t", "controller": True}],
    }  # fmt: skip
    spec = {
        "server": server,
        "slot": slot,
        "attempt": number,
        "template": {"command": ["run"]},
        **changed.pop("spec", {}),
    }
    status = {"phase": "Running", "ready": True, **changed}
    return msgspec.convert({"metadata": meta, "spec": spec, "status": status}, Assignment)


PREEMPTED = {"desired": "Stopped", "reason": "Preempted"}


def decide(of: Task, *assignments: Assignment, health: Health = HEALTHY, leaving: str = "") -> Decision:
    def must_move(assignment: Assignment) -> str:
        return "ServerDraining" if assignment.spec.server == leaving else ""

    return service.decide(observe(of, assignments, health), NOW_REVISION, health, must_move, NOW)


def removed(decision: Decision) -> list[str]:
    return [one.assignment.spec.slot for one in decision.remove]


def fixed(*counts: tuple[str, int]) -> list[Obj]:
    return [{"name": name, "replicas": count} for name, count in counts]


ON_S1, ON_S2 = server_hash("s1"), server_hash("s2")


def test_fixed_counts_want_their_slots_on_their_servers() -> None:
    decision = decide(task(servers=fixed(("s2", 1), ("s1", 2))), attempt(f"{ON_S1}-0"))
    assert set(decision.wants) == {Want(f"{ON_S1}-1", 1, "s1"), Want(f"{ON_S2}-0", 1, "s2")}
    assert not decision.remove and not decision.more


def test_fewer_on_a_server_stops_its_highest_slots_and_no_others() -> None:
    running = [attempt(f"{ON_S1}-{n}") for n in range(12)] + [attempt(f"{ON_S2}-0", "s2")]
    assert removed(decide(task(servers=fixed(("s1", 10), ("s2", 1))), *running)) == [f"{ON_S1}-11", f"{ON_S1}-10"]
    assert removed(decide(task(servers=fixed(("s1", 12))), *running)) == [f"{ON_S2}-0"]
    assert removed(decide(task(servers=fixed(("s1", 12), ("s2", 0))), *running)) == [f"{ON_S2}-0"]


def test_a_suspended_service_of_fixed_counts_has_no_slot() -> None:
    decision = decide(task(servers=fixed(("s1", 1)), suspend=True), attempt(f"{ON_S1}-0"))
    assert [one.reason for one in decision.remove] == ["Suspended"] and not decision.wants


def test_fixed_counts_and_replicas_follow_each_other() -> None:
    to_fixed = decide(task(servers=fixed(("s1", 1))), attempt("0"), attempt("1"))
    assert removed(to_fixed) == ["1", "0"] and to_fixed.wants == (Want(f"{ON_S1}-0", 1, "s1"),)
    to_counted = decide(task(replicas=2), attempt(f"{ON_S1}-0"))
    assert not to_counted.remove and to_counted.wants == (Want("0", 1),)


def test_slots_of_silent_servers_do_not_keep_others_waiting() -> None:
    health = Health({"s1": 60.0}, SERVERS, frozenset(), frozenset())
    decision = decide(task(servers=fixed(("s1", 10**9), ("away", 10**9), ("s2", 3))), health=health)
    assert len(decision.wants) == service.MAX_WANTS and decision.more
    assert {f"{ON_S2}-{n}" for n in range(3)} <= {want.slot for want in decision.wants}


def test_as_many_are_replaced_at_once_as_may_be_missing() -> None:
    outdated = [attempt(str(n), outdated=True) for n in range(12)]
    assert removed(decide(task(replicas=12), *outdated)) == ["11"]
    assert removed(decide(task(replicas=12, update={"maxUnavailable": 0}), *outdated)) == ["11"]
    assert removed(decide(task(replicas=12, update={"maxUnavailable": "25%"}), *outdated)) == ["11", "10", "9"]


def test_what_is_missing_already_counts() -> None:
    several = task(replicas=4, update={"maxUnavailable": 2})
    outdated = [attempt(str(n), outdated=True) for n in range(3)]
    assert removed(decide(several, *outdated, attempt("3", ready=False))) == ["2"]
    assert removed(decide(several, *outdated, attempt("3", spec={"desired": "Stopped"}))) == ["2"]
    assert removed(decide(several, *outdated)) == ["2"]  # slot 3 is wanted
    assert removed(decide(several, *outdated, attempt("3", spec=PREEMPTED))) == ["2"]
    assert removed(decide(several, *outdated[:2])) == []


def test_unready_ones_go_first_and_a_leaving_server_before_a_changed_template() -> None:
    two = task(replicas=4, update={"maxUnavailable": 2})
    running = [attempt(str(n), outdated=n < 3, ready=n != 0, server="s2" if n == 3 else "s1") for n in range(4)]
    assert removed(decide(two, *running)) == ["0", "2"]
    assert removed(decide(two, *running, leaving="s2")) == ["3", "0"]


states = st.lists(st.sampled_from(["ready", "unready", "stopping", "preempted", "missing"]), min_size=1, max_size=12)


@given(states, st.sets(st.integers(0, 11)), st.integers(1, 5))
def test_no_more_is_ever_missing_than_may_be(states: list[str], outdated: set[int], limit: int) -> None:
    spec = {"stopping": {"desired": "Stopped"}, "preempted": PREEMPTED}
    running = [
        attempt(str(n), outdated=n in outdated, ready=state == "ready", spec=spec.get(state, {}))
        for n, state in enumerate(states)
        if state != "missing"
    ]
    decision = decide(task(replicas=len(states), update={"maxUnavailable": limit}), *running)
    taken = [one.assignment for one in decision.remove if one.assignment.status.ready]
    current = sum(1 for n, state in enumerate(states) if state == "unready" and n not in outdated)
    missing = current + sum(1 for state in states if state in ("stopping", "preempted", "missing"))
    assert len(decision.remove) <= limit
    assert not taken or missing + len(taken) <= limit


@pytest.mark.parametrize("phase", ["Running", "Stopping"])
def test_a_preempted_slot_runs_once_and_waits_for_its_end(phase: str) -> None:
    decision = decide(task(), attempt("0", phase=phase, ready=False, spec=PREEMPTED))
    assert not decision.wants and not decision.remove


def test_a_preempted_slot_is_wanted_again_as_soon_as_it_has_stopped() -> None:
    for phase in ("Stopped", "Exited", "Failed"):
        decision = decide(task(), attempt("0", phase=phase, ready=False, exitCode=143, spec=PREEMPTED))
        assert decision.wants == (Want("0", 2),)
        assert not decision.remove and not decision.failures and decision.recheck_after is None


@pytest.mark.parametrize("phase", ["Stopped", "Exited", "Failed"])
def test_a_batch_spends_no_retry_on_a_preempted_attempt(phase: str) -> None:
    once = task(type="Batch", retries=0)
    preempted = attempt("0", phase=phase, ready=False, exitCode=143, spec=PREEMPTED)
    decision = batch.decide(observe(once, [preempted], HEALTHY), HEALTHY, NOW)
    assert decision.wants == (Want("0", 2),)
    assert decision.verdict is None and not decision.failures and decision.recheck_after is None


def test_a_preempted_attempt_that_ended_well_is_a_completion() -> None:
    done = attempt("0", phase="Exited", ready=False, exitCode=0, spec=PREEMPTED)
    decision = batch.decide(observe(task(type="Batch"), [done], HEALTHY), HEALTHY, NOW)
    assert decision.verdict is not None and decision.verdict.phase == "Complete"


def world(of: Task, *assignments: Assignment) -> World:
    servers = {name: msgspec.convert({"metadata": {"name": name}}, Server) for name in SERVERS}
    return World({of.key: of}, {of.key: assignments}, {}, servers, {}, NOW)


def test_a_plan_creates_what_found_a_server_and_says_what_it_waits_for() -> None:
    of = task(servers=fixed(("s1", 1), ("s2", 1), ("s3", 1)))
    seen = world(of)
    examined = examine(of, seen, HEALTHY, lambda _: "")
    found = ["" if want.server == "s1" else want.server for want in examined.decision.wants]
    waits = {found.index("s2"): ("u1", "u2")}
    plan = complete(examined, PlacementResult(found, wait_for=waits), seen, HEALTHY)
    created = {a.manifest["spec"]["server"]: a.manifest["spec"] for a in plan.actions if isinstance(a, Create)}
    assert set(created) == {"s2", "s3"}
    assert created["s2"]["waitFor"] == ["u1", "u2"] and "waitFor" not in created["s3"]


def test_a_preempted_attempt_goes_once_it_has_stopped_and_is_followed() -> None:
    of = task()
    stopping, follower = attempt("0", spec=PREEMPTED), attempt("0", "s2", 2)
    seen = world(of, stopping, follower)
    assert not examine(of, seen, HEALTHY, lambda _: "").decision.wants
    stopped = attempt("0", phase="Stopped", ready=False, spec=PREEMPTED)
    seen = world(of, stopped, follower)
    plan = complete(examine(of, seen, HEALTHY, lambda _: ""), PlacementResult(), seen, HEALTHY)
    assert [a.uid for a in plan.actions if isinstance(a, Delete)] == [stopped.uid]


def reasons(decision: Decision) -> list[tuple[str, str]]:
    return [(one.assignment.spec.slot, one.reason) for one in decision.remove]


def test_what_has_to_leave_goes_as_many_at_once_as_may_be_missing() -> None:
    running = [attempt(str(n)) for n in range(4)]
    for most, gone in ((0, ["3"]), (1, ["3"]), ("50%", ["3", "2"]), ("100%", ["3", "2", "1", "0"])):
        assert removed(decide(task(replicas=4, update={"maxUnavailable": most}), *running, leaving="s1")) == gone


@pytest.mark.parametrize("most", [0, 1])
def test_what_has_no_place_counts_before_a_ready_one_has_to_leave_and_the_way_out_is_told(most: int) -> None:
    running = [attempt(str(n)) for n in range(3)]
    decision = decide(task(replicas=4, update={"maxUnavailable": most}), *running, leaving="s1")
    assert not decision.remove and [want.slot for want in decision.wants] == ["3"]
    assert decision.updating == (
        "3 of 4 instances are to be replaced, and wait: 1 of 4 instances is missing and update.maxUnavailable is "
        f"{most}: make room for what is missing, raise update.maxUnavailable to 2, or lower replicas to 3"
    )
    for way in ({"replicas": 4, "update": {"maxUnavailable": 2}}, {"replicas": 3}):
        assert len(decide(task(**way), *running, leaving="s1").remove) == 1


def test_what_starts_or_stops_counts_before_a_ready_one_has_to_leave() -> None:
    running = [attempt(str(n)) for n in range(3)]
    for other in (attempt("3", "s2", ready=False), attempt("3", "s2", spec={"desired": "Stopped"})):
        decision = decide(task(replicas=4), *running, other, leaving="s1")
        assert not decision.remove and "1 of 4 instances is missing" in decision.updating
        assert "raise" not in decision.updating


def test_what_is_ready_and_not_yet_available_is_told_by_its_name() -> None:
    def told(of: Task, *its: Assignment) -> str:
        return service.decide(observe(of, its, HEALTHY, {"1-1": 1}), NOW_REVISION, HEALTHY, lambda _: "", NOW).updating

    young, update = attempt("1"), {"minReadyTime": "30s"}
    since = f"({young.name} ready for less than 30s) and update.maxUnavailable is 1"
    one = told(task(replicas=2, update=update), attempt("0", outdated=True), young)
    assert one == f"1 of 2 instances is to be replaced, and waits: 1 of 2 instances is not available yet {since}"
    old = [attempt(slot, outdated=True) for slot in "02"]
    two = told(task(replicas=4, update=update), *old, young, attempt("3", ready=False))
    assert two == f"2 of 4 instances are to be replaced, and wait: 2 of 4 instances are missing {since}"


def test_what_is_not_ready_and_has_to_leave_costs_nothing() -> None:
    running = [attempt("0"), attempt("1", ready=False), attempt("2", ready=False), attempt("3", "s2", ready=False)]
    assert removed(decide(task(replicas=5), *running, leaving="s1")) == ["2", "1"]


def test_what_is_on_a_silent_server_may_be_well_there_and_does_not_go_at_once() -> None:
    silent = Health({"s1": 60.0}, SERVERS, frozenset(), frozenset({"s1"}))
    running = [attempt(str(n)) for n in range(4)]
    assert removed(decide(task(replicas=4), *running, health=silent, leaving="s1")) == ["3"]
    assert removed(decide(task(replicas=5), attempt("4", "s2"), *running, health=silent, leaving="s2")) == []


def test_fixed_counts_of_a_server_that_leaves_wait_for_nothing_that_can_not_come() -> None:
    of = task(servers=fixed(("s1", 2), ("s2", 1)))
    running = [attempt(f"{ON_S1}-0"), attempt(f"{ON_S2}-0", "s2")]
    assert reasons(decide(of, *running, leaving="s1")) == [(f"{ON_S1}-0", "ServerDraining")]
    stopping = attempt(f"{ON_S1}-1", spec={"desired": "Stopped"})
    assert reasons(decide(of, *running, stopping, leaving="s1")) == []


def test_percents_and_fixed_counts_are_not_told_to_lower_their_replicas() -> None:
    running = [attempt(str(n)) for n in range(3)]
    decision = decide(task(replicas=4, update={"maxUnavailable": "25%"}), *running, leaving="s1")
    assert decision.updating.endswith("raise update.maxUnavailable to 2")


@given(states, st.sets(st.integers(0, 11)), st.sets(st.integers(0, 11)), st.integers(0, 5))
def test_no_ready_one_leaves_where_as_many_are_missing_as_may_be(
    states: list[str], outdated: set[int], leaving: set[int], limit: int
) -> None:
    spec = {"stopping": {"desired": "Stopped"}, "preempted": PREEMPTED}
    running = [
        attempt(
            str(n), "s2" if n in leaving else "s1", 1, n in outdated, ready=state == "ready", spec=spec.get(state, {})
        )
        for n, state in enumerate(states)
        if state != "missing"
    ]
    of = task(replicas=len(states), update={"maxUnavailable": limit})
    decision = decide(of, *running, leaving="s2")
    taken = sum(1 for one in decision.remove if one.assignment.status.ready)
    missing = sum(1 for state in states if state != "ready")
    assert not taken or missing + taken <= max(limit, 1)
    unready = {str(n) for n, state in enumerate(states) if state == "unready" and n in leaving}
    assert unready <= set(removed(decision))
    due = [a for a in running if not a.stopping and (a.revision != NOW_REVISION or a.spec.server == "s2")]
    assert bool(decision.updating) == bool(due)
