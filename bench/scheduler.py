"""The scheduler alone: placements a second, preemption, and the memory and the time to rebuild a large fleet.

Every server is scored for every instance, and none is sampled: where a batch of identical instances is placed at once,
the order of all turns is found by sorting the scores of all servers.
"""

import itertools
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.report import Result, publish, result
from starlink.scheduling.ask import Ask, Load, Spread, Term
from starlink.scheduling.fleet import Charge, Fleet, Node
from starlink.scheduling.place import Choice, Placed, place
from starlink.scheduling.pool import FleetPool
from starlink.scheduling.preemption.preempt import preempt

ROUNDS = 5
SERVERS = 10_000
MANY = 1_000_000
MIXED_TASKS = 1_000
PAIRWISE_TASKS = 300
FULL_SERVERS, FULL_EACH, PREEMPTORS = 5_000, 20, 1_000
GI = 2**30
SCALES = (1_000, 10_000, 100_000)
EIGHT = {
    "cpu": 64_000, "memory": 256 * GI, "ephemeral-storage": 1024 * GI, "gpu": 8,
    "example.com/a": 200, "example.com/b": 200, "example.com/c": 200, "example.com/d": 200,
}  # fmt: skip
SMALL = (
    ("cpu", 100), ("ephemeral-storage", GI // 4), ("example.com/a", 1), ("example.com/b", 1), ("example.com/c", 1),
    ("example.com/d", 1), ("memory", GI // 4),
)  # fmt: skip


def main() -> None:
    """Runs and publishes."""
    publish("scheduler", list(_told(_measure())))


def _told(results: Iterator[Result]) -> Iterator[Result]:
    for one in results:
        print(f"  {one.measure}: {one.median:g} {one.unit} ({one.min:g}–{one.max:g})", flush=True)
        yield one


def _measure() -> Iterator[Result]:
    yield from _identical()
    yield from _mixed()
    yield from _scales()
    yield _preemption()
    yield from _rebuilt()


def nodes(count: int, seed: int = 1) -> list[Node]:
    """Servers of three architectures in four pools and eight zones, some with taints."""
    pick = random.Random(seed)
    tainted = (_Taint("dedicated", "lab", "NoSchedule"),)
    return [
        Node(
            f"server-{number:06}",
            architecture=pick.choice(("amd64", "amd64", "arm64", "riscv64")),
            pool=f"pool-{number % 4}",
            labels={"zone": f"zone-{number % 8}", "disk": pick.choice(("ssd", "hdd")), "rack": f"r{number // 20}"},
            taints=tainted if number % 10 == 0 else (),
            allocatable=EIGHT,
        )
        for number in range(count)
    ]


class _Taint:
    def __init__(self, key: str, value: str, effect: str) -> None:
        self.key, self.value, self.effect = key, value, effect


def _pools(strategy: str = "Spread") -> list[FleetPool]:
    quota = {"cpu": 10**9, "memory": 10**15, "assignments": 10**8}
    return [FleetPool(f"pool-{number}", strategy=strategy, quota=quota) for number in range(4)]


def _load(group: str, repels: tuple[Term, ...] = ()) -> Load:
    return Load(group, requests=SMALL, quota=(("assignments", 1), ("cpu", 100), ("memory", GI // 4)), repels=repels)


def _timed(work: Callable[[], int]) -> float:
    """How many a second."""
    began = time.perf_counter()
    done = work()
    return done / (time.perf_counter() - began)


def _identical() -> Iterator[Result]:
    for strategy in ("Spread", "Pack"):
        fleet = Fleet([_untainted(node) for node in nodes(SERVERS)], [FleetPool("", strategy=strategy)])
        arrays, objects = [], []
        for _ in range(ROUNDS):
            with fleet.trial():
                began = time.perf_counter()
                placed = place(fleet, Ask(_load("one")), MANY)
                between = time.perf_counter()
                made = _named(fleet, placed)
                ended = time.perf_counter()
            assert len(made) == MANY, placed.refusal
            arrays.append(MANY / (between - began))
            objects.append(MANY / (ended - began))
        of = f"{MANY} identical, {SERVERS} servers × {len(EIGHT)} resources, {strategy}"
        yield result(f"{of}, in arrays", "/s", arrays, at_least=1_000_000)
        yield result(f"{of}, as objects with names and reasons", "/s", objects, at_least=200_000)


def _named(fleet: Fleet, placed: Placed) -> list[tuple[str, str]]:
    """The server of each instance by name, and why it goes there."""
    names, chosen = fleet.names, zip(placed.servers.tolist(), placed.use.tolist(), strict=True)
    return [(names[server], str(Choice(placed.choices, int(use * 100)))) for server, use in chosen]


def _untainted(node: Node) -> Node:
    return Node(node.name, node.architecture, "", node.labels, allocatable=node.allocatable)


def _mixed() -> Iterator[Result]:
    fleet = Fleet(nodes(SERVERS), _pools())
    rates = [_timed(lambda: _place_all(fleet, mixed(MIXED_TASKS))) for _ in range(ROUNDS)]
    kinds = "labels, taints, affinity, spread, quotas; 1 to 20 replicas a task"
    yield result(f"mixed tasks, {SERVERS} servers ({kinds})", "/s", rates, at_least=20_000)
    rates = [_timed(lambda: _place_all(fleet, pairwise(PAIRWISE_TASKS))) for _ in range(ROUNDS)]
    yield result(f"mixed tasks with pairwise anti-affinity, {SERVERS} servers", "/s", rates, at_least=3_000)


def mixed(count: int) -> Iterator[tuple[Ask, int]]:
    """Tasks of many kinds, the same in every run."""
    pick = random.Random(2)
    for number in range(count):
        group, kind = f"t-{number}", number % 5
        yield (
            Ask(
                _load(group),
                pool=f"pool-{number % 4}",
                architectures=("amd64", "arm64") if kind == 0 else (),
                selector={"disk": "ssd"} if kind == 1 else {},
                spread=(Spread("zone"),) if kind == 2 else (),
                affinity=(Term(frozenset({f"t-{number - 1}"}), "zone", 50),) if kind == 3 else (),
            ),
            pick.randint(1, 20),
        )


def pairwise(count: int) -> Iterator[tuple[Ask, int]]:
    """The same, each task never on a server with its own instances or those of ten others."""
    for number, (ask, replicas) in enumerate(mixed(count)):
        group = ask.load.group
        apart = (Term(frozenset({group, *(f"t-{other}" for other in range(max(0, number - 10), number))})),)
        load = _load(group, apart)
        yield (
            Ask(load, pool=ask.pool, architectures=ask.architectures, selector=ask.selector, anti_affinity=apart),
            replicas,
        )


def _place_all(fleet: Fleet, asks: Iterator[tuple[Ask, int]]) -> int:
    """Places them on the empty fleet; gives how many."""
    placed = 0
    with fleet.trial():
        for ask, replicas in asks:
            outcome = place(fleet, ask, replicas)
            _named(fleet, outcome)
            placed += len(outcome.servers)
    return placed


def _scales() -> Iterator[Result]:
    """What one task of ten costs as servers grow: at most linear means that the figure does not rise."""
    for servers in SCALES:
        fleet = Fleet(nodes(servers), _pools())
        costs = []
        for _ in range(ROUNDS):
            tasks = list(itertools.islice(mixed(100), 100))
            began = time.perf_counter()
            _place_all(fleet, iter(tasks))
            costs.append((time.perf_counter() - began) / len(tasks) / servers * 1e9)
        yield result(f"cost of a task and a server, {servers} servers", "ns", costs)


def _preemption() -> Result:
    seconds = []
    for _ in range(ROUNDS):
        fleet = Fleet(_untainted(node) for node in nodes(FULL_SERVERS))
        share = tuple(
            (name, amount // FULL_EACH) for name, amount in sorted(EIGHT.items()) if name in ("cpu", "memory")
        )
        for number, slot in itertools.product(range(FULL_SERVERS), range(FULL_EACH)):
            load = Load(f"low-{slot % 50}", slot % 3, share)
            fleet.charge(f"u-{number}-{slot}", Charge(fleet.names[number], load))
        ask = Ask(Load("high", 10, share))
        budgets = {f"low-{slot}": 10**6 for slot in range(50)}
        with fleet.trial():
            began = time.perf_counter()
            assert not len(place(fleet, ask, PREEMPTORS).servers)
            assert len(preempt(fleet, ask, PREEMPTORS, budgets)) == PREEMPTORS
            seconds.append(time.perf_counter() - began)
    name = f"preemption of {PREEMPTORS} slots in a full fleet of {FULL_SERVERS} servers"
    return result(name, "s", seconds, at_most=1.0)


def _rebuilt() -> Iterator[Result]:
    """A new leader's view of 10,000 servers and 100,000 assignments, in a process of its own, from a real API."""
    from bench import rebuild

    with tempfile.TemporaryDirectory(prefix="starlink-bench-") as folder, rebuild.site(Path(folder)) as arguments:
        found = []
        for _ in range(ROUNDS):
            command = [sys.executable, "-m", "bench.rebuild", *arguments]
            found.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    of = f"{rebuild.SERVERS} servers and {rebuild.ASSIGNMENTS} assignments"
    yield result(f"{of}: resident memory of the operator", "MB", [one["mb"] for one in found], at_most=250)
    yield result(f"{of}: rebuilt from the API", "s", [one["seconds"] for one in found], at_most=5)
