"""What the agent decides, without a process: plans, restarts, environments, reports."""

from pathlib import Path

import pytest

from starlink.api.assignment import Assignment, AssignmentSpec
from starlink.api.meta import Metadata, ObjectKey
from starlink.api.template import Backoff, EnvVar, Port, Restart, Template
from starlink_nodeagent.decisions.plan import Declared, Held, diff
from starlink_nodeagent.instances import ports
from starlink_nodeagent.instances.restarts import Again, Over, after
from starlink_nodeagent.journal.record import Record
from starlink_nodeagent.reporting.report import keep_transitions, same, status_of
from starlink_nodeagent.runtimes.contract import Exit, RunContext
from starlink_nodeagent.runtimes.supervision.environment import environment
from starlink_nodeagent.users.user import TaskUser


def assignment(uid: str, *, desired: str = "Running", deleting: bool = False) -> Assignment:
    meta = Metadata(
        name=uid, namespace="ns", uid=uid, resource_version="5", deletion_timestamp="t" if deleting else None
    )
    spec = AssignmentSpec(server="s", slot="0", attempt=1, template=Template(), desired=desired)
    return Assignment(metadata=meta, spec=spec)


def held(uid: str, cluster: str = "c", version: int = 5) -> Held:
    return Held(uid, ObjectKey("ns", uid), cluster, version)


def declared(*assignments: Assignment, cluster: str = "c", version: int = 9) -> Declared:
    return Declared(cluster, version, {a.uid: a for a in assignments})


def test_new_ones_are_started_and_withdrawn_ones_stopped() -> None:
    plan = diff(
        declared(assignment("new"), assignment("old", desired="Stopped"), assignment("gone", deleting=True)),
        [held("old"), held("gone")],
    )
    assert ([a.uid for a in plan.start], plan.stop, plan.forget, plan.orphans) == (["new"], ("gone", "old"), (), ())


def test_what_is_absent_from_the_same_cluster_goes() -> None:
    assert diff(declared(), [held("a")]).forget == ("a",)


@pytest.mark.parametrize("other", [{"cluster": "another"}, {"version": 4}])
def test_nothing_is_stopped_on_the_word_of_another_cluster_or_of_the_past(other: dict[str, object]) -> None:
    for said in (declared(**other), declared(assignment("b", desired="Stopped"), **other)):  # type: ignore[arg-type]
        plan = diff(said, [held("a")])
        assert (plan.stop, plan.forget, plan.recognize, plan.orphans) == ((), (), (), ("ns/a",))
    plan = diff(declared(assignment("a", desired="Stopped"), version=4), [held("a")])
    assert (plan.stop, plan.forget, plan.recognize, plan.orphans) == ((), (), (), ("ns/a",))


@pytest.mark.parametrize("said", [assignment("a"), assignment("a", desired="Stopped"), assignment("a", deleting=True)])
def test_what_a_restored_cluster_declares_is_recognized_and_then_goes_on_as_before(said: Assignment) -> None:
    restored = declared(said, cluster="restored", version=1_000_000_000)
    plan = diff(restored, [held("a"), held("later")])
    assert (plan.recognize, plan.orphans) == (("a",), ("ns/later",))
    assert (plan.start, plan.stop, plan.forget, plan.disown) == ((), (), (), ())
    again = diff(restored, [held("a", "restored", 1_000_000_000), held("later")])
    assert (again.recognize, again.orphans) == ((), ("ns/later",))
    assert again.stop == (() if said == assignment("a") else ("a",))
    gone = diff(declared(cluster="restored", version=1_000_000_001), [held("a", "restored", 1_000_000_000)])
    assert gone.forget == ("a",)


def test_one_that_never_ran_here_is_disowned() -> None:
    assert [a.uid for a in diff(declared(assignment("a", desired="Stopped")), []).disown] == ["a"]


@pytest.mark.parametrize(("policy", "code", "again"), [
    ("Always", 0, True), ("Always", 1, True), ("OnFailure", 0, False), ("OnFailure", 1, True), ("Never", 1, False),
])  # fmt: skip
def test_restart_policies(policy: str, code: int, again: bool) -> None:
    verdict = after(Exit(code), Restart(policy=policy), 0, 0, 1.0)
    assert isinstance(verdict, Again) is again
    if isinstance(verdict, Over):
        assert verdict.phase == "Exited"


def test_backoff_grows_to_its_bound_and_starts_again_after_a_good_run() -> None:
    restart = Restart(policy="Always", backoff=Backoff(initial="500ms", factor=2, max="3s"))
    delays = [after(Exit(1), restart, n, n, 0.1).delay for n in range(5)]  # type: ignore[union-attr]
    assert delays == [0.5, 1.0, 2.0, 3.0, 3.0]
    assert after(Exit(1), restart, 9, 9, 4.0).delay == 0.5  # type: ignore[union-attr]


def test_the_limit_ends_it() -> None:
    verdict = after(Exit(None, "SIGKILL"), Restart(policy="Always", limit=2), 2, 2, 0.1)
    assert isinstance(verdict, Over) and (verdict.phase, verdict.reason) == ("Failed", "RestartLimitExceeded")
    assert "SIGKILL" in verdict.message


def test_the_environment_is_the_templates_and_no_other() -> None:
    template = Template(env=(EnvVar(name="A", value="b"),), ports=(Port(name="http"), Port(name="my-admin")))
    run = RunContext("u", Path("/i"), TaskUser("7", 7, 7), template, 1, task="t", ports={"http": 1, "my-admin": 2})
    env = environment(run, "/bin")
    assert env == {
        "PATH": "/bin", "HOME": "/i/work", "LANG": "C.UTF-8", "A": "b", "PORT": "1", "PORT_HTTP": "1", "PORT_MY_ADMIN": "2",
        "STARLINK_TASK": "t", "STARLINK_NAMESPACE": "", "STARLINK_ASSIGNMENT": "", "STARLINK_SLOT": "", "STARLINK_SERVER": "", "STARLINK_RUN": "u/1", "USER": "7", "LOGNAME": "7",
    }  # fmt: skip
    assert next(iter(env)) == "STARLINK_RUN", "first, for no more than the head of an environment is read"


def test_ports_are_picked_once_each() -> None:
    picked = ports.assign([Port(name="a"), Port(name="b"), Port(name="c", port=7)], "12345678", [])
    assert picked["c"] == 7 and picked["a"] != picked["b"]
    assert min(picked["a"], picked["b"]) >= ports.FIRST and max(picked["a"], picked["b"]) <= ports.LAST
    again = ports.assign([Port(name="a")], "12345678", [picked["a"]])
    assert again["a"] != picked["a"]


def record(uid: str = "u") -> Record:
    return Record(
        uid=uid,
        namespace="ns",
        name="n",
        task="t",
        slot="0",
        cluster="c",
        resource_version=1,
        generation=1,
        template=Template(),
    )


def test_a_report_says_the_same_only_once() -> None:
    saved = record()
    saved.phase, saved.ready = "Running", True
    first = status_of(saved, "10.0.0.1", 100.0)
    later = status_of(saved, "10.0.0.1", 200.0)
    assert same(first, later) and keep_transitions(first, later) == first
    saved.ready = False
    changed = keep_transitions(first, status_of(saved, "10.0.0.1", 200.0))
    assert not same(first, changed)
    assert [c["lastTransitionTime"][-3:] for c in changed["conditions"]] == ["20Z", "20Z", "40Z"]
