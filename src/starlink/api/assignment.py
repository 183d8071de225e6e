"""Assignment: one attempt of one slot of a task on one server."""

from typing import Annotated, Any, Literal

from starlink.api import labels
from starlink.api.enumerations import known
from starlink.api.meta import Condition, Object, View
from starlink.api.names import server_hash
from starlink.api.template import Template

Phase = Literal["Pending", "Preparing", "Starting", "Running", "Stopping", "Stopped", "Exited", "Failed", "Unknown"]
"""Those that this version writes; who is newer may write others, which are none of the final ones. Unknown is the
operator's word where the server is not heard; the agent's next report takes its place."""

FINAL_PHASES: frozenset[str] = frozenset({"Stopped", "Exited", "Failed"})
"""Nothing of the assignment runs any more, and nothing of it will."""


LARGEST_RESULT = 16 * 1024
"""Bytes of JSON of what a driver has found."""


class AssignmentSpec(View, frozen=True):
    server: str
    slot: str
    attempt: int
    template: Template
    desired: Annotated[str, known(Literal["Running", "Stopped"])] = "Running"
    reason: str = ""
    wait_for: tuple[str, ...] = ()
    host_ports: tuple[int, ...] = ()


class Endpoint(View, frozen=True):
    name: str
    address: str
    port: int


class AssignmentStatus(View, frozen=True):
    """`result` is an object, by its driver's own schema; whoever wrote anything else there is passed over."""

    observed_generation: int = 0
    phase: str = "Pending"
    ready: bool = False
    reason: str = ""
    message: str = ""
    exit_code: int | None = None
    signal: str = ""
    restarts: int = 0
    started_at: str | None = None
    finished_at: str | None = None
    endpoints: tuple[Endpoint, ...] = ()
    result: Any = None
    conditions: tuple[Condition, ...] = ()


class Assignment(Object, frozen=True):
    spec: AssignmentSpec
    status: AssignmentStatus = AssignmentStatus()

    @property
    def task(self) -> str:
        """The name of the task that it belongs to."""
        return self.metadata.labels.get(labels.TASK, "")

    @property
    def revision(self) -> str:
        return self.metadata.labels.get(labels.REVISION, "")

    @property
    def is_pinned_driver(self) -> bool:
        """Whether it is an instance of such a task, be the task another now, or gone: its slot is one of its server."""
        spec = self.spec
        return spec.template.runtime == "Driver" and spec.slot.rpartition("-")[0] == server_hash(spec.server)

    @property
    def finished(self) -> bool:
        """Whether its agent has said that nothing of it runs or will run."""
        return self.status.phase in FINAL_PHASES

    @property
    def doubted(self) -> bool:
        """Whether what it last said is not to be relied on, until its agent reports again."""
        return self.status.phase == "Unknown"

    @property
    def stopping(self) -> bool:
        """Whether it has been told to stop, or deleted, and has not finished."""
        return not self.finished and (self.metadata.deleting or self.spec.desired == "Stopped")
