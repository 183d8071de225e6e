"""A task as it is planned: looked at, and not yet placed."""

from dataclasses import dataclass

from starlink.api.assignment import Assignment
from starlink.api.refusal import Refusal
from starlink.api.task import ArtifactFinding, Task
from starlink.planning.decision import Decision
from starlink.planning.observed import Observed


@dataclass(frozen=True, slots=True)
class Examined:
    """A task that exists, with what it wants, and what was found inside its artifact."""

    task: Task
    revision: str
    observed: Observed
    decision: Decision
    strays: tuple[Assignment, ...]
    finding: ArtifactFinding | None = None

    @property
    def architectures(self) -> tuple[str, ...]:
        """Those that will do; empty when all will."""
        return self.task.architectures or (self.finding.architectures if self.finding else ())

    @property
    def nowhere(self) -> Refusal | None:
        """Why no server can run its artifact, and the way out; None when one may."""
        finding = self.finding or self.task.finding
        return finding.nowhere if finding else None
