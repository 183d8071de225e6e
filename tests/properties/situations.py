"""Fleets with an ask that finds no place, which can be changed as a remedy says."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st

from starlink.api.labels import ARCHITECTURE
from starlink.api.server import Taint
from starlink.api.task import Toleration
from starlink.scheduling.ask import Ask, Load, Spread, Term
from starlink.scheduling.fleet import Charge, Fleet, Node
from starlink.scheduling.place import place
from starlink.scheduling.pool import Pool

WEB, DB = frozenset({"web"}), frozenset({"db"})
VERBS = (
    "ask", "uncordon", "bring back the agent on", "offer", "label", "move it with", "free", "add", "tolerate", "raise",
    "give", "take", "place", "create", "let", "make room", "stop", "wait", "correct", "change",
)  # fmt: skip
_AND = re.compile(rf" and (?=(?:{'|'.join(VERBS)}) )")
_PROMISE = re.compile(r"^(.*?)(?: for (\d+) of the (\d+))?$")
_VAGUE = ("wait until", "stop something", "make room in", "create task", "change one of", "correct ", "begin with")
OWN = "its-own"


class Vague(Exception):
    """What is proposed has no one meaning that could be tried."""


@dataclass(slots=True)
class Situation:
    """A fleet that can be changed as a remedy says, and built anew."""

    nodes: dict[str, Node]
    pools: dict[str, Pool]
    charges: list[Charge]
    ask: Ask
    count: int

    def fleet(self) -> Fleet:
        fleet = Fleet(self.nodes.values(), self.pools.values())
        for number, charge in enumerate(self.charges):
            fleet.charge(str(number), charge)
        return fleet

    def placed(self) -> list[str]:
        """The servers of those that fit."""
        fleet = self.fleet()
        with fleet.trial():
            return [fleet.names[server] for server in place(fleet, self.ask, self.count).servers.tolist()]

    def with_placed(self) -> "Situation":
        """The same with what fits running there, and only the others to be placed."""
        found = self.placed()
        running = [*self.charges, *(Charge(server, self.ask.load) for server in found)]
        return Situation(dict(self.nodes), dict(self.pools), running, self.ask, self.count - len(found))

    def apply(self, words: str) -> int:
        """Does what one way of a remedy says, and gives how many it promises to place. Raises Vague."""
        if words.startswith(_VAGUE) or "changes more" in words or words.endswith(" first"):
            raise Vague(words)
        found = _PROMISE.fullmatch(words)
        assert found
        told, helped = found[1], int(found[2] or 0)
        assert not helped or helped < int(found[3]) == self.count
        parts = _AND.split(told)
        for_all = self.count if self.ask.gang or re.match(r"ask \d+m? |raise pool|let pool", told) else 1
        if told.startswith("add one server"):
            each = told.removesuffix(" per instance")
            number = (helped or self.count) if each != told else 1
            for one in range(number):
                self._add_server(each, one)
            return number
        for change in parts:
            self._change(re.sub(r" for \d+ of the \d+$", "", change))
        return helped or (1 if parts[1:] and not all(part.startswith("raise pool") for part in parts) else for_all)

    def _node(self, name: str, **changed: Any) -> None:
        self.nodes[name] = replace(self.nodes[name], **changed)

    def _label(self, name: str, key: str, value: str) -> None:
        assert key not in ("kubernetes.io/arch", "kubernetes.io/hostname", "a b")
        self._node(name, labels={**self.nodes[name].labels, key: value})

    def _change(self, words: str) -> None:
        ask, load = self.ask, self.ask.load
        match words.split():
            case ["ask", number, "instance" | "instances", "less", *_]:
                self.count -= int(number)
            case ["ask", "port", "0", *_] | ["take", _, "out", "of", "spec.hostPorts"]:
                self.ask = replace(ask, load=replace(load, ports=frozenset()))
            case ["ask", amount, resource]:
                needs = {**dict(load.requests), resource: worth(resource, amount)}
                quota = tuple((key, needs.get(key, count)) for key, count in load.quota)
                self.ask = replace(ask, load=replace(load, requests=tuple(needs.items()), quota=quota))
            case ["uncordon", name, *_]:
                self._node(name, schedulable=True)
            case ["bring", "back", "the", "agent", "on", name]:
                self._node(name, ready=True)
            case ["offer", amount, resource, "more", "on", name]:
                self._let_stop(name, resource)
                had = self.nodes[name].allocatable
                self._node(name, allocatable={**had, resource: had.get(resource, 0) + worth(resource, amount)})
            case ["offer", feature, "on", name]:
                self._node(name, features=(*self.nodes[name].features, feature))
            case ["label", "servers", "with", key]:
                for name in self.nodes:
                    self._label(name, key, "a")
            case ["label", name, "with", "a", key, "of", "its", "own"]:
                self._label(name, key, OWN)
            case ["label", name, pairs]:
                for pair in pairs.split(","):
                    self._label(name, *pair.split("="))
            case ["take", pairs, "out", "of", "placement.serverSelector"]:
                gone = [pair.split("=")[0] for pair in pairs.split(",")]
                self.ask = replace(ask, selector={k: v for k, v in ask.selector.items() if k not in gone})
            case ["move", "it", "with", "`starlink", "pool", "move", name, to]:
                self._node(name, pool=to.rstrip("`"))
            case ["free", amount, resource, "on", name, *_]:
                self._let_stop(name, resource)
                self._free(name, resource, worth(resource, amount))
            case ["add", architecture, "to", "placement.architectures"]:
                self.ask = replace(ask, architectures=(*ask.architectures, architecture))
            case ["add", architecture, "to", "pool", owner, "architectures"]:
                pool = self.pools[owner.removesuffix("'s")]
                self.pools[pool.name] = replace(pool, architectures=(*pool.architectures, architecture))
            case ["tolerate", taint, *_]:
                key = taint.partition(":")[0]
                self.ask = replace(ask, tolerations=(*ask.tolerations, Toleration(key=key, operator="Exists")))
            case ["take", "it", "off", _] | ["place", _, "first"] | ["create", "task", *_] | ["wait", *_]:
                raise Vague(words)
            case ["raise", "the", "maxSkew", "of", key, "to", skew]:
                self.ask = replace(ask, spread=(*(s for s in ask.spread if s.key != key), Spread(key, int(skew))))
            case ["let", "the", "spread", "over", key, *_]:
                self.ask = replace(ask, spread=tuple(replace(s, required=s.key != key) for s in ask.spread))
            case ["raise", "pool", owner, field, "to", percent]:
                pool, key = self.pools[owner.removesuffix("'s")], field.split(".")[1]
                self.pools[pool.name] = replace(pool, high={**pool.high, key: int(percent)})
            case ["raise", "pool", owner, field, "by", amount]:
                pool, (part, key) = self.pools[owner.removesuffix("'s")], field.split(".")
                changed: dict[str, Any] = {part: dict(getattr(pool, part))}
                changed[part][key] += worth(key, amount)
                self.pools[pool.name] = replace(pool, **changed)
            case ["let", "pool", name, "lend", amount, "more", field]:
                pool, key = self.pools[name], field.strip("()").removeprefix("lend.")
                self.pools[name] = replace(pool, lend={**pool.lend, key: pool.lend.get(key, 0) + worth(key, amount)})
            case ["stop", amount, "of", "what", "pool", name, "borrows", key]:
                self._give_back(name, key.strip("()"), worth(key.strip("()"), amount))
            case ["give", "the", "affinity" | "affinities", "a", "weight"]:
                self.ask = replace(ask, affinity=())
            case ["give", "the", "affinity", "or", "the", "antiAffinity", "to", group, "a", "weight"]:
                self._bear(frozenset({group}))
            case ["give", "the", "antiAffinity", "to", "web", "of", "the", "tasks", *_]:
                self.charges = [c._replace(load=replace(c.load, repels=())) for c in self.charges]
            case ["give", "the", "antiAffinity", "to", *named, "a", "weight"]:
                self._bear(frozenset(named) - {"or"})
            case ["place", "an", "instance", "of", group, "on", name]:
                self.charges = [*self.charges, Charge(name, Load(group))]
            case ["place", "an", "instance", "of", group, "in", domain]:
                key, value = domain.split("=")
                name = next(node.name for node in self.nodes.values() if node.labels.get(key) == value)
                self.charges = [*self.charges, Charge(name, Load(group))]
            case _:
                raise AssertionError(words)

    def _bear(self, named: frozenset[str]) -> None:
        left = tuple(term for term in self.ask.anti_affinity if not term.groups & named)
        load = replace(self.ask.load, repels=tuple(term for term in self.ask.load.repels if not term.groups & named))
        self.ask = replace(self.ask, anti_affinity=left, load=load)
        running = (replace(c.load, repels=load.repels) if c.load.group == "web" else c.load for c in self.charges)
        self.charges = [c._replace(load=borne) for c, borne in zip(self.charges, running, strict=True)]

    def _let_stop(self, server: str, resource: str) -> None:
        """Where more of a resource is taken than there is, what stops has stopped before anything else counts."""
        taken = sum(dict(c.load.requests).get(resource, 0) for c in self.charges if c.server == server)
        if taken > self.nodes[server].allocatable.get(resource, 0):
            gone = [c.stopping and c.server == server for c in self.charges]
            empty = [c._replace(load=replace(c.load, requests=())) for c in self.charges]
            self.charges = [new if out else old for old, new, out in zip(self.charges, empty, gone, strict=True)]

    def _give_back(self, pool: str, key: str, amount: int) -> None:
        """Instances of a pool give up that much of its quota."""
        mine = [charge.counted and self.nodes[charge.server].pool == pool for charge in self.charges]
        self._lessen("quota", mine, key, amount)

    def _free(self, server: str, resource: str, amount: int) -> None:
        """Others give up that much there, and nothing else."""
        self._lessen("requests", [charge.server == server for charge in self.charges], resource, amount)

    def _lessen(self, part: str, among: Sequence[bool], key: str, amount: int) -> None:
        """Those among the charges give up that much of a part of their loads, one after another."""
        for number, charge in enumerate(self.charges):
            if among[number] and amount:
                taken = dict(getattr(charge.load, part))
                given = min(amount, taken.get(key, 0))
                taken[key] = taken.get(key, 0) - given
                amount -= given
                lessened: dict[str, Any] = {part: tuple(taken.items())}
                self.charges[number] = charge._replace(load=replace(charge.load, **lessened))
        assert not amount, "more is to be given up than is taken"

    def _add_server(self, words: str, number: int) -> None:
        """A server with just what is named."""
        name = f"new-{number}"
        needs = {key: worth(key, size) for size, key in re.findall(r"(\d+m?) (cpu|gpu)", words)}
        labels = dict(pair.split("=") for pairs in re.findall(r"labelled (\S+)", words) for pair in pairs.split(","))
        if own := re.search(r" in a (\w+(?: and \w+)*) of its own", words):
            labels |= dict.fromkeys(own[1].split(" and "), f"{OWN}-{number}")
        architecture = (re.search(r" of (amd64|arm64|riscv64)", words) or [None, "riscv64"])[1]
        pool = re.search(r" in pool (\w+)", words)
        self.nodes[name] = Node(
            name,
            architecture=architecture or "",
            pool=pool[1] if pool else "",
            labels={**labels, ARCHITECTURE: architecture or ""},
            features=("kvm",) if "kvm" in words else (),
            allocatable=needs,
        )


def worth(resource: str, text: str) -> int:
    if resource != "cpu":
        return int(text)
    return int(text[:-1]) if text.endswith("m") else int(text) * 1000


def loads(group: str) -> st.SearchStrategy[Load]:
    def load(cpu: int, gpu: int, ports: frozenset[int], repels: tuple[Term, ...]) -> Load:
        needs = tuple((key, amount) for key, amount in (("cpu", cpu * 500), ("gpu", gpu)) if amount)
        return Load(group, 0, needs, (*needs, ("assignments", 1)), ports, repels)

    ports = st.frozensets(st.sampled_from([80, 443]), max_size=1)
    repels = st.sampled_from([*[()] * 5, (Term(WEB),), (Term(WEB, "zone"),), (Term(DB, "zone"),)])
    return st.builds(load, st.integers(0, 6), st.sampled_from([0, 0, 0, 1]), ports, repels)


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
AFFINITIES = [Term(DB), Term(DB, "zone"), Term(WEB, "zone"), Term(WEB), Term(frozenset({"ghost"}), "zone")]
SELECTORS = [{}, {}, {}, {"disk": "nvme"}, {"zone": "a"}, {ARCHITECTURE: "arm64"}, {"a b": "ü!"}]


def charges_on(servers: st.SearchStrategy[str]) -> st.SearchStrategy[Charge]:
    rarely = st.sampled_from([False] * 4 + [True])
    return st.builds(Charge, servers, st.one_of(loads("web"), loads("db")), rarely.map(lambda lost: not lost), rarely)


@st.composite
def in_cohort(draw: st.DrawFn, pool: Pool) -> Pool:
    """The pool, lending and borrowing some."""
    lend = {key: draw(st.sampled_from([0, amount])) for key, amount in pool.quota.items()}
    borrow = {key: draw(st.integers(0, 3)) * (500 if key == "cpu" else 1) for key in pool.quota if draw(st.booleans())}
    return replace(pool, cohort="all", lend=lend, borrow=borrow)


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    nodes = [
        replace(node, name=f"s{n}", labels={**node.labels, ARCHITECTURE: node.architecture})
        for n, node in enumerate(draw(st.lists(NODES, min_size=1, max_size=5)))
    ]
    quotas = {"cpu": st.integers(0, 8).map(lambda n: n * 500), "assignments": st.integers(0, 4)}
    high = draw(st.sampled_from([*[{}] * 3, {"cpu": 25}, {"cpu": 50}, {"cpu": 75}]))
    taken = draw(st.sampled_from([(), (), ("arm64",)]))
    edge = Pool("edge", taken, quota=draw(st.fixed_dictionaries({}, optional=quotas)), high=high)
    lab = Pool("lab", quota=draw(st.fixed_dictionaries(quotas)))
    edge, lab = (draw(in_cohort(edge)), draw(in_cohort(lab))) if draw(st.booleans()) else (edge, Pool("lab"))
    names = st.sampled_from([node.name for node in nodes])
    charges = draw(st.lists(charges_on(names), max_size=4))
    load = draw(loads("web"))
    ask = Ask(
        load,
        pool=draw(st.sampled_from(["", "edge"])),
        architectures=draw(st.sampled_from([(), (), (), ("arm64",), ("riscv64",)])),
        features=draw(st.sampled_from([frozenset(), frozenset({"kvm"})])),
        selector=draw(st.sampled_from(SELECTORS)),
        affinity=draw(st.sampled_from([*[()] * 6, *((term,) for term in AFFINITIES)])),
        anti_affinity=load.repels,
        spread=draw(st.sampled_from([(), (), (Spread("zone", 1),)])),
        gang=draw(st.booleans()),
        host_ports=draw(st.sampled_from([(), tuple(load.ports)])),
        unknown=frozenset({"ghost"}),
    )
    return Situation({n.name: n for n in nodes}, {"edge": edge, "lab": lab}, charges, ask, draw(st.integers(1, 6)))
