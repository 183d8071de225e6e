"""What a task wants changed, before servers have been found for what is new. Pure data."""

from dataclasses import dataclass, field

from starlink.api.assignment import Assignment
from starlink.planning.reasons import Because, Verdict


@dataclass(frozen=True, slots=True)
class Want:
    """A slot that wants a server for its next attempt; `server` is the only one that will do, "" when any may."""

    slot: str
    attempt: int
    server: str = ""


@dataclass(frozen=True, slots=True)
class Renewal:
    """A gang that is replaced at once if all of it fits as it would then be: who then goes, each with the reason, and
    the wants of all its slots."""

    remove: tuple[Because, ...]
    wants: tuple[Want, ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """The outcome of one look at a task.

    `remove` are deleted, `stop` told to stop but kept, each with the reason; `forget` are finished and go at once.
    `wants` are to be placed. `remember` are failures a slot to be written. `more` says that not all wants are here.
    `verdict` ends a Batch. `updating` says why it is not settled. `renewal` is decided on once servers
    have been looked for.
    """

    remove: tuple[Because, ...] = ()
    stop: tuple[Because, ...] = ()
    forget: tuple[Assignment, ...] = ()
    wants: tuple[Want, ...] = ()
    failures: dict[str, int] = field(default_factory=dict)
    completed: frozenset[int] = frozenset()
    more: bool = False
    verdict: Verdict | None = None
    updating: str = ""
    renewal: Renewal | None = None
    recheck_after: float | None = None
