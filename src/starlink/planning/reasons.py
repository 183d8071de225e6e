"""Why something is so, as data: the words are put together where they are told. Pure."""

from dataclasses import dataclass
from typing import Literal

from starlink.api.assignment import Assignment
from starlink.api.meta import ObjectKey
from starlink.api.refusal import Refusal

Phase = Literal["Complete", "Failed"]
"""How a Batch ends."""


@dataclass(frozen=True, slots=True)
class Because:
    """An assignment that has to go, and the reason in one word."""

    assignment: Assignment
    reason: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a Batch has ended, for good."""

    phase: Phase
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Awaited:
    """An assignment that has to stop before others are created."""

    assignment: ObjectKey
    server: str


@dataclass(frozen=True, slots=True)
class Hold:
    """So many instances have a place, and are created once others have stopped and freed quota."""

    instances: int
    awaited: tuple[Awaited, ...]


@dataclass(frozen=True, slots=True)
class Protected:
    """A task whose `update.maxUnavailable` keeps its instances from making room. So many of its `desired` instances are
    `missing`, some of them because they make room already if `making_room`. `enough` is what the field would have to
    be; `replicas` is a number of instances that would do as well, None where there is none."""

    task: ObjectKey
    max_unavailable: str
    desired: int
    missing: int
    making_room: bool
    enough: int
    replicas: int | None = None


@dataclass(frozen=True, slots=True)
class GangStays:
    """A gang that is to be replaced, all of it at once, does not fit as it would be: so many of it run, and so many are
    wanted."""

    running: int
    wanted: int


@dataclass(frozen=True, slots=True)
class Unplaced:
    """Why not all that is wanted is created now. `protected` are, by the servers that were asked for, the tasks that
    could make room if they were let."""

    hold: Hold | None = None
    refusals: tuple[Refusal, ...] = ()
    protected: tuple[tuple[Protected, ...], ...] = ()
    gang: GangStays | None = None

    @property
    def only_waits(self) -> bool:
        """Whether nobody has to do anything."""
        return self.hold is not None and not self.refusals
