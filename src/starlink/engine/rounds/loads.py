"""What instances take, and what tasks ask, in the scheduler's words."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from weakref import WeakValueDictionary

from starlink.api import quantity
from starlink.api.assignment import Assignment
from starlink.api.quantity import Quantity
from starlink.api.task import Task
from starlink.engine.rounds.neighbours import Neighbours, group_of
from starlink.planning.observed import SERVER_LOST
from starlink.scheduling.ask import Ask, Load, Spread, Term
from starlink.scheduling.fleet import Charge
from starlink.scheduling.quotas import quota_key


class Loads:
    """Makes loads, one for all instances that take the same. It goes with the last of them."""

    def __init__(self) -> None:
        self._known: WeakValueDictionary[Hashable, Load] = WeakValueDictionary()

    def __len__(self) -> int:
        return len(self._known)

    def of(
        self,
        group: str,
        priority: int,
        requests: Mapping[str, Quantity],
        ports: Iterable[int],
        repels: tuple[Term, ...],
        *,
        pinned: bool = False,
    ) -> Load:
        """Those of a `pinned` driver take nothing of a quota."""
        given = group, priority, tuple(requests.items()), tuple(ports), repels, pinned
        load = self._known.get(given)
        if load is None:
            amounts = _amounts(requests)
            quota = () if pinned else _quota(amounts)
            load = self._known[given] = Load(group, priority, amounts, quota, frozenset(given[3]), repels)
        return load

    def charge(self, assignment: Assignment, task: Task | None, repels: tuple[Term, ...]) -> Charge:
        """What an unfinished assignment is charged with. One whose task is gone has the lowest priority; one whose
        requests can't be read takes none, for no agent starts it."""
        requests = assignment.spec.template.resources.requests
        group = f"{assignment.metadata.namespace}/{assignment.task}"
        priority = task.spec.placement.priority if task else 0
        ports, pinned = _ports(assignment), assignment.is_pinned_driver
        try:
            load = self.of(group, priority, requests, ports, repels, pinned=pinned)
        except ValueError:
            load = self.of(group, priority, {}, ports, repels, pinned=pinned)
        lost = assignment.spec.reason == SERVER_LOST
        return Charge(assignment.spec.server, load, counted=not lost, stopping=assignment.stopping)

    def ask(
        self,
        task: Task,
        neighbours: Neighbours,
        *,
        architectures: Sequence[str] | None = None,
        source: str = "",
        server: str = "",
        homes: frozenset[str] = frozenset(),
        refused: frozenset[str] = frozenset(),
        local: frozenset[str] = frozenset(),
        running: int = 0,
    ) -> Ask:
        """What one instance of the task asks; `server` is the only one that will do, `architectures` those, if it is
        not what the task says, found as `source` says. So many are `running` already."""
        placement, template = task.spec.placement, task.spec.template
        apart = neighbours.terms(task, placement.anti_affinity)
        ports = (*(port.port for port in template.ports if port.port), *task.spec.host_ports)
        requests, pinned = template.resources.requests, task.is_pinned_driver
        return Ask(
            load=self.of(group_of(task.key), placement.priority, requests, ports, _required(apart), pinned=pinned),
            server=server,
            ignores_cordon=pinned,
            pool=placement.pool,
            namespace=task.metadata.namespace,
            architectures=tuple(task.architectures if architectures is None else architectures),
            architectures_from=architectures_from(task, source),
            preferred_architectures=placement.preferred_architectures,
            runtime=template.runtime,
            features=frozenset(placement.features),
            selector=placement.server_selector,
            tolerations=placement.tolerations,
            affinity=neighbours.terms(task, placement.affinity),
            anti_affinity=apart,
            spread=tuple(
                Spread(one.topology_key, one.max_skew, one.when_unsatisfiable == "DoNotSchedule")
                for one in placement.spread
            ),
            local=local,
            homes=homes,
            refused=refused,
            gang=placement.gang,
            running=running,
            host_ports=task.spec.host_ports,
            unknown=neighbours.unknown(task),
        )


def architectures_from(task: Task, source: str = "") -> str:
    """Where the architectures of a task are from: the field that declares them, else what was looked into, as the
    status or `source` says."""
    artifact, found = task.spec.template.artifact, task.status.artifact
    declared = bool(task.spec.placement.architectures)
    if artifact is not None and artifact.variants:
        return "placement.architectures and artifact.variants" if declared else "artifact.variants"
    if declared or artifact is None:
        return "placement.architectures"
    told = found.source if found is not None and found.digest == artifact.sha256 else source
    return f"the artifact's {told}" if told else "the artifact"


def _amounts(requests: Mapping[str, Quantity]) -> tuple[tuple[str, int], ...]:
    counted = ((name, quantity.amount(name, value)) for name, value in requests.items())
    return tuple(sorted(one for one in counted if one[1]))


def repels(task: Task, neighbours: Neighbours) -> tuple[Term, ...]:
    """Whom the task's instances keep away."""
    return _required(neighbours.terms(task, task.spec.placement.anti_affinity))


def _required(terms: Iterable[Term]) -> tuple[Term, ...]:
    return tuple(term for term in terms if term.weight is None)


def _quota(amounts: Iterable[tuple[str, int]]) -> tuple[tuple[str, int], ...]:
    """The amounts in the words of a pool's quota."""
    counted = {"assignments": 1}
    for name, amount in amounts:
        if key := quota_key(name):
            counted[key] = counted.get(key, 0) + amount
    return tuple(sorted(counted.items()))


def _ports(assignment: Assignment) -> list[int]:
    spec = assignment.spec
    fixed = [port.port for port in spec.template.ports if port.port]
    return [*fixed, *spec.host_ports, *(endpoint.port for endpoint in assignment.status.endpoints)]
