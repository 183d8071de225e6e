"""Why instances have no place, as data, and the one place where that is put into words. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from starlink.api.remedy import Remedy

Code = Literal[
    "PoolNotFound", "NoServers", "ServerNotFound", "NothingFits", "ServerDoesNotFit", "AffinityCycle",
    "ArtifactRunsNowhere", "PoolUnusable",
]  # fmt: skip
"""What is wrong, in one word: docs/reasons.md has a row for each."""
_FEW = 3
_LONG = 400


def listed(names: Iterable[str], last: str = ", ") -> str:
    """Some names, few in full: `a, b, c and 4 more`."""
    names = list(names)
    if len(names) > _FEW:
        return f"{', '.join(names[:_FEW])} and {len(names) - _FEW} more"
    return last.join(names)


@dataclass(frozen=True, slots=True)
class Cause:
    """How many servers a filter was the first to remove, and what they have in common."""

    filter: str
    servers: int
    words: str = ""


@dataclass(frozen=True, slots=True)
class Gang:
    """The gang of the instances that are missing: how many of it run, and how many more would fit."""

    running: int
    mates: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why instances have no place.

    `detail` says it where servers are not counted, of a pool that can't be used also what would help. Else of so many
    `servers` some are removed by the `causes`; `best` is the server that is nearest to fitting, "" if there is none,
    and `lacks` what it lacks.
    """

    code: Code
    remedy: Remedy
    detail: str = ""
    missing: int = 0
    gang: Gang | None = None
    servers: int = 0
    causes: tuple[Cause, ...] = ()
    best: str = ""
    lacks: tuple[str, ...] = ()

    @property
    def removed(self) -> tuple[tuple[str, int], ...]:
        """For each filter, how many servers it is the first to remove."""
        return tuple((cause.filter, cause.servers) for cause in self.causes)

    @property
    def problem(self) -> str:
        """What is wrong, for a person, without what would help."""
        return _sentence(self)[0]

    @property
    def message(self) -> str:
        """It all, for a person."""
        return "; ".join(filter(None, _sentence(self)))


def _sentence(refusal: Refusal) -> tuple[str, ...]:
    """The longest of the variants that is not too long, else the last, in parts: what is wrong first, then what is
    nearest, then what would help."""
    way = str(refusal.remedy)
    if refusal.code != "NothingFits":
        return _uncounted(refusal), way
    close = (f"nearest: {refusal.best} lacks {listed(refusal.lacks, ' and ')}",) if refusal.lacks else ()
    variants = [(problem, *close, way) for problem in _counted(refusal)]
    last = (variants[-1][0], way)
    return next((parts for parts in (*variants, last) if len("; ".join(parts)) <= _LONG), last)


def _uncounted(refusal: Refusal) -> str:
    if refusal.code != "ServerDoesNotFit":
        return refusal.detail
    lacking = listed(refusal.lacks, " and ") or "room for all of them"
    return f"server {refusal.best} does not fit {_instances(refusal)}: it lacks {lacking}"


def _counted(refusal: Refusal) -> Iterator[str]:
    """How many servers fit and why the others do not, ever shorter: of the fewest servers, reasons go first."""
    causes = [cause for cause in refusal.causes if cause.servers]
    fit = refusal.servers - sum(cause.servers for cause in causes)
    head = f"{fit} of {refusal.servers} servers fit {_instances(refusal)}"
    by_size = sorted(causes, key=lambda cause: -cause.servers)
    for shown in range(len(causes), min(0, len(causes) - 1), -1):
        kept = by_size[:shown]
        left = sum(cause.servers for cause in by_size[shown:])
        told = [f"{cause.servers} {cause.words}" for cause in causes if cause in kept]
        told += [f"{left} for other reasons"] if left else []
        yield f"{head}: {', '.join(told)}" if told else head


def _instances(refusal: Refusal) -> str:
    words = "1 more instance" if refusal.missing == 1 else f"{refusal.missing} more instances"
    gang = refusal.gang
    if gang is None:
        return words
    beside = f" beside the {gang.mates} that would fit" if gang.mates else ""
    if not gang.running:
        return f"{words} of the gang{beside}, so that none of it is placed"
    run = "1 runs" if gang.running == 1 else f"{gang.running} run"
    return f"{words} of the gang, of which {run}{f',{beside}' if beside else ''}"
