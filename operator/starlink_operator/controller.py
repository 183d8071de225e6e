"""What looks after the objects of one or more kinds; the reconciler runs it."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from starlink.api.kinds import Kind
from starlink.client.rights import Right
from starlink.engine.rounds.reservations import Reservations
from starlink.planning.plan import Plan
from starlink_operator.caches import Caches, Reads
from starlink_operator.reporting import Subject


class Controller(Protocol):
    """Says which of its objects are to be looked at, and plans them.

    `some` is set when there are any; what comes within `settles` seconds is planned together. A controller that is
    `periodic` looks at all its objects from time to time anyway, so that none needs another try.
    """

    @property
    def kinds(self) -> Collection[Kind]: ...
    @property
    def some(self) -> asyncio.Event: ...
    @property
    def settles(self) -> float: ...
    @property
    def periodic(self) -> bool: ...

    async def run(self) -> None:
        """What goes on beside the rounds, until cancelled."""
        ...

    def begin(self) -> None:
        """It leads: all objects are to be looked at, and from now on what changes."""
        ...

    def look(self, subject: Subject) -> None:
        """This object is to be looked at."""
        ...

    def look_at_all(self) -> None:
        """All objects are."""
        ...

    def awaited(self, subject: Subject) -> bool:
        """Whether the controller looks at this object soon anyway, and then tells a newer status of it."""
        ...

    def tick(self) -> None:
        """A second has passed."""
        ...

    def take(self) -> Collection[Subject]:
        """The objects of the next round."""
        ...

    def plan(self, subjects: Collection[Subject]) -> Sequence[Plan]:
        """Their plans."""
        ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What controllers share. `waits` says whether the plan of an object was refused, and its next try is to come;
    `monotonic` is a clock."""

    observed: Caches
    monotonic: Callable[[], float]
    waits: Callable[[Subject], bool]
    reservations: Reservations = field(default_factory=Reservations)
    allow_local: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """All that the operator is told of a kind, or of some that are looked after together. `writes` are the rights that
    its plans need, beside those to read what it reads."""

    controller: Callable[[Surroundings], Controller]
    reads: Reads
    writes: Sequence[Right] = ()
