"""What a task's status is made of, counted once."""

from starlink.planning.examined import Examined
from starlink.planning.health import Health
from starlink.planning.observed import failed, ready_now
from starlink.planning.placement import PlacementResult
from starlink.planning.replacements import troubled
from starlink.planning.results import results


class Facts:
    """The numbers, and the assignments that something is told of."""

    def __init__(self, examined: Examined, placement: PlacementResult, health: Health) -> None:
        task, observed = examined.task, examined.observed
        ready = ready_now(health)
        self.examined = examined
        self.task = task
        self.unplaced = placement.unplaced
        self.wants = len(examined.decision.wants)
        self.without_server = len(examined.decision.wants) - sum(1 for server in placement.servers if server)
        self.live = len(observed.live)
        self.ready = sum(1 for a in observed.live.values() if ready(a))
        self.available = sum(1 for a in observed.live.values() if observed.standing.is_available(a))
        self.crashing = [a for a in observed.live.values() if observed.standing.crashes(a)]
        self.troubled = troubled(observed)
        self.updated = sum(1 for a in observed.live.values() if a.revision == examined.revision)
        self.unclear = observed.unclear
        self.stopping = sum(1 for a in observed.active.values() if a.stopping and a not in observed.unclear)
        self.braked = sorted({a.spec.server for a in observed.live.values() if a.spec.server in health.braked})
        self.failing = [a for slot, a in observed.finished.items() if failed(a) and slot not in observed.active]
        self.failures = examined.decision.failures
        self.completed = len(examined.decision.completed)
        self.results = results(task, observed, examined.decision)
        self.desired = task.completions if task.is_batch else 0 if task.spec.suspend else task.replicas

    @property
    def settled(self) -> bool:
        """Whether a Service is as declared."""
        return (
            self.ready == self.live == self.desired
            and self.updated == self.live
            and not (self.stopping or self.crashing or self.unclear or self.examined.decision.updating)
        )
