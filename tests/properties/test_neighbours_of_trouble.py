"""One object's trouble stays its own: whatever a spec or status holds, past any schema, the others' plans are the same."""

import copy
import itertools
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.crds import schema_of
from tests.world import Cluster, Obj

from starlink.api.assignment import Assignment
from starlink.api.reading import completed, read
from starlink.engine.rounds.fleet import plan_fleet
from starlink.engine.rounds.reservations import Reservations
from starlink.engine.rounds.round import plan_round
from starlink.planning.attempt import leaving
from starlink.planning.plan import Plan
from starlink.planning.world import World
from starlink_operator.interning import AssignmentDecoder

Path = tuple[str, ...]
PLURALS = {"Task": "tasks", "Assignment": "assignments", "Pool": "pools", "Server": "servers"}
BAD, GOOD = "bad", "good"


def fields(schema: Obj, path: Path) -> Iterator[tuple[Path, Obj]]:
    """Every field of a schema, with its own; an item of a list is `0`, a value of a map `key`."""
    yield path, schema
    for name, part in schema.get("properties", {}).items():
        yield from fields(part, (*path, name))
    if isinstance(schema.get("items"), dict):
        yield from fields(schema["items"], (*path, "0"))
    if isinstance(schema.get("additionalProperties"), dict):
        yield from fields(schema["additionalProperties"], (*path, "key"))


def of_kind(kind: str) -> list[tuple[Path, Obj]]:
    crd = schema_of(PLURALS[kind])
    parts = ((part, crd["properties"][part]) for part in ("spec", "status"))
    found = [one for part, schema in parts for one in fields(schema, (part,))]
    return [(path, schema) for path, schema in found if not joins_others(path)]


def joins_others(path: Path) -> bool:
    """What rightly has a say in where the others go: the pool of a task or a server, and an assignment's server."""
    return path in {("spec", "placement", "pool"), ("spec", "pool"), ("spec", "server"), ("status", "pool")}


FIELDS = {kind: of_kind(kind) for kind in PLURALS}
JUNK: st.SearchStrategy[Any] = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8), st.sampled_from(["1-x", "-1", "1e99", "soon", "9" * 400, "0-99999," * 50, "2026-13-01T00:00:00Z"]),
    st.lists(st.integers() | st.text(max_size=3), max_size=3),
    st.dictionaries(st.text(min_size=1, max_size=4), st.integers() | st.text(max_size=3), min_size=1, max_size=3),
)  # fmt: skip
NUMBERS = st.sampled_from([0, 1, 2, 7, 1025, 2**31 - 1, -1, -(2**31)])
TEXTS = st.sampled_from(["", "a", "0", "1-x", "25%", "10s", "1Gi", "2026-01-01T00:00:00Z", "0001-01-01T00:00:00+23:00"])


def alike(schema: Obj) -> st.SearchStrategy[Any]:
    """What the schema lets in, or nearly."""
    if "enum" in schema:
        return st.sampled_from([*schema["enum"], "Newer"])
    if schema.get("x-kubernetes-int-or-string"):
        return NUMBERS | TEXTS
    kinds = {"integer": NUMBERS, "number": NUMBERS, "boolean": st.booleans(), "string": TEXTS}
    return kinds.get(schema.get("type", ""), JUNK)


@st.composite
def troubles(draw: st.DrawFn) -> tuple[str, list[tuple[Path, Any]]]:
    """Some fields of an object of one kind, and what is written there."""
    kind = draw(st.sampled_from(sorted(PLURALS)))
    chosen = draw(st.lists(st.sampled_from(FIELDS[kind]), min_size=1, max_size=4))
    return kind, [(path, draw(alike(schema) | JUNK)) for path, schema in chosen]


def write(obj: Obj, path: Path, value: Any) -> None:
    """Writes a value at the path; what is no map or list on the way becomes one."""
    at: Any = obj
    for name, after in itertools.pairwise(path):
        place: Any = 0 if isinstance(at, list) else name
        below: Any = [{}] if after == "0" else {}
        if not isinstance(at[place] if place == 0 else at.get(place), type(below)) or not at[place]:
            at[place] = below
        at = at[place]
    at[0 if isinstance(at, list) else path[-1]] = value


def tree(path: Path) -> bool:
    """Whether a value there can be written: what lies in the items of items is left out."""
    return path.count("0") < 2


def site() -> Cluster:
    """Two halves that have nothing to do with each other, and each has something to do."""
    cluster = Cluster()
    template = {"command": ["run"], "resources": {"requests": {"cpu": "500m"}}}
    for half, arch in ((BAD, "arm64"), (GOOD, "amd64")):
        cluster.pool(half)
        cluster.server(half, arch=arch, pool=half)
        cluster.task(half, replicas=2, template=copy.deepcopy(template), placement={"pool": half})
    cluster.settle()
    cluster.task("good-batch", type="Batch", completions=3, template=template, placement={"pool": GOOD})
    cluster.change(cluster.objects["Task", "default", GOOD], replicas=4)
    return cluster


SITE = site()
ODD = {
    "Task": ("Task", "default", BAD),
    "Assignment": next(key for key in SITE.objects if key[0] == "Assignment" and key[2].startswith(BAD)),
    "Pool": ("Pool", "", BAD),
    "Server": ("Server", "", BAD),
}


def planned(world: World, kept: Reservations) -> list[Plan]:
    return [*plan_round(world, None, kept).plans, *plan_fleet(world, kept)]


def of_others(plans: list[Plan]) -> dict[tuple[str, str], Any]:
    return {
        (plan.kind.kind, str(plan.subject)): (plan.actions, plan.reason, plan.recheck_after, plan.error)
        for plan in plans
        if plan.subject.name.startswith(GOOD)
    }


BEFORE = of_others(planned(SITE.world(), Reservations()))


def test_there_is_something_to_do_and_something_to_tell() -> None:
    assert len(BEFORE) == 4 and sum(bool(actions) for actions, *_ in BEFORE.values()) >= 2


@pytest.mark.hypothesis
@settings(suppress_health_check=[HealthCheck.too_slow])
@given(troubles())
def test_all_others_are_planned_as_before(trouble: tuple[str, list[tuple[Path, Any]]]) -> None:
    kind, written = trouble
    cluster = copy.deepcopy(SITE)
    kept = Reservations()
    planned(cluster.world(), kept)
    obj = cluster.objects[ODD[kind]]
    for path, value in written:
        if tree(path):
            write(obj, path, value)
    world = cluster.world()
    for reservations in (Reservations(), kept):
        plans = planned(world, reservations)
        assert of_others(plans) == BEFORE
        assert all(plan.error is None or plan.subject.name.startswith(BAD) for plan in plans)
    assert len([plan for plan in plans if plan.subject.name.startswith(BAD)]) == 3, "it is planned, or told of, itself"


@pytest.mark.hypothesis
@given(troubles())
def test_what_can_not_be_read_stops_nothing(trouble: tuple[str, list[tuple[Path, Any]]]) -> None:
    """Of any kind: of what the operator marks as unreadable nothing is stopped."""
    kind, written = trouble
    cluster = copy.deepcopy(SITE)
    obj = cluster.objects[ODD[kind]]
    for path, value in written:
        if tree(path):
            write(obj, path, value)
    world = cluster.world()
    everything: dict[str, list[Any]] = {
        "Task": [*world.tasks.values()],
        "Assignment": [a for group in world.assignments.values() for a in group],
        "Pool": [*world.pools.values()],
        "Server": [*world.servers.values()],
    }
    seen = next(one for one in everything[kind] if one.uid == obj["metadata"]["uid"])
    if seen.unreadable is None:
        return
    actions = (action for plan in planned(world, Reservations()) for action in plan.actions)
    gone = [left.uid for left in map(leaving, actions) if left]
    assert (seen.uid not in gone) if kind == "Assignment" else not gone


@pytest.mark.hypothesis
@given(st.lists(st.tuples(st.sampled_from(FIELDS["Assignment"]), JUNK), min_size=1, max_size=4))
def test_lean_and_plain_readers_agree_on_what_can_be_read(written: list[tuple[tuple[Path, Obj], Any]]) -> None:
    whole = SITE.objects[ODD["Assignment"]]
    obj = copy.deepcopy(whole)
    for (path, _), value in written:
        if tree(path):
            write(obj, path, value)
    body = msgspec.json.encode(obj)
    lean = read(AssignmentDecoder(), Assignment, body)
    plain = read(msgspec.json.Decoder(Assignment), Assignment, body)
    assert lean == plain
    before = msgspec.convert(whole, Assignment)
    found = completed(plain, before)
    assert (found.key, found.uid) == (before.key, before.uid)
    assert found.unreadable is None or not found.unreadable.missing
