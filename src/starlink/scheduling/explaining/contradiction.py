"""What an ask demands that no server can meet, whatever is added or freed."""

from collections.abc import Iterator
from typing import NamedTuple

from starlink.api.labels import ARCHITECTURE
from starlink.api.remedy import Way, way
from starlink.scheduling.ask import Ask, Term
from starlink.scheduling.explaining.labelling import impossible, labels
from starlink.scheduling.explaining.reasons import groups, is_first
from starlink.scheduling.fleet import Fleet

_KIND = frozenset({"Selector", "Architecture"})


class Contradiction(NamedTuple):
    """What can't be met, what to change for it, and the filters that surely stand in the way no more
    then."""

    problem: str
    way: Way
    filters: frozenset[str]


def contradiction(fleet: Fleet, ask: Ask) -> Contradiction | None:
    """The first that is found; None where the ask could be met."""
    return next(_contradictions(fleet, ask), None)


def _contradictions(fleet: Fleet, ask: Ask) -> Iterator[Contradiction]:
    if wrong := impossible(ask.selector.items()):
        yield Contradiction(
            f"no server can have the label {labels(wrong[:1])}", way("Correct", field="placement.serverSelector"), _KIND
        )
    wanted = ask.selector.get(ARCHITECTURE)
    if wanted and ask.architectures and wanted not in ask.architectures:
        others = f"{' or '.join(ask.architectures)} is wanted too ({ask.architectures_from})"
        yield Contradiction(f"placement.serverSelector wants {wanted}, but {others}", way("ChangeOne"), _KIND)
    for term in ask.affinity:
        if term.weight is None and not is_first(fleet, ask, term) and is_forbidden(ask, term):
            told = groups(term.groups)
            yield Contradiction(
                f"the affinity and the antiAffinity to {told} by {term.key} contradict one another",
                way("WeighEither", value=told),
                frozenset(),
            )


def is_forbidden(ask: Ask, term: Term) -> bool:
    """Whether the ask has to stay away from all that the affinity wants it to be near to."""
    return bool(term.groups) and any(
        other.weight is None and other.key == term.key and term.groups <= other.groups for other in ask.anti_affinity
    )
