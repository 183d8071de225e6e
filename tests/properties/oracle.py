"""The scheduler again, slow and obvious: one instance after another, every server asked every question.

Written from the rules, in plain Python and without an array, to be compared with:
https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/
https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/#inter-pod-affinity-and-anti-affinity
https://kubernetes.io/docs/concepts/scheduling-eviction/topology-spread-constraints/
https://kueue.sigs.k8s.io/docs/concepts/cluster_queue/#cohort
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from tests.properties.stock import Stock

from starlink.scheduling.ask import HOSTNAME, Ask, Spread, Term, Toleration
from starlink.scheduling.fleet import Charge, Node, Taint
from starlink.scheduling.pool import FleetPool

FILTER_OF = {"cpu": "Cpu", "memory": "Memory", "ephemeral-storage": "EphemeralStorage", "gpu": "Gpu"}
GRID = 2**24
Test = Callable[[Node], bool]


@dataclass(frozen=True, slots=True)
class Turn:
    """Where one instance goes, how full the server then is, and the scores of all that fit."""

    server: str
    use: float
    scores: dict[str, float]


class Oracle(Stock):
    """Places on what there is. `place` adds instances for good."""

    def place(self, ask: Ask, count: int) -> list[Turn]:
        """One turn after another until nothing fits; a gang that is not whole is as if it had never been asked for."""
        turns = self.try_out(ask, count)
        if ask.gang and len(turns) < count:
            self.take_back(len(turns))
            return []
        return turns

    def try_out(self, ask: Ask, count: int) -> list[Turn]:
        """The turns of as many as fit, and no word of gangs."""
        turns: list[Turn] = []
        while len(turns) < count and (turn := self._turn(ask)) is not None:
            turns.append(turn)
            self.charges.append(Charge(turn.server, ask.load))
        return turns

    def take_back(self, count: int) -> None:
        """Undoes the last of the turns."""
        del self.charges[len(self.charges) - count :]

    def removed(self, ask: Ask) -> dict[str, int]:
        """For each filter that was the first to remove a server, how many."""
        found: dict[str, int] = {}
        for node in self.nodes:
            first = next((name for name, keeps in self._filters(ask) if not keeps(node)), "")
            if first:
                found[first] = found.get(first, 0) + 1
        return found

    def scores(self, ask: Ask) -> dict[str, float]:
        """The scores of the servers that fit, for the next instance."""
        fit = [node for node in self.nodes if all(keeps(node) for _, keeps in self._filters(ask))]
        return {node.name: self._score(ask, node) for node in fit}

    def _turn(self, ask: Ask) -> Turn | None:
        scores = self.scores(ask)
        if not scores:
            return None
        highest = max(scores.values())
        server = min(name for name, value in scores.items() if value == highest)
        return Turn(server, max(self._shares(ask, self.node[server]).values()), scores)

    # Filters

    def _filters(self, ask: Ask) -> Iterator[tuple[str, Test]]:
        yield from self._by_kind(ask)
        requests = dict(ask.load.requests)
        for resource in dict.fromkeys(("cpu", "memory", *requests)):
            yield FILTER_OF.get(resource, resource), self._has_room(resource, requests.get(resource, 0))
        yield "Ports", lambda node: not any(ask.load.ports & charge.load.ports for charge in self.on(node))
        yield "Affinity", lambda node: all(self._allows(ask, term, node) for term in _musts(ask.affinity))
        yield "AntiAffinity", lambda node: not self._keeps_apart(ask, node)
        yield "Spread", lambda node: all(self._is_even(ask, one, node) for one in ask.spread if one.required)
        yield "Quota", lambda node: self.quota_allows(ask.load, node.pool)

    def _by_kind(self, ask: Ask) -> Iterator[tuple[str, Test]]:
        pools = self.pools
        yield "Named", lambda node: ask.server in ("", node.name)
        yield "Ready", lambda node: node.ready
        yield "Schedulable", lambda node: node.schedulable
        yield "Pool", lambda node: ask.pool in ("", node.pool)
        yield (
            "Namespace",
            lambda node: (
                node.pool not in pools
                or not pools[node.pool].namespaces
                or ask.namespace in pools[node.pool].namespaces
            ),
        )
        yield (
            "PoolArchitecture",
            lambda node: (
                node.pool not in pools
                or not pools[node.pool].architectures
                or node.architecture in pools[node.pool].architectures
            ),
        )
        yield "Watermark", lambda node: node.pool not in pools or not self.is_above(pools[node.pool])
        yield "Architecture", lambda node: not ask.architectures or node.architecture in ask.architectures
        yield "Runtime", lambda node: ask.runtime == "" or ask.runtime in node.runtimes
        yield "Features", lambda node: all(feature in node.features for feature in ask.features)
        yield "Selector", lambda node: all(node.labels.get(key) == value for key, value in ask.selector.items())
        yield (
            "Taints",
            lambda node: all(
                taint.effect == "PreferNoSchedule" or any(tolerates(one, taint) for one in ask.tolerations)
                for taint in node.taints
            ),
        )

    def _has_room(self, resource: str, amount: int) -> Test:
        return lambda node: amount == 0 or self.used(node, resource) + amount <= node.allocatable.get(resource, 0)

    def _allows(self, ask: Ask, term: Term, node: Node) -> bool:
        anywhere = any(charge.counted and charge.load.group in term.groups for charge in self.charges)
        if self.domain(node, term.key) is None:
            return False
        first_of_its_own = ask.load.group in term.groups and not anywhere
        return first_of_its_own or self.near(node, term.groups, term.key)

    def _keeps_apart(self, ask: Ask, node: Node) -> bool:
        if any(self.near(node, term.groups, term.key) for term in _musts(ask.anti_affinity)):
            return True
        for charge in self.charges:
            for term in charge.load.repels if charge.counted else ():
                theirs = self.domain(self.node[charge.server], term.key)
                if ask.load.group in term.groups and theirs is not None and theirs == self.domain(node, term.key):
                    return True
        return False

    def eligible(self, ask: Ask, key: str) -> list[str]:
        """The domains that have a server of a kind that would do."""
        tests = [keeps for name, keeps in self._by_kind(ask) if name != "Watermark"]
        would_do = (node for node in self.nodes if all(keeps(node) for keeps in tests))
        return sorted({domain for node in would_do if (domain := self.domain(node, key)) is not None})

    def _is_even(self, ask: Ask, spread: Spread, node: Node) -> bool:
        domain, domains = self.domain(node, spread.key), self.eligible(ask, spread.key)
        if domain is None or domain not in domains:
            return False
        numbers = {one: self.number((ask.load.group,), spread.key, one) for one in domains}
        return numbers[domain] + 1 - min(numbers.values()) <= spread.max_skew

    # Scores

    def _policy(self, node: Node) -> FleetPool:
        return self.pools.get(node.pool, FleetPool(""))

    def _score(self, ask: Ask, node: Node) -> float:
        weights = self._policy(node).weights
        total = self._standing(ask, node)
        for term, sign in _wishes(ask):
            if self.near(node, term.groups, term.key):
                total += grid(sign * weights.affinity * ((term.weight or 0) / 100))
        for spread in ask.spread:
            total -= 0 if spread.required else weights.spread * self._skew(ask, spread, node)
        return total + self._filled(ask, node)

    def _standing(self, ask: Ask, node: Node) -> float:
        pool, preferred = self._policy(node), ask.preferred_architectures
        weights = pool.weights
        place = preferred.index(node.architecture) if node.architecture in preferred else len(preferred)
        wished = 1 - place / len(preferred) if preferred else 0.0
        unwelcome = sum(
            taint.effect == "PreferNoSchedule" and not any(tolerates(one, taint) for one in ask.tolerations)
            for taint in node.taints
        )
        total = grid(weights.architecture * wished - weights.taints * unwelcome)
        total += weights.use if pool.strategy == "Spread" else 0  # empty to spread is as good as full to pack
        total += weights.locality * (node.name in ask.local) + weights.failback * (node.name in ask.homes)
        return total - weights.taints * (node.name in ask.refused)

    def _filled(self, ask: Ask, node: Node) -> float:
        policy, shares = self._policy(node), self._shares(ask, node)
        weights, total = policy.weights, 0.0
        if policy.strategy == "Pack":
            total = weights.use * max(shares.values())
        else:
            total = -weights.use * max(shares.values()) - weights.own * self.number(
                (ask.load.group,), HOSTNAME, node.name
            )
            if not ask.load.requests:
                total -= weights.own * 0.1 * len(list(self.on(node)))
        return grid(total + weights.balance * (1.0 - abs(shares["cpu"] - shares["memory"])))

    def _shares(self, ask: Ask, node: Node) -> dict[str, float]:
        """How full the server would be of each resource that is weighed."""
        requests = dict(ask.load.requests)
        weighed = {"cpu", "memory"} | {resource for resource, amount in requests.items() if amount}
        return {
            key: (self.used(node, key) + requests.get(key, 0)) / max(node.allocatable.get(key, 0), 1) for key in weighed
        }

    def _skew(self, ask: Ask, spread: Spread, node: Node) -> int:
        """By how many instances the server's domain exceeds the emptiest; in none, one more than the fullest."""
        every = {self.domain(one, spread.key) for one in self.nodes} - {None}
        numbers = {domain: self.number((ask.load.group,), spread.key, domain) for domain in every}
        lowest = min((numbers[domain] for domain in self.eligible(ask, spread.key)), default=0)
        domain = self.domain(node, spread.key)
        worst = max((*numbers.values(), lowest)) + 1
        return (worst if domain is None else numbers[domain]) - lowest


def grid(value: float) -> float:
    return round(value * GRID) / GRID


def tolerates(toleration: Toleration, taint: Taint) -> bool:
    if toleration.effect not in (None, taint.effect) or toleration.key not in (None, taint.key):
        return False
    return toleration.operator == "Exists" or toleration.value == taint.value


def _musts(terms: Iterable[Term]) -> Iterator[Term]:
    return (term for term in terms if term.weight is None)


def _wishes(ask: Ask) -> Iterator[tuple[Term, float]]:
    yield from ((term, 1.0) for term in ask.affinity if term.weight is not None)
    yield from ((term, -1.0) for term in ask.anti_affinity if term.weight is not None)
