"""What a round of planning looks at: everything declared and observed, at one moment."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from starlink.api.assignment import Assignment
from starlink.api.meta import ObjectKey
from starlink.api.pool import Pool
from starlink.api.server import Server
from starlink.api.task import ArtifactFinding, Task


@dataclass(frozen=True, slots=True)
class World:
    """One consistent view.

    `assignments` are grouped by the namespace and name of their task, also of tasks that are gone.
    `silence` is, for each server, how many seconds ago its heartbeat was last seen to be renewed,
    on the observer's own monotonic clock. `now` is seconds since the epoch, for timestamps only.
    `findings` say what was found inside the artifacts of tasks, `looking` are the tasks whose artifacts
    are being looked into. `ready_for` says, by UID, for how many seconds instances have been ready that became so
    lately, on the observer's own clock; the others have been so for long.
    """

    tasks: Mapping[ObjectKey, Task]
    assignments: Mapping[ObjectKey, tuple[Assignment, ...]]
    pools: Mapping[str, Pool]
    servers: Mapping[str, Server]
    silence: Mapping[str, float]
    now: float
    findings: Mapping[ObjectKey, ArtifactFinding] = field(default_factory=dict)
    looking: frozenset[ObjectKey] = frozenset()
    ready_for: Mapping[str, float] = field(default_factory=dict)
