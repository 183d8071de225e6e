"""Task: a workload."""

from typing import Annotated, Any, Literal, get_args

import msgspec

from starlink.api import duration, labels
from starlink.api.enumerations import known
from starlink.api.meta import Condition, Object, View
from starlink.api.refusal import Refusal
from starlink.api.remedy import Remedy, way
from starlink.api.server import TaintEffect
from starlink.api.slots import FixedSlots
from starlink.api.template import Architecture, Template

DEFAULT_REPLICAS = 1
DEFAULT_COMPLETIONS = 1
DEFAULT_PARALLELISM = 1
DEFAULT_RETRIES = 3
DEFAULT_MIN_READY = 5.0
"""Seconds, where no readiness probe says more than that the process runs."""


class Toleration(View, frozen=True):
    key: str | None = None
    operator: Annotated[str, known(Literal["Equal", "Exists"])] = "Equal"
    value: str = ""
    effect: Annotated[str, known(TaintEffect)] | None = None


class Affinity(View, frozen=True):
    """Other tasks to be near to, or away from: `task` by name or `task_selector` by labels, in the same namespace.

    Without `weight` it is required, with it (1 to 100) preferred.
    """

    task: str = ""
    task_selector: dict[str, str] = msgspec.field(default_factory=dict)
    topology_key: str = labels.HOSTNAME
    weight: int | None = None


class Spread(View, frozen=True):
    """How evenly instances lie over the values of a label of servers."""

    topology_key: str
    max_skew: int = 1
    when_unsatisfiable: Annotated[str, known(Literal["DoNotSchedule", "ScheduleAnyway"])] = "DoNotSchedule"


class Placement(View, frozen=True):
    pool: str = ""
    architectures: tuple[str, ...] = ()
    server_selector: dict[str, str] = msgspec.field(default_factory=dict)
    tolerations: tuple[Toleration, ...] = ()
    lost_after: str = "15s"
    priority: int = 0
    gang: bool = False
    affinity: tuple[Affinity, ...] = ()
    anti_affinity: tuple[Affinity, ...] = ()
    spread: tuple[Spread, ...] = ()
    preferred_architectures: tuple[str, ...] = ()
    features: tuple[str, ...] = ()

    @property
    def lost_after_seconds(self) -> float:
        return duration.seconds(self.lost_after)


class ServerCount(View, frozen=True):
    """How many instances run on one server."""

    name: str
    replicas: int = 1


class Update(View, frozen=True):
    """`max_unavailable` is a number, or a percent of what is wanted such as `25%`; `min_ready_time` a duration."""

    max_unavailable: int | str = 1
    min_ready_time: str | None = None


class TaskSpec(View, frozen=True):
    template: Template
    type: Annotated[str, known(Literal["Service", "Batch"])] = "Service"
    replicas: int | None = None
    servers: tuple[ServerCount, ...] = ()
    completions: int | None = None
    parallelism: int | None = None
    retries: int | None = None
    deadline: str | None = None
    suspend: bool = False
    host_ports: tuple[int, ...] = ()
    placement: Placement = Placement()
    update: Update = Update()


class SlotStatus(View, frozen=True):
    slot: str
    attempts: int
    failures: int = 0


class ArtifactFinding(View, frozen=True):
    """What was found inside an artifact, and by what: `digest` is its SHA-256 in hexadecimal digits, "" when nobody
    could look."""

    digest: str = ""
    architectures: tuple[str, ...] = ()
    source: str = ""

    @property
    def nowhere(self) -> Refusal | None:
        """Why no server can run the artifact, and the way out; None when one may."""
        if not self.digest or self.architectures:
            return None
        known = " or ".join(get_args(Architecture))
        remedy = Remedy((way("Pack", value=known), way("NameArchitecture")))
        return Refusal("ArtifactRunsNowhere", remedy, f"no server can run its artifact ({self.source})")


class SlotResult(View, frozen=True):
    """What the driver of a slot has found: an object, by its own schema."""

    slot: str
    result: Any = None


class TaskStatus(View, frozen=True):
    observed_generation: int = 0
    phase: str = ""
    desired: int = 0
    replicas: int = 0
    ready: int = 0
    available: int = 0
    updated: int = 0
    succeeded: int = 0
    failed: int = 0
    revision: str = ""
    selector: str = ""
    started_at: str | None = None
    finished_at: str | None = None
    suspended_at: str | None = None
    suspended_seconds: int = 0
    completed_slots: str = ""
    slots: tuple[SlotStatus, ...] = ()
    results: tuple[SlotResult, ...] = ()
    artifact: ArtifactFinding | None = None
    conditions: tuple[Condition, ...] = ()


class Task(Object, frozen=True):
    spec: TaskSpec
    status: TaskStatus = TaskStatus()

    @property
    def is_batch(self) -> bool:
        return self.spec.type == "Batch"

    @property
    def is_pinned_driver(self) -> bool:
        """Whether it is a driver that belongs to its servers, whatever else may come there."""
        return self.spec.template.runtime == "Driver" and bool(self.spec.servers)

    @property
    def replicas(self) -> int:
        """Instances that a Service wants, suspension aside; those of fixed counts where it has them."""
        if self.spec.servers:
            return len(self.fixed_slots)
        return DEFAULT_REPLICAS if self.spec.replicas is None else self.spec.replicas

    @property
    def fixed_slots(self) -> FixedSlots:
        """The slots of fixed counts, each with its server; empty without them."""
        return FixedSlots((server.name, server.replicas) for server in self.spec.servers)

    def max_unavailable(self, desired: int) -> int:
        """How many of `desired` ready instances may be missing at once by our own doing.

        A percent is rounded down, but to no less than 1; 0 stays 0. Raises ValueError.
        """
        value = str(self.spec.update.max_unavailable)
        number = value.removesuffix("%")
        if not number.isdecimal():
            raise ValueError(f"{value!r} is neither a number nor a percent; write 2 or 25%")
        if number == value or not int(number):
            return int(number)
        return max(desired * int(number) // 100, 1)

    @property
    def min_ready_seconds(self) -> float:
        """For how long an instance must have been ready to be available. Raises ValueError."""
        given = self.spec.update.min_ready_time
        if given is not None:
            return duration.seconds(given)
        return DEFAULT_MIN_READY if self.spec.template.probes.readiness is None else 0.0

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
    def restart_policy(self) -> str:
        """What the template says, else Always for a Service and Never for a Batch."""
        return self.spec.template.restart.policy or ("Never" if self.is_batch else "Always")

    @property
    def architectures(self) -> tuple[str, ...]:
        """Those that will do: declared, and of the artifact's variants where it has some, else found inside it; empty
        when all will."""
        declared, artifact = self.spec.placement.architectures, self.spec.template.artifact
        if artifact is not None and artifact.variants:
            packed = tuple(variant.architecture for variant in artifact.variants)
            return tuple(one for one in declared if one in packed) if declared else packed
        return declared or (self.finding.architectures if self.finding else ())

    @property
    def finding(self) -> ArtifactFinding | None:
        """What its status says of the artifact that it has now; None when it does not, or when the spec decides."""
        artifact, found = self.spec.template.artifact, self.status.artifact
        if artifact is None or artifact.variants or self.spec.placement.architectures or found is None:
            return None
        return found if found.digest == artifact.sha256 else None
