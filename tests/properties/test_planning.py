"""Planning, whatever happens: it converges, never runs a slot twice, never overcommits, never uses a name again."""

from collections import Counter
from collections.abc import Collection
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.profiles import examples
from tests.world import Cluster

from starlink.api import quantity
from starlink.engine.rounds.fleet import plan_fleet
from starlink.engine.rounds.round import plan_round
from starlink.planning.attempt import is_stop
from starlink.planning.plan import Action
from starlink.planning.world import World

RELAXED = examples(60)

steps = st.lists(
    st.one_of(
        st.tuples(st.just("scale"), st.integers(0, 2), st.integers(0, 6)),
        st.tuples(st.just("template"), st.integers(0, 2), st.integers(0, 3)),
        st.tuples(st.just("suspend"), st.integers(0, 2), st.booleans()),
        st.tuples(st.just("delete"), st.integers(0, 2), st.none()),
        st.tuples(st.just("silent"), st.integers(0, 2), st.integers(0, 40)),
        st.tuples(st.just("fail"), st.integers(0, 5), st.none()),
        st.tuples(st.just("agents"), st.none(), st.none()),
        st.tuples(st.just("round"), st.none(), st.none()),
        st.tuples(st.just("wait"), st.integers(1, 400), st.none()),
    ),
    max_size=25,
)


def cluster(servers: int) -> Cluster:
    made = Cluster()
    for number in range(servers):
        made.server(f"s{number}", cpu="3", memory="4Gi")
    return made


def template(version: int) -> dict[str, Any]:
    resources = {"requests": {"cpu": "500m", "memory": "512Mi"}}
    return {"command": ["run"], "env": [{"name": "V", "value": str(version)}], "resources": resources}


def do(made: Cluster, step: tuple[str, Any, Any], number: int) -> None:
    what, which, value = step
    task = (
        made.objects.get(("Task", "default", f"t{which}"))
        if what in ("scale", "template", "suspend", "delete")
        else None
    )
    if what in ("scale", "template", "suspend") and task is None:
        task = made.task(f"t{which}", replicas=2, template=template(0))
    match what:
        case "scale":
            made.change(task or {}, replicas=value)
        case "template":
            made.change(task or {}, template=template(value))
        case "suspend":
            made.change(task or {}, suspend=value)
        case "delete":
            if task is not None:
                made.delete(task)
        case "silent":
            made.silence[f"s{which}"] = float(value)
        case "fail":
            running = [a for a in made.assignments() if not a.finished and made.silence[a.spec.server] < 5]
            if running:
                victim = running[which % len(running)]
                made.report_named(victim.name, phase="Failed", ready=False, reason="Broken", finishedAt=None)
        case "agents":
            made.agents()
        case "round":
            made.round()
        case "wait":
            made.now += which
    del number


def told_next(made: Cluster) -> set[str]:
    """The UIDs of those that the next round tells to stop, where a write of this one failed."""
    plans = plan_round(made.world()).plans
    return {action.uid for plan in plans for action in plan.actions if is_stop(action)}


def check(made: Cluster, going: Collection[str] = ()) -> None:
    """What holds at every step; `going` are about to be told to stop."""
    slots = Counter(
        (a.metadata.controller_uid, a.spec.slot)
        for a in made.assignments()
        if not a.finished
        and a.spec.reason != "ServerLost"
        and a.uid not in going
        and made.silence.get(a.spec.server, 1e9) < 15
    )
    assert all(count == 1 for count in slots.values()), f"a slot runs twice: {slots}"
    assert len(made.names) == len(set(made.names)), "a name was used twice"
    for server in made.world().servers.values():
        charged = [a for a in made.assignments() if a.spec.server == server.name and not a.finished]
        cpu = sum(quantity.millicores(a.spec.template.resources.requests.get("cpu", 0)) for a in charged)
        assert cpu <= quantity.millicores(server.status.allocatable["cpu"]), f"{server.name} is overcommitted"


def quiet(made: Cluster) -> None:
    """Everybody is heard again, and all backoffs are over."""
    for name in made.silence:
        made.silence[name] = 0.0
    for _ in range(12):
        made.now += 400
        made.settle()


@RELAXED
@given(steps)
def test_it_converges_to_what_is_declared(steps: list[tuple[str, Any, Any]]) -> None:
    made = cluster(3)
    for number, step in enumerate(steps):
        do(made, step, number)
        made.round()
        check(made)
    quiet(made)
    check(made)
    running = Counter(a.task for a in made.assignments() if not a.finished)
    wanted = {t.name: 0 if t.spec.suspend else t.replicas for t in made.world().tasks.values()}
    room = 18  # three servers of 3 cores at 500m each
    if sum(wanted.values()) <= room:
        assert running == Counter({name: count for name, count in wanted.items() if count})
    assert made.round() == []


@RELAXED
@given(steps, st.randoms(use_true_random=False))
def test_failing_writes_do_no_harm(steps: list[tuple[str, Any, Any]], rng: Any) -> None:
    made = cluster(3)

    def fails(_: Action) -> bool:
        return bool(rng.random() < 0.3)

    for number, step in enumerate(steps):
        do(made, step, number)
        made.round(fails)
        check(made, told_next(made))
    quiet(made)
    check(made)
    assert made.round() == []


@RELAXED
@given(steps, st.randoms(use_true_random=False))
def test_the_order_of_the_input_does_not_matter(steps: list[tuple[str, Any, Any]], rng: Any) -> None:
    made = cluster(3)
    for number, step in enumerate(steps):
        do(made, step, number)
    world = made.world()

    def shuffled(items: Any) -> dict[Any, Any]:
        pairs = list(items.items())
        rng.shuffle(pairs)
        return dict(pairs)

    groups = {key: tuple(sorted(group, key=lambda _: rng.random())) for key, group in world.assignments.items()}
    other = World(
        shuffled(world.tasks),
        shuffled(groups),
        shuffled(world.pools),
        shuffled(world.servers),
        world.silence,
        world.now,
    )
    assert plan_round(world) == plan_round(other)
    assert plan_fleet(world) == plan_fleet(other)


def test_others_are_left_alone() -> None:
    made = cluster(1)
    made.task("mine", replicas=1)
    stranger = made.add({
        "kind": "Assignment",
        "metadata": {"name": "theirs", "labels": {"starlink.dev/task": "mine"}, "ownerReferences": [
            {"apiVersion": "x/v1", "kind": "Other", "name": "o", "uid": "else", "controller": True}]},
        "spec": {"server": "s0", "slot": "0", "attempt": 1, "template": {"command": ["x"]}},
    })  # fmt: skip
    made.settle()
    mine = [a for a in made.assignments() if a.name != "theirs"]
    assert [a.spec.slot for a in mine] == ["0"]
    assert ("Assignment", "default", "theirs") not in made.objects or stranger["metadata"].get("deletionTimestamp")


def test_a_storm_replaces_nothing_and_a_person_may_release_it() -> None:
    made = cluster(4)
    made.task("web", replicas=4)
    made.settle()
    before = {a.name for a in made.assignments()}
    for name in ("s0", "s1", "s2"):
        made.silence[name] = 40.0
    made.settle()
    assert {a.name for a in made.assignments()} == before
    assert any(event.reason == "StormBrake" for event in made.events)
    made.objects["Server", "", "s0"]["metadata"]["annotations"] = {"starlink.dev/gone": "true"}
    made.settle()
    assert "s0" not in {a.spec.server for a in made.assignments()}
    assert len(made.assignments()) == 4


def test_huge_numbers_do_not_stall() -> None:
    made = cluster(3)
    made.task("many", replicas=10**9)
    made.round()
    assert len(made.assignments()) <= 1_000
