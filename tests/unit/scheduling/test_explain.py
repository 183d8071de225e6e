"""Refusals: what they count, and that what they propose works. The words are in tests/golden/explain."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from starlink.api.server import Taint
from starlink.api.task import Toleration
from starlink.scheduling.ask import HOSTNAME, Ask, Load, Spread, Term
from starlink.scheduling.explaining.amounts import quantity, sized
from starlink.scheduling.explaining.explain import affinity_cycle, explain
from starlink.scheduling.explaining.shortage import Shortage, change, raise_needed
from starlink.scheduling.filters import feasible
from starlink.scheduling.fleet import Charge, Fleet, Node
from starlink.scheduling.place import place
from starlink.scheduling.pool import Pool, room

WEB = frozenset({"web"})


@pytest.mark.parametrize(
    ("resource", "amount", "up", "text"),
    [
        ("cpu", 1500, False, "1500m"),
        ("cpu", 2000, False, "2"),
        ("cpu", 0, False, "0"),
        ("memory", 2**31, False, "2Gi"),
        ("memory", 2**20 * 1500, False, "1500Mi"),
        ("memory", 2**30 + 1, False, "1024Mi"),
        ("memory", 2**30 + 1, True, "1025Mi"),
        ("ephemeral-storage", 2**20 + 5, False, "1024Ki"),
        ("memory", 1000, True, "1000"),
        ("gpu", 3, False, "3"),
        ("example.com/fpga", 1024, False, "1024"),
    ],
)
def test_amounts_are_written_as_quantities(resource: str, amount: int, up: bool, text: str) -> None:
    assert quantity(resource, amount, up=up) == text


def test_what_is_needed_is_rounded_up() -> None:
    assert sized("memory", 2**30 + 1) == "1025Mi memory"


def test_a_cycle_is_told_as_its_groups() -> None:
    assert affinity_cycle(["a", "b"]).startswith("an affinity cycle: a near b near a, ")


# Quotas of cohorts


@st.composite
def cohorts(draw: st.DrawFn) -> tuple[list[Pool], dict[str, int], Shortage]:
    """Pools, how much each uses, and what the first is short of."""
    pools, usage = [], {}
    for name in ("a", "b", "c")[: draw(st.integers(1, 3))]:
        limit = draw(st.integers(0, 9))
        lend = {"gpu": draw(st.integers(0, limit))} if draw(st.booleans()) else {}
        borrow = {"gpu": draw(st.integers(0, 5))} if draw(st.booleans()) else {}
        cohort = draw(st.sampled_from(["", "x"]))
        pools.append(Pool(name, quota={"gpu": limit}, cohort=cohort, lend=lend, borrow=borrow))
        usage[name] = draw(st.integers(0, 12))
    needed = draw(st.integers(1, 8))
    left = room({pool.name: pool for pool in pools}, {name: {"gpu": used} for name, used in usage.items()}, "a", "gpu")
    assume(left < needed)
    return pools, usage, Shortage("a", "gpu", needed, max(left, 0))


def charged(pools: list[Pool], usage: Mapping[str, int]) -> Fleet:
    fleet = Fleet([Node(pool.name, pool=pool.name) for pool in pools], pools)
    for name, used in usage.items():
        fleet.charge(name, Charge(name, Load("other", quota=(("gpu", used),))))
    return fleet


def left_after(pools: list[Pool], usage: Mapping[str, int]) -> int:
    fleet = charged(pools, usage)
    return room(fleet.pools, fleet.quota_used, "a", "gpu")


def altered(pools: list[Pool], name: str, field: str, by: int) -> list[Pool]:
    def alter(pool: Pool) -> Pool:
        lend = {**pool.lend, "gpu": pool.lend.get("gpu", 0) + (by if field == "lend" else 0)}
        borrow = {key: amount + (by if field == "borrow" else 0) for key, amount in pool.borrow.items()}
        quota = {"gpu": pool.quota["gpu"] + (by if field == "quota" else 0)}
        return replace(pool, quota=quota, lend=lend, borrow=borrow)

    return [alter(pool) if pool.name == name else pool for pool in pools]


@given(cohorts())
def test_a_quota_is_raised_by_the_least_that_does(case: tuple[list[Pool], dict[str, int], Shortage]) -> None:
    pools, usage, short = case
    least = raise_needed(charged(pools, usage), short)
    assert left_after(altered(pools, "a", "quota", least), usage) >= short.needed
    assert left_after(altered(pools, "a", "quota", least - 1), usage) < short.needed


@given(cohorts())
def test_the_change_of_a_quota_gives_what_is_needed(case: tuple[list[Pool], dict[str, int], Shortage]) -> None:
    pools, usage, short = case
    words = change(charged(pools, usage), short)
    if found := re.fullmatch(r"raise pool (\w)'s (quota|borrow)\.gpu by (\d+)", words):
        pools = altered(pools, found[1], found[2], int(found[3]))
    elif found := re.fullmatch(r"let pool (\w) lend (\d+) more \(lend\.gpu\)", words):
        pools = altered(pools, found[1], "lend", int(found[2]))
        assert all(pool.lend.get("gpu", 0) <= pool.quota["gpu"] for pool in pools)
    else:
        found = re.fullmatch(r"stop (\d+) of what pool (\w) borrows \(gpu\)", words)
        assert found, words
        usage = {**usage, found[2]: usage[found[2]] - int(found[1])}
    assert left_after(pools, usage) >= short.needed


# What is proposed works


class Situation:
    """A fleet that can be changed as a remedy says, and built anew."""

    def __init__(self, nodes: list[Node], pools: list[Pool], charges: list[Charge], ask: Ask) -> None:
        self.nodes = {node.name: node for node in nodes}
        self.pools = {pool.name: pool for pool in pools}
        self.charges, self.ask = charges, ask

    def fleet(self) -> Fleet:
        fleet = Fleet(self.nodes.values(), self.pools.values())
        for number, charge in enumerate(self.charges):
            fleet.charge(str(number), charge)
        return fleet

    def fits(self) -> bool:
        return bool(feasible(self.fleet(), self.ask).mask.any())

    def copy(self) -> "Situation":
        return Situation(list(self.nodes.values()), list(self.pools.values()), self.charges, self.ask)

    def node(self, name: str, **changed: Any) -> None:
        self.nodes[name] = replace(self.nodes[name], **changed)

    def __repr__(self) -> str:
        return f"{self.ask} {list(self.nodes.values())} {list(self.pools.values())} {self.charges}"

    def apply(self, words: str) -> bool:
        """Does what a remedy says; False for what has no one meaning."""
        if words.startswith("add one server"):
            self.add(words)
            return True
        changes = re.findall(CHANGE, words) if "changes more" not in words else []
        for verb, rest in changes:
            self.change(verb, rest)
        return bool(changes)

    def change(self, verb: str, rest: str) -> None:
        ask, load = self.ask, self.ask.load
        match verb, rest.split():
            case "ask", [amount, resource]:
                needs = {**dict(load.requests), resource: worth(resource, amount)}
                self.ask = replace(ask, load=replace(load, requests=tuple(needs.items())))
            case "uncordon", [name]:
                self.node(name, schedulable=True)
            case "bring back the agent on", [name]:
                self.node(name, ready=True)
            case "offer", [amount, resource, "more", "on", name]:
                had = self.nodes[name].allocatable
                self.node(name, allocatable={**had, resource: had.get(resource, 0) + worth(resource, amount)})
            case "offer", [feature, _, name]:
                self.node(name, features=(*self.nodes[name].features, feature))
            case "label", [name, "with", key]:
                for each in self.nodes if name == "servers" else (name,):
                    self.node(each, labels={**self.nodes[each].labels, key: "a"})
            case "label", [name, pairs]:
                self.node(
                    name, labels={**self.nodes[name].labels, **dict(pair.split("=") for pair in pairs.split(","))}
                )
            case "starlink pool move", [name, pool]:
                self.node(name, pool=pool)
                self.charges = [c._replace(counted=c.counted and c.server != name) for c in self.charges]
            case "free", [_, _, "on", name]:
                self.charges = [c for c in self.charges if c.server != name]
            case "add an artifact variant for", [architecture]:
                self.ask = replace(ask, architectures=(*ask.architectures, architecture))
            case "add", [architecture, "to", "pool", "edge's", "architectures"]:
                edge = self.pools["edge"]
                self.pools["edge"] = replace(edge, architectures=(*edge.architectures, architecture))
            case "tolerate", [taint]:
                key = taint.partition(":")[0]
                self.ask = replace(ask, tolerations=(*ask.tolerations, Toleration(key=key, operator="Exists")))
            case "raise the maxSkew of zone to", [skew]:
                self.ask = replace(ask, spread=(Spread("zone", int(skew)),))
            case "raise pool", [name, key, "by", amount]:
                pool, key = name.removesuffix("'s"), key.removeprefix("quota.")
                quota = self.pools[pool].quota
                self.pools[pool] = replace(self.pools[pool], quota={**quota, key: quota[key] + worth(key, amount)})
            case "give the antiAffinity to", ["web", *_]:
                self.ask = replace(ask, anti_affinity=(), load=replace(load, repels=()))
                self.charges = [c._replace(load=replace(c.load, repels=())) for c in self.charges]
            case "ask port 0 instead of", _:
                self.ask = replace(ask, load=replace(load, ports=frozenset()))
            case _:
                raise AssertionError(f"{verb} {rest}")

    def add(self, words: str) -> None:
        """A server with just what is named."""
        needs = {key: worth(key, size) for size, key in re.findall(r"(\d+m?) (cpu|gpu)", words)}
        labels = dict(pair.split("=") for pairs in re.findall(r"labelled (\S+)", words) for pair in pairs.split(","))
        labels |= dict.fromkeys(re.findall(r"in a (\w+) of its own", words), "its-own")
        architecture = re.search(r" of (amd64|arm64)", words)
        pool = re.search(r"in pool (\w+)", words)
        self.nodes["new"] = Node(
            "new",
            architecture=architecture[1] if architecture else "riscv64",
            pool=pool[1] if pool else "",
            labels=labels,
            features=("kvm",) if "kvm" in words else (),
            allocatable=needs,
        )


VERBS = (
    "ask port 0 instead of", "ask", "uncordon", "bring back the agent on", "offer", "label", "starlink pool move", "free",
    "add an artifact variant for", "add", "tolerate", "raise the maxSkew of zone to", "raise pool", "give the antiAffinity to",
)  # fmt: skip
ENDS = r"(?= for \d| a weight| \(|`| and (?:ask|uncordon|bring|offer|label|move|free|add|tolerate|raise|give|\d+ changes)|$)"
CHANGE = re.compile(rf"({'|'.join(VERBS)}) (.+?){ENDS}")


def worth(resource: str, text: str) -> int:
    if resource != "cpu":
        return int(text)
    return int(text[:-1]) if text.endswith("m") else int(text) * 1000


def loads(group: str) -> st.SearchStrategy[Load]:
    def load(cpu: int, gpu: int, ports: frozenset[int], repels: bool) -> Load:
        needs = tuple((key, amount) for key, amount in (("cpu", cpu * 500), ("gpu", gpu)) if amount)
        own = (Term(WEB, HOSTNAME),) if repels else ()
        return Load(group, 0, needs, (*needs, ("assignments", 1)), ports, own)

    ports = st.frozensets(st.sampled_from([80, 443]), max_size=1)
    return st.builds(
        load, st.integers(0, 6), st.sampled_from([0, 0, 0, 1]), ports, st.sampled_from([False] * 4 + [True])
    )


NODES = st.builds(
    Node,
    name=st.just(""),
    architecture=st.sampled_from(["amd64", "amd64", "arm64"]),
    pool=st.sampled_from(["", "edge", "edge", "lab"]),
    labels=st.fixed_dictionaries(
        {}, optional={"zone": st.sampled_from("ab"), "disk": st.sampled_from(["hdd", "nvme"])}
    ),
    taints=st.sampled_from([(), (), (Taint(key="lab", value="", effect="NoSchedule"),)]),
    features=st.sampled_from([(), ("kvm",)]),
    ready=st.sampled_from([True] * 5 + [False]),
    schedulable=st.sampled_from([True] * 5 + [False]),
    allocatable=st.fixed_dictionaries({"cpu": st.integers(0, 8).map(lambda n: n * 500), "gpu": st.integers(0, 1)}),
)


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    nodes = [replace(node, name=f"s{n}") for n, node in enumerate(draw(st.lists(NODES, min_size=1, max_size=5)))]
    quota = draw(
        st.fixed_dictionaries(
            {}, optional={"cpu": st.integers(0, 8).map(lambda n: n * 500), "assignments": st.integers(0, 4)}
        )
    )
    taken = draw(st.sampled_from([(), (), ("arm64",)]))
    pools = [Pool("edge", taken, quota=quota, closed=False), Pool("lab")]
    names = st.sampled_from([node.name for node in nodes])
    charges = draw(st.lists(st.builds(Charge, names, st.one_of(loads("web"), loads("db"))), max_size=4))
    load = draw(loads("web"))
    ask = Ask(
        load,
        pool=draw(st.sampled_from(["", "edge"])),
        architectures=draw(st.sampled_from([(), (), ("arm64",)])),
        features=draw(st.sampled_from([frozenset(), frozenset({"kvm"})])),
        selector=draw(st.sampled_from([{}, {}, {"disk": "nvme"}])),
        anti_affinity=load.repels,
        spread=draw(st.sampled_from([(), (), (Spread("zone", 1),)])),
    )
    return Situation(nodes, pools, charges, ask)


@given(situations(), st.integers(1, 6))
def test_what_is_proposed_lets_one_more_fit(situation: Situation, count: int) -> None:
    fleet = situation.fleet()
    with fleet.trial():
        refusal = place(fleet, situation.ask, count).refusal
    assume(refusal is not None)
    assert refusal is not None
    for way in re.split(r", or ", refusal.remedy):
        after = situation.copy()
        after.charges = [*after.charges, *placed_charges(fleet, situation.ask, count)]
        if after.apply(way):
            assert after.fits(), (way, refusal.message)


def placed_charges(fleet: Fleet, ask: Ask, count: int) -> list[Charge]:
    with fleet.trial():
        return [Charge(fleet.names[server], ask.load) for server in place(fleet, ask, count).servers.tolist()]


@given(situations(), st.integers(1, 4))
def test_a_refusal_counts_as_the_filters_do(situation: Situation, missing: int) -> None:
    fleet = situation.fleet()
    refusal = explain(fleet, situation.ask, missing)
    assert refusal.removed == feasible(fleet, situation.ask).removed
    assert refusal.best in (*fleet.names, "")
    assert refusal.remedy
    assert refusal.message.endswith(refusal.remedy)


@given(st.lists(st.integers(0, 40), min_size=1, max_size=6), st.integers(1, 8))
def test_the_most_that_fits_is_proposed(free: list[int], missing: int) -> None:
    """As much as would fit all that are missing, else as much as would fit one."""
    asked = 41
    nodes = [Node(f"s{number}", allocatable={"gpu": amount}) for number, amount in enumerate(free)]
    refusal = explain(Fleet(nodes), Ask(Load("web", requests=(("gpu", asked),))), missing)
    fits_all = [most for most in range(21, asked) if sum(amount // most for amount in free) >= missing]
    if missing == 1 or not fits_all:
        expected = f"ask {max(free)} gpu" + (f" for 1 of the {missing}" if missing > 1 else "")
    else:
        expected = f"ask {max(fits_all)} gpu"
    assert refusal.remedy.startswith(f"{expected}, or " if max(free) else "offer 41 gpu more on s0")
