"""Task: a workload."""

from typing import Literal

import msgspec

from starlink.api import duration
from starlink.api.meta import Condition, Object, View
from starlink.api.template import Architecture, RestartPolicy, Template

DEFAULT_REPLICAS = 1
DEFAULT_COMPLETIONS = 1
DEFAULT_PARALLELISM = 1
DEFAULT_RETRIES = 3


class Toleration(View, frozen=True):
    key: str | None = None
    operator: Literal["Equal", "Exists"] = "Equal"
    value: str = ""
    effect: Literal["NoSchedule", "NoExecute"] | None = None


class Placement(View, frozen=True):
    pool: str = ""
    architectures: tuple[Architecture, ...] = ()
    server_selector: dict[str, str] = msgspec.field(default_factory=dict)
    tolerations: tuple[Toleration, ...] = ()
    lost_after: str = "15s"

    @property
    def lost_after_seconds(self) -> float:
        return duration.seconds(self.lost_after)


class TaskSpec(View, frozen=True):
    template: Template
    type: Literal["Service", "Batch"] = "Service"
    replicas: int | None = None
    completions: int | None = None
    parallelism: int | None = None
    retries: int | None = None
    deadline: str | None = None
    suspend: bool = False
    placement: Placement = Placement()


class SlotStatus(View, frozen=True):
    slot: str
    attempts: int
    failures: int = 0


class TaskStatus(View, frozen=True):
    observed_generation: int = 0
    phase: str = ""
    desired: int = 0
    replicas: int = 0
    ready: int = 0
    updated: int = 0
    succeeded: int = 0
    failed: int = 0
    revision: str = ""
    selector: str = ""
    started_at: str | None = None
    finished_at: str | None = None
    completed_slots: str = ""
    slots: tuple[SlotStatus, ...] = ()
    conditions: tuple[Condition, ...] = ()


class Task(Object, frozen=True):
    spec: TaskSpec
    status: TaskStatus = TaskStatus()

    @property
    def is_batch(self) -> bool:
        return self.spec.type == "Batch"

    @property
    def replicas(self) -> int:
        """Instances that a Service wants, suspension aside."""
        return DEFAULT_REPLICAS if self.spec.replicas is None else self.spec.replicas

    @property
    def completions(self) -> int:
        return DEFAULT_COMPLETIONS if self.spec.completions is None else self.spec.completions

    @property
    def parallelism(self) -> int:
        return DEFAULT_PARALLELISM if self.spec.parallelism is None else self.spec.parallelism

    @property
    def retries(self) -> int:
        return DEFAULT_RETRIES if self.spec.retries is None else self.spec.retries

    @property
    def restart_policy(self) -> RestartPolicy:
        """What the template says, else Always for a Service and Never for a Batch."""
        return self.spec.template.restart.policy or ("Never" if self.is_batch else "Always")

    @property
    def architectures(self) -> tuple[Architecture, ...]:
        """Those that will do; empty when all will."""
        if self.spec.placement.architectures:
            return self.spec.placement.architectures
        artifact = self.spec.template.artifact
        return tuple(variant.architecture for variant in artifact.variants) if artifact else ()
