"""Fleets with an ask that finds no place, which can be changed as a remedy says."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st

from starlink.api.labels import ARCHITECTURE
from starlink.api.remedy import Change, NewServer, Way
from starlink.api.server import Taint
from starlink.api.task import Toleration
from starlink.scheduling.ask import Ask, Load, Spread, Term
from starlink.scheduling.fleet import Charge, Fleet, Node
from starlink.scheduling.place import place
from starlink.scheduling.pool import FleetPool

WEB, DB = frozenset({"web"}), frozenset({"db"})
VAGUE = frozenset(
    {"WaitForServer", "WaitForPool", "StopSome", "MakeRoom", "CreateTask", "CreateMatch", "ChangeOne", "Correct",
     "PlaceFirst", "Untaint", "More"}
)  # fmt: skip
"""What has no one meaning that could be tried."""
FOR_ALL = frozenset({"AskLess", "RaiseBy", "RaiseTo", "Lend"})
"""What helps all that are missing where nothing else is said."""
OWN = "its-own"


class Vague(Exception):
    """What is proposed has no one meaning that could be tried."""


@dataclass(slots=True)
class Situation:
    """A fleet that can be changed as a remedy says, and built anew."""

    nodes: dict[str, Node]
    pools: dict[str, FleetPool]
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

    def apply(self, way: Way) -> int:
        """Does what one way of a remedy says, and gives how many it promises to place. Raises Vague."""
        codes = [change.code for change in way.changes]
        if not VAGUE.isdisjoint(codes):
            raise Vague(str(way))
        last = way.changes[-1]
        assert last.helps is None or last.helps.instances < last.helps.missing == self.count
        helped = last.helps.instances if last.helps else 0
        if isinstance(last, NewServer):
            number = (helped or self.count) if last.each else 1
            for one in range(number):
                self._add_server(last, one)
            return number
        for change in way.changes:
            assert isinstance(change, Change)
            self._change(change)
        if helped:
            return helped
        alone = codes[0] in FOR_ALL if len(codes) == 1 else all(code in ("RaiseBy", "RaiseTo") for code in codes)
        return self.count if self.ask.gang or alone else 1

    def _node(self, name: str, **changed: Any) -> None:
        self.nodes[name] = replace(self.nodes[name], **changed)

    def _label(self, name: str, key: str, value: str) -> None:
        assert key not in ("kubernetes.io/arch", "kubernetes.io/hostname", "a b")
        self._node(name, labels={**self.nodes[name].labels, key: value})

    def _change(self, change: Change) -> None:
        ask, load = self.ask, self.ask.load
        name, value = change.subject, change.value
        match change.code:
            case "AskFewer" | "AskFewerOn":
                self.count -= int(value)
            case "AskAnyPort" | "DropHostPorts":
                self.ask = replace(ask, load=replace(load, ports=frozenset()))
            case "AskLess":
                needs = {**dict(load.requests), change.field: worth(change.field, value)}
                quota = tuple((key, needs.get(key, count)) for key, count in load.quota)
                self.ask = replace(ask, load=replace(load, requests=tuple(needs.items()), quota=quota))
            case "Uncordon":
                self._node(name, schedulable=True)
            case "BringBack":
                self._node(name, ready=True)
            case "Offer":
                self._let_stop(name, change.field)
                had = self.nodes[name].allocatable
                more = had.get(change.field, 0) + worth(change.field, value)
                self._node(name, allocatable={**had, change.field: more})
            case "OfferFeatures":
                self._node(name, features=(*self.nodes[name].features, value))
            case "LabelServers":
                for one in self.nodes:
                    self._label(one, value, "a")
            case "LabelOwn":
                self._label(name, change.field, OWN)
            case "Label":
                for pair in value.split(","):
                    self._label(name, *pair.split("="))
            case "DropLabels":
                gone = [pair.split("=")[0] for pair in value.split(",")]
                self.ask = replace(ask, selector={k: v for k, v in ask.selector.items() if k not in gone})
            case "MoveServer":
                self._node(name, pool=value)
            case "Free":
                self._let_stop(name, change.field)
                self._free(name, change.field, worth(change.field, value))
            case "FreeFirst":
                amount, resource = value.split()
                self._let_stop(name, resource)
                self._free(name, resource, worth(resource, amount))
            case "AddArchitecture":
                self.ask = replace(ask, architectures=(*ask.architectures, value))
            case "AdmitArchitecture":
                pool = self.pools[name]
                self.pools[name] = replace(pool, architectures=(*pool.architectures, value))
            case "Tolerate":
                key = value.partition(":")[0]
                self.ask = replace(ask, tolerations=(*ask.tolerations, Toleration(key=key, operator="Exists")))
            case "RaiseSkew":
                spread = Spread(change.field, int(value))
                self.ask = replace(ask, spread=(*(s for s in ask.spread if s.key != spread.key), spread))
            case "SpreadAnyway":
                kept = tuple(replace(s, required=s.key != change.field) for s in ask.spread)
                self.ask = replace(ask, spread=kept)
            case "RaiseTo":
                pool, key = self.pools[name], change.field.split(".")[1]
                self.pools[name] = replace(pool, high={**pool.high, key: int(value)})
            case "RaiseBy":
                pool, (part, key) = self.pools[name], change.field.split(".")
                changed: dict[str, Any] = {part: dict(getattr(pool, part))}
                changed[part][key] += worth(key, value)
                self.pools[name] = replace(pool, **changed)
            case "Lend":
                pool, key = self.pools[name], change.field
                self.pools[name] = replace(pool, lend={**pool.lend, key: pool.lend.get(key, 0) + worth(key, value)})
            case "StopBorrowing":
                self._give_back(name, change.field, worth(change.field, value))
            case "WeighAffinity" | "WeighAffinities":
                self.ask = replace(ask, affinity=())
            case "WeighEither":
                self._bear(frozenset({value}))
            case "WeighTheirs":
                self.charges = [c._replace(load=replace(c.load, repels=())) for c in self.charges]
            case "WeighAntiAffinity":
                self._bear(frozenset(value.split(" or ")))
            case "Place":
                self.charges = [*self.charges, Charge(self._place(value), Load(name))]
            case _:
                raise AssertionError(change)

    def _place(self, where: str) -> str:
        """A server `on NAME`, or one `in KEY=VALUE`."""
        word, place = where.split()
        if word == "on":
            return place
        key, value = place.split("=")
        return next(node.name for node in self.nodes.values() if node.labels.get(key) == value)

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

    def _add_server(self, new: NewServer, number: int) -> None:
        """A server with just what is named."""
        name = f"new-{number}"
        amounts = [offer.split() for offer in new.offers if " " in offer]
        labels = {**dict(pair.split("=") for pair in new.labels), **dict.fromkeys(new.of_its_own, f"{OWN}-{number}")}
        architecture = new.architectures[0] if new.architectures else "riscv64"
        self.nodes[name] = Node(
            name,
            architecture=architecture,
            pool=new.pool,
            labels={**labels, ARCHITECTURE: architecture},
            features=tuple(offer for offer in new.offers if " " not in offer),
            allocatable={resource: worth(resource, amount) for amount, resource in amounts},
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
def in_cohort(draw: st.DrawFn, pool: FleetPool) -> FleetPool:
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
    edge = FleetPool("edge", taken, quota=draw(st.fixed_dictionaries({}, optional=quotas)), high=high)
    lab = FleetPool("lab", quota=draw(st.fixed_dictionaries(quotas)))
    edge, lab = (draw(in_cohort(edge)), draw(in_cohort(lab))) if draw(st.booleans()) else (edge, FleetPool("lab"))
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
