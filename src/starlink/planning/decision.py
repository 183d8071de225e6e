"""What a task wants changed, before servers have been found for what is new. Pure data."""

from dataclasses import dataclass, field

from starlink.api.assignment import Assignment


@dataclass(frozen=True, slots=True)
class Want:
    """A slot that wants a server for its next attempt; `server` is the only one that will do, "" when any may."""

    slot: str
    attempt: int
    server: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """The outcome of one look at a task.

    `remove` are deleted, `stop` told to stop but kept, each with the reason; `forget` are finished and go at once.
    `wants` are to be placed. `remember` are failures a slot to be written. `more` says that not all wants are here.
    `verdict` ends a Batch. `updating` and `waiting` say why it is not settled.
    """

    remove: tuple[tuple[Assignment, str], ...] = ()
    stop: tuple[tuple[Assignment, str], ...] = ()
    forget: tuple[Assignment, ...] = ()
    wants: tuple[Want, ...] = ()
    failures: dict[str, int] = field(default_factory=dict)
    completed: frozenset[int] = frozenset()
    more: bool = False
    verdict: tuple[str, str, str] | None = None  # Complete or Failed, reason, message
    updating: str = ""
    recheck_after: float | None = None
