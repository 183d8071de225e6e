"""What the engine says to what a task wants."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from starlink.api.assignment import Assignment
from starlink.planning.reasons import Unplaced


@dataclass(frozen=True, slots=True)
class PlacementResult:
    """What the engine found: a server for each of the first wants, and why not all are created now.

    A want that found none among others that did has the server "". `wait_for` has, by the index into `servers`, the
    UIDs of the assignments there that must have stopped before the new one starts; `victims` are those of lower
    priority that are told to. `renews`: a gang that is to be replaced fits as it would then be. `ports_taken` says, by
    the UID of an instance that is to have other hostPorts, who has which of them on its server.
    """

    servers: Sequence[str] = ()
    unplaced: Unplaced | None = None
    wait_for: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    victims: Sequence[Assignment] = ()
    renews: bool = False
    ports_taken: Mapping[str, str] = field(default_factory=dict)
