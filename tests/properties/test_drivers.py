"""Drivers, whatever happens: no port of a server is had twice, and what their tasks say reaches all that live."""

from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.profiles import examples
from tests.unit.engine.drivers import cluster_of, driver
from tests.world import Cluster

from starlink.api.assignment import Assignment
from starlink.planning.plan import Action

TASKS, PORTS = ("pinned", "counted", "batch"), (80, 81, 82)
PORT_SETS = st.lists(st.sampled_from(PORTS), unique=True, max_size=2)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("ports"), st.sampled_from(TASKS), PORT_SETS),
        st.tuples(st.just("spec"), st.sampled_from(TASKS), st.integers(0, 3)),
        st.tuples(st.just("operation"), st.sampled_from(TASKS[:2]), st.sampled_from(["serve", "drain"])),
        st.tuples(st.just("suspend"), st.sampled_from(TASKS), st.booleans()),
        st.tuples(st.just("web"), st.sampled_from(PORTS), st.integers(0, 2)),
        st.tuples(st.just("silent"), st.sampled_from(["s0", "s1"]), st.integers(0, 40)),
        st.tuples(st.just("agents"), st.none(), st.none()),
        st.tuples(st.just("round"), st.none(), st.none()),
    ),
    max_size=25,
)


def site() -> Cluster:
    made = cluster_of("s0", "s1")
    made.task("pinned", template=driver({"v": 0}), servers=[{"name": "s0"}, {"name": "s1"}], hostPorts=[80])
    made.task("counted", template=driver({"v": 0}), replicas=1, hostPorts=[81])
    made.task("batch", type="Batch", template=driver({"v": 0}), completions=2, parallelism=2)
    web = {"command": ["run"], "ports": [{"name": "http", "port": 82}]}
    made.task("web", template=web, replicas=1)
    return made


def do(made: Cluster, step: tuple[str, Any, Any]) -> None:
    what, which, value = step
    task = made.objects.get(("Task", "default", "web" if what == "web" else str(which)), {})
    match what:
        case "ports":
            task["spec"]["hostPorts"] = value
            made.change(task)
        case "spec":
            made.change(task, template={"driver": {"spec": {"v": value}}})
        case "operation":
            made.change(task, template={"driver": {"operation": value}})
        case "suspend":
            made.change(task, suspend=value)
        case "web":
            made.change(task, replicas=value, template={"ports": [{"name": "http", "port": which}]})
        case "silent":
            made.silence[which] = float(value)
        case "agents":
            made.agents()
        case "round":
            made.round()


def ports_of(a: Assignment) -> tuple[int, ...]:
    return (*a.spec.host_ports, *(port.port for port in a.spec.template.ports if port.port))


def check(made: Cluster) -> None:
    had = Counter((a.spec.server, port) for a in made.assignments() if not a.finished for port in ports_of(a))
    assert all(count == 1 for count in had.values()), f"a port is had twice: {had}"


def settled(made: Cluster) -> None:
    """Everybody is heard again, and all backoffs are over."""
    for name in made.silence:
        made.silence[name] = 0.0
    for _ in range(6):
        made.now += 400
        made.settle()


def check_told(made: Cluster) -> None:
    """What lives is as its task says, or its task says what it waits for: a port, or room for the next to be replaced."""
    tasks = {task.name: task for task in made.world().tasks.values()}
    for a in made.assignments():
        task = tasks[a.task]
        if a.finished or a.stopping or task.spec.template.driver is None:
            continue
        told = {one.type: one for one in task.status.conditions}
        if a.spec.template.driver != task.spec.template.driver:
            assert told["Scheduled"].status == "False", "it is replaced as soon as the next has a place"
            continue
        ready = told["Ready"].message
        assert set(a.spec.host_ports) == set(task.spec.host_ports) or "waits for port" in ready


@examples(150)
@given(STEPS)
def test_they_come_to_be_as_their_tasks_say(steps: list[tuple[str, Any, Any]]) -> None:
    made = site()
    for step in steps:
        do(made, step)
        made.round()
        check(made)
    settled(made)
    check(made)
    check_told(made)
    assert made.round() == []


@examples(100)
@given(STEPS, st.randoms(use_true_random=False))
def test_failing_writes_do_no_harm(steps: list[tuple[str, Any, Any]], rng: Any) -> None:
    made = site()

    def fails(_: Action) -> bool:
        return bool(rng.random() < 0.3)

    for step in steps:
        do(made, step)
        made.round(fails)
        check(made)
    settled(made)
    check_told(made)


@examples(100)
@given(st.lists(st.tuples(st.sampled_from(TASKS[:2]), st.integers(0, 3), PORT_SETS), max_size=8))
def test_no_attempt_is_used(changes: list[tuple[str, int, list[int]]]) -> None:
    made = site()
    made.settle()
    before = {a.uid for a in made.assignments()}
    for name, version, ports in changes:
        task = made.objects["Task", "default", name]
        task["spec"]["hostPorts"] = ports
        made.change(task, template={"driver": {"spec": {"v": version}}})
        made.settle()
    assert {a.uid for a in made.assignments()} == before
