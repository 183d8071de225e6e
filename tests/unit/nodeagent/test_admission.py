"""Who waits for whom, and what an agent refuses to start: nothing that would overcommit its server."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from starlink.api.assignment import Assignment, AssignmentSpec, AssignmentStatus
from starlink.api.checks import INVALID_SPEC
from starlink.api.meta import Metadata, ObjectKey
from starlink.api.template import Port, Resources, Template
from starlink.api.template_faults import fault
from starlink_nodeagent.decisions.admission import OVERCOMMIT, Claim, claim, judge
from starlink_nodeagent.decisions.plan import Declared, Held, Plan, Wait, diff

GI = 1024**3
ROOM = {"cpu": 2000, "memory": 4 * GI, "ephemeral-storage": 10 * GI, "example.com/dongle": 2}


def assignment(
    uid: str,
    requests: dict[str, str] | None = None,
    *,
    port: int = 0,
    age: int = 0,
    wait_for: Sequence[str] = (),
    desired: str = "Running",
    phase: str = "Pending",
) -> Assignment:
    ports = (Port(name="http", port=port),) if port else ()
    template = Template(resources=Resources(requests=dict(requests or {})), ports=ports)
    spec = AssignmentSpec(
        server="s", slot="0", attempt=1, template=template, wait_for=tuple(wait_for), desired=desired
    )  # fmt: skip
    meta = Metadata(
        name=uid, namespace="ns", uid=uid, resource_version="5", creation_timestamp=f"2025-01-01T00:00:{age:02}Z"
    )
    return Assignment(metadata=meta, spec=spec, status=AssignmentStatus(phase=phase))


def claim_of(one: Assignment, *picked: int) -> Claim:
    return claim(one.uid, str(one.key), one.spec.template, picked)


def refused(fresh: list[Assignment], held: list[Assignment], waits: Sequence[Wait] = ()) -> dict[str, str]:
    verdicts = judge(fresh, waits, [claim_of(one) for one in held], ROOM, fault)
    assert sorted(v.assignment.uid for v in verdicts) == sorted(one.uid for one in fresh)
    return {v.assignment.uid: v.refusal.reason for v in verdicts if v.refusal is not None}


# Waiting


def planned(*said: Assignment, held: Sequence[Held] = ()) -> Plan:
    return diff(Declared("c", 9, {one.uid: one for one in said}), held)


def held(uid: str, *, finished: bool = False, cluster: str = "c") -> Held:
    return Held(uid, ObjectKey("ns", uid), cluster, 5, finished)


@pytest.mark.parametrize("blocker", [held("a"), held("a", cluster="another")])
def test_one_waits_for_what_the_agent_still_holds(blocker: Held) -> None:
    plan = planned(assignment("b", wait_for=["a"]), held=[blocker])
    assert (plan.start, [wait.blockers for wait in plan.wait]) == ((), [{"a": ObjectKey("ns", "a")}])
    assert plan.wait[0].message == "it starts once ns/a has stopped on this server"


def test_it_waits_while_the_other_is_stopping_or_has_only_been_declared() -> None:
    said = (assignment("a", desired="Stopped"), assignment("b", wait_for=["a"]))
    assert [wait.assignment.uid for wait in planned(*said, held=[held("a")]).wait] == ["b"]
    assert [wait.assignment.uid for wait in planned(*said).wait] == ["b"]
    assert [one.uid for one in planned(*said).disown] == ["a"]


def test_it_starts_when_the_other_is_over_or_unknown() -> None:
    waiting = assignment("b", wait_for=["a"])
    for plan in (
        planned(waiting),
        planned(waiting, held=[held("a", finished=True)]),
        planned(waiting, assignment("a", desired="Stopped", phase="Stopped")),
        # The agent has heard the end before the API has.
        planned(waiting, assignment("a", desired="Stopped", phase="Stopping"), held=[held("a", finished=True)]),
    ):
        assert ([one.uid for one in plan.start], plan.wait) == (["b"], ())


def test_one_that_waits_and_is_withdrawn_is_disowned() -> None:
    plan = planned(assignment("b", wait_for=["a"], desired="Stopped"), held=[held("a")])
    assert ([one.uid for one in plan.disown], plan.wait, plan.start) == (["b"], (), ())


# Refusing


@pytest.mark.parametrize(("asked", "had", "refusal"), [
    ({"memory": "2Gi"}, {"memory": "2Gi"}, ""),
    ({"memory": "2Gi"}, {"memory": "2049Mi"}, "OutOfResources"),
    ({"ephemeral-storage": "8Gi"}, {"ephemeral-storage": "3Gi"}, "OutOfResources"),
    ({"example.com/dongle": "1"}, {"example.com/dongle": "1"}, ""),
    ({"example.com/dongle": "1"}, {"example.com/dongle": "2"}, "OutOfResources"),
    ({"nvidia.com/gpu": "1"}, {}, "OutOfResources"),
    ({"cpu": "1"}, {"cpu": "19"}, ""),
    ({"cpu": "1"}, {"cpu": "19001m"}, "OutOfResources"),
    ({}, {"memory": "4Gi"}, ""),
])  # fmt: skip
def test_what_does_not_fit_beside_the_unfinished_is_refused(
    asked: dict[str, str], had: dict[str, str], refusal: str
) -> None:
    assert refused([assignment("new", asked)], [assignment("old", had)]).get("new", "") == refusal


def test_a_refusal_names_resource_asked_and_free() -> None:
    (verdict,) = judge(
        [assignment("new", {"memory": "3Gi"})], (), [claim_of(assignment("old", {"memory": "2Gi"}))], ROOM, fault
    )
    assert verdict.refusal is not None
    assert "memory 3Gi" in verdict.refusal.message and "2Gi of 4Gi is free" in verdict.refusal.message
    (verdict,) = judge([assignment("new", {"cpu": "21"})], (), (), ROOM, fault)
    assert verdict.refusal is not None
    assert "cpu 21, and 20 of 20 (10 times what is allocatable) is free" in verdict.refusal.message


def test_a_port_that_another_has_is_refused_fixed_or_picked() -> None:
    assert refused([assignment("new", port=8080)], [assignment("old", port=8080)]) == {"new": "PortTaken"}
    (verdict,) = judge([assignment("new", port=20_001)], (), [claim_of(assignment("old"), 20_001)], ROOM, fault)
    assert verdict.refusal is not None and verdict.refusal.reason == "PortTaken"
    assert "port 20001" in verdict.refusal.message and "ns/old" in verdict.refusal.message
    assert refused([assignment("new", port=8081)], [assignment("old", port=8080)]) == {}


def test_older_ones_go_before_and_then_the_name_decides() -> None:
    young, old = assignment("a", {"memory": "3Gi"}, age=9), assignment("z", {"memory": "3Gi"}, age=1)
    assert refused([young, old], []) == {"a": "OutOfResources"}
    first, second = assignment("a", {"memory": "3Gi"}), assignment("b", {"memory": "3Gi"})
    assert refused([second, first], []) == {"b": "OutOfResources"}
    ports = [assignment("b", port=80), assignment("a", port=80)]
    assert refused(ports, []) == {"b": "PortTaken"}


def test_one_that_waits_keeps_the_place_of_those_it_waits_for() -> None:
    victim = assignment("victim", {"memory": "3Gi"})
    waits = [Wait(assignment("waiter", {"memory": "4Gi"}, age=1), {"victim": ObjectKey("ns", "victim")})]
    assert refused([assignment("younger", {"memory": "1Gi"}, age=2)], [victim], waits) == {"younger": "OutOfResources"}
    assert refused([assignment("older", {"memory": "1Gi"}, age=0)], [victim], waits) == {}


requests = st.fixed_dictionaries({}, optional={
    "cpu": st.integers(0, 30).map(str),
    "memory": st.integers(0, 5).map(lambda n: f"{n}Gi"),
    "example.com/dongle": st.integers(0, 3).map(str),
})  # fmt: skip
many = st.lists(st.tuples(requests, st.sampled_from([0, 0, 80, 81]), st.integers(0, 3)), max_size=8)


@given(many, many, st.randoms())
def test_what_is_started_never_overcommits_and_input_order_is_irrelevant(
    old: list[tuple[dict[str, str], int, int]], new: list[tuple[dict[str, str], int, int]], random: object
) -> None:
    fresh = [assignment(f"new{n}", asked, port=port, age=age) for n, (asked, port, age) in enumerate(new)]
    running = [assignment(f"old{n}", asked, port=port, age=age) for n, (asked, port, age) in enumerate(old)]
    refusals = refused(fresh, running)
    started = [one for one in fresh if one.uid not in refusals]
    had, has = ([claim_of(one) for one in some] for some in (running, [*running, *started]))
    for name, room in ROOM.items():
        limit = room * OVERCOMMIT.get(name, 1)
        before, after = (sum(one.amounts.get(name, 0) for one in claims) for claims in (had, has))
        assert after <= limit or after == before
    for port in (80, 81):
        assert sum(port in claim_of(one).ports for one in started) <= (
            0 if any(port in one.ports for one in had) else 1
        )
    shuffled = fresh[:]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert refused(shuffled, running) == refusals


def test_one_that_cannot_be_used_is_refused_and_the_others_are_not() -> None:
    bad, good = assignment("bad", {"cpu": "lots"}), assignment("good", {"cpu": "1"})
    verdicts = {v.assignment.uid: v.refusal for v in judge([bad, good], [], [], {"cpu": 2000}, fault)}
    refusal = verdicts["bad"]
    assert verdicts["good"] is None and refusal is not None and refusal.reason == INVALID_SPEC
    assert "template.resources.requests.cpu: 'lots'" in refusal.message
