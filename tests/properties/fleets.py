"""Fleets and asks at random. Each server, pool, charge and ask has dice of its own, so that a counterexample shrinks to
the fewest of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st

from starlink.scheduling import score
from starlink.scheduling.ask import HOSTNAME, Ask, Load, Spread, Term
from starlink.scheduling.filters import feasible
from starlink.scheduling.fleet import Charge, Fleet, Node
from starlink.scheduling.pool import FleetPool, Weights
from starlink.scheduling.rules import rules_of

FEATURES = (
    "unready", "pools", "namespaces", "architectures", "selector", "taints", "gpu", "storage", "ports", "affinity",
    "antiAffinity", "spread", "wishes", "quota", "cohort", "watermark", "pack", "weights", "kinds", "history", "gang",
    "named", "crowded",
)  # fmt: skip
KEYS = ("zone", "rack", HOSTNAME)
GROUPS = ("a", "b", "c", "d")
BOARD = "acme.example/board"


class Taint(NamedTuple):
    key: str
    value: str
    effect: str


class Toleration(NamedTuple):
    key: str | None
    operator: str
    value: str
    effect: str | None


@dataclass(frozen=True, slots=True)
class Shape:
    """How much of everything, and what may occur in it."""

    seed: int
    servers: int
    pools: int
    charges: int
    asks: int
    features: frozenset[str]

    def dice(self, what: str, number: int) -> Random:
        return Random(f"{self.seed} {what} {number}")

    def has(self, feature: str) -> bool:
        return feature in self.features


@dataclass(frozen=True, slots=True)
class Scenario:
    nodes: list[Node]
    pools: list[FleetPool]
    charges: Mapping[str, Charge]
    asks: list[tuple[Ask, int]]

    def fleet(self) -> Fleet:
        fleet = Fleet(self.nodes, self.pools)
        for uid, charge in self.charges.items():
            fleet.charge(uid, charge)
        return fleet


def shapes(*, without: frozenset[str] = frozenset(), asks: int = 3) -> st.SearchStrategy[Shape]:
    allowed = [feature for feature in FEATURES if feature not in without]
    return st.builds(
        Shape,
        seed=st.integers(0, 2**32),
        servers=st.integers(1, 8),
        pools=st.integers(0, 3),
        charges=st.integers(0, 12),
        asks=st.integers(1, asks),
        features=st.frozensets(st.sampled_from(allowed)),
    )


def scenario(shape: Shape) -> Scenario:
    return Scenario(
        [node(shape, number) for number in range(shape.servers)],
        [pool(shape, number) for number in range(shape.pools)],
        {f"uid-{number}": charge(shape, number) for number in range(shape.charges)},
        [(ask(shape, number), shape.dice("count", number).randint(1, 12)) for number in range(shape.asks)],
    )


def name_of(number: int) -> str:
    """Names whose order is not that of the numbers."""
    return f"s{(number * 5 + 3) % 8}" if number < 8 else f"s{number}"


def node(shape: Shape, number: int) -> Node:
    dice = shape.dice("server", number)
    scale = 1 if shape.has("crowded") else 3
    labels = {key: f"{key}-{dice.randint(1, 3)}" for key in ("zone", "rack", "disk") if dice.random() < 0.85}
    return Node(
        name_of(number),
        architecture=dice.choice(("amd64", "amd64", "arm64", "riscv64")),
        pool=dice.choice(("", "elsewhere", *pool_names(shape) * 3)),
        labels=labels,
        taints=_taints(dice) if shape.has("taints") else (),
        runtimes=dice.choice((("Process",), ("Process", "Container"), ())) if shape.has("kinds") else ("Process",),
        features=tuple(f for f in ("kvm", "avx2") if dice.random() < 0.6),
        ready=not shape.has("unready") or dice.random() < 0.7,
        schedulable=not shape.has("unready") or dice.random() < 0.8,
        allocatable=_allocatable(dice, scale),
    )


def _allocatable(dice: Random, scale: int) -> dict[str, int]:
    amounts = {
        "cpu": scale * dice.choice((0, 500, 1000, 1000, 1500, 2000)),
        "memory": scale * dice.choice((0, 3, 5, 7, 10, 10)),
    }
    for resource, most in (("gpu", 4), ("ephemeral-storage", 20), (BOARD, 3)):
        if dice.random() < 0.6:
            amounts[resource] = dice.randint(0, most)
    return amounts


def _taints(dice: Random) -> tuple[Taint, ...]:
    effects = ("NoSchedule", "NoExecute", "PreferNoSchedule", "PreferNoSchedule")
    return tuple(
        Taint(dice.choice(("lab", "old")), dice.choice(("", "yes")), dice.choice(effects))
        for _ in range(dice.choice((0, 0, 1, 2)))
    )


def pool_names(shape: Shape) -> tuple[str, ...]:
    return tuple(f"pool-{number}" for number in range(shape.pools))


def pool(shape: Shape, number: int) -> FleetPool:
    dice = shape.dice("pool", number)
    quota = {
        key: dice.randint(0, dice.choice((most // 4, most)))
        for key, most in (("cpu", 4000), ("memory", 20), ("assignments", 8))
        if _has_quotas(shape) and dice.random() < 0.7
    }
    cohort = dice.choice(("", "one", "one", "one", "two")) if shape.has("cohort") else ""
    return FleetPool(
        f"pool-{number}",
        architectures=dice.choice(((), ("amd64",), ("amd64", "arm64"))) if shape.has("architectures") else (),
        namespaces=dice.choice(((), ("default",), ("other",))) if shape.has("namespaces") else (),
        strategy="Pack" if shape.has("pack") and dice.random() < 0.7 else "Spread",
        weights=_weights(dice) if shape.has("weights") else Weights(),
        quota=quota,
        cohort=cohort,
        lend={key: dice.randint(0, amount) for key, amount in quota.items() if cohort and dice.random() < 0.7},
        borrow={key: dice.randint(0, 2 * amount) for key, amount in quota.items() if cohort and dice.random() < 0.4},
        closed=shape.has("watermark") and dice.random() < 0.2,
        high=_watermarks(dice) if shape.has("watermark") else {},
    )


def _watermarks(dice: Random) -> dict[str, int]:
    return {key: dice.choice((0, 1, 10, 25, 50, 75, 90, 100)) for key in ("cpu", "memory") if dice.random() < 0.7}


def _has_quotas(shape: Shape) -> bool:
    return shape.has("quota") or shape.has("cohort")


def _weights(dice: Random) -> Weights:
    return Weights(*(float(dice.choice((0, 1, 2, 5, 10, 100))) for _ in range(9)))


def load(shape: Shape, dice: Random, repels: tuple[Term, ...] = ()) -> Load:
    requests = {"cpu": dice.choice((0, 100, 250, 300, 700, 1000)), "memory": dice.choice((0, 1, 1, 2, 3))}
    for feature, resources in (("gpu", ("gpu", BOARD)), ("storage", ("ephemeral-storage",))):
        requests |= {one: dice.randint(0, 2) for one in resources if shape.has(feature) and dice.random() < 0.5}
    charged = {**requests, "assignments": 1}
    return Load(
        group=dice.choice(GROUPS),
        priority=dice.randint(-2, 2),
        requests=tuple((key, amount) for key, amount in requests.items() if amount or dice.random() < 0.3),
        quota=tuple((key, charged[key]) for key in ("cpu", "memory", "assignments")) if _has_quotas(shape) else (),
        ports=frozenset(port for port in (80, 443) if shape.has("ports") and dice.random() < 0.35),
        repels=repels,
    )


def charge(shape: Shape, number: int) -> Charge:
    dice = shape.dice("charge", number)
    repels = _terms(dice, None, 1) if shape.has("antiAffinity") and dice.random() < 0.4 else ()
    server = name_of(dice.randrange(shape.servers)) if dice.random() < 0.9 else "gone"
    return Charge(server, load(shape, dice, repels), counted=dice.random() < 0.85, stopping=dice.random() < 0.2)


def ask(shape: Shape, number: int) -> Ask:
    dice = shape.dice("ask", number)
    affinity = _terms(dice, None, 2) if shape.has("affinity") else ()
    anti = _terms(dice, None, 2) if shape.has("antiAffinity") else ()
    wished = [_terms(dice, dice.randint(1, 100), 2) if shape.has("wishes") else () for _ in range(2)]
    preferred = dice.choice(((), ("arm64",), ("riscv64", "amd64"), ("arm64", "amd64", "riscv64")))
    servers = [name_of(number) for number in range(shape.servers)]
    return Ask(
        load(shape, dice, anti),
        server=dice.choice((*servers, "gone")) if shape.has("named") and dice.random() < 0.4 else "",
        pool=dice.choice(("", *pool_names(shape), "nowhere")) if shape.has("pools") and dice.random() < 0.7 else "",
        namespace="default",
        architectures=dice.choice(((), ("amd64",), ("arm64", "amd64"))) if shape.has("architectures") else (),
        preferred_architectures=preferred if shape.has("wishes") else (),
        runtime=dice.choice(("", "Process", "Container")) if shape.has("kinds") else "",
        features=frozenset(f for f in ("kvm", "avx2") if shape.has("kinds") and dice.random() < 0.4),
        selector={"disk": f"disk-{dice.randint(1, 3)}"} if shape.has("selector") and dice.random() < 0.6 else {},
        tolerations=_tolerations(dice) if shape.has("taints") else (),
        affinity=_mixed(dice, affinity, wished[0]),
        anti_affinity=_mixed(dice, anti, wished[1]),
        spread=_spread(dice) if shape.has("spread") else (),
        local=_some(dice, servers) if shape.has("history") else frozenset(),
        homes=_some(dice, servers) if shape.has("history") else frozenset(),
        refused=_some(dice, servers) if shape.has("history") else frozenset(),
        gang=shape.has("gang") and dice.random() < 0.6,
    )


def _terms(dice: Random, weight: int | None, most: int) -> tuple[Term, ...]:
    return tuple(
        Term(frozenset(dice.sample(GROUPS, dice.choice((1, 1, 2)))), dice.choice(KEYS), weight)
        for _ in range(dice.randint(0, most))
    )


def _mixed(dice: Random, musts: tuple[Term, ...], wishes: tuple[Term, ...]) -> tuple[Term, ...]:
    return tuple(dice.sample((*musts, *wishes), len(musts) + len(wishes)))


def _spread(dice: Random) -> tuple[Spread, ...]:
    keys = dice.sample((*KEYS, "nobody-has-it"), dice.randint(1, 2))
    return tuple(Spread(key, dice.randint(1, 2), dice.random() < 0.5) for key in keys)


def _tolerations(dice: Random) -> tuple[Toleration, ...]:
    return tuple(
        Toleration(
            dice.choice(("lab", "old", None)),
            dice.choice(("Exists", "Equal")),
            dice.choice(("", "yes")),
            dice.choice((None, "NoSchedule", "NoExecute", "PreferNoSchedule")),
        )
        for _ in range(dice.randint(0, 2))
    )


def _some(dice: Random, names: list[str]) -> frozenset[str]:
    return frozenset(name for name in (*names, "gone") if dice.random() < 0.3)


def scores_of(fleet: Fleet, ask: Ask) -> dict[str, float]:
    """The scores that the arrays give the servers that fit, for the next instance."""
    found = feasible(fleet, ask)
    company = score.company(fleet, ask)
    first = score.filled(fleet, ask, slice(None), 0, fleet.on_servers(ask.load.group).astype(np.float64))
    scores = score.standing(fleet, ask) + (0.0 if company is None else company) + first.scores
    for rule in rules_of(fleet, ask, found):
        scores = rule.judge(scores)
    return {fleet.names[i]: float(scores[i]) for i in found.servers if np.isfinite(scores[i])}
