"""What a kind brings so that it is looked after: a planner. Pure.

A planner says which objects a change concerns, and plans them from what it sees. The operator brings changes, asks, and
applies the plans; what can't be read, and what a planner raises, is its care too.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from starlink.api.assignment import Assignment
from starlink.api.change import Change
from starlink.api.kinds import ASSIGNMENT, POOL, SERVER, TASK, Kind
from starlink.api.meta import Object, ObjectKey
from starlink.api.pool import Pool
from starlink.api.server import Server
from starlink.api.task import Task
from starlink.planning.plan import Plan

O = TypeVar("O", bound=Object)  # noqa: E741 - an object


@dataclass(frozen=True, slots=True)
class Known(Generic[O]):
    """A kind, and the view that its objects are read by."""

    kind: Kind
    view: type[O]


TASKS = Known(TASK, Task)
ASSIGNMENTS = Known(ASSIGNMENT, Assignment)
SERVERS = Known(SERVER, Server)
POOLS = Known(POOL, Pool)


class Sight(Protocol):
    """What a planner may look at: everything as it was seen last, at one moment."""

    @property
    def now(self) -> float:
        """Seconds since the epoch, for timestamps only."""
        ...

    def all(self, known: Known[O]) -> Mapping[ObjectKey, O]:
        """The objects of a kind that the planner reads."""
        ...

    def owned(self, known: Known[O], owner: Object) -> Sequence[O]:
        """Those that the owner controls, by namespace and name."""
        ...

    def unreadable(self, kind: Kind) -> Mapping[ObjectKey, str]:
        """The objects of a kind that can't be read, each with why. They are among `all`, as far as they can be read."""
        ...


class Planner(Protocol):
    """Plans the objects of one kind, the `subject`. Their status has the conditions Ready, Reconciling and Stalled,
    which also tell of an object that can't be planned. `reads` are the kinds that it looks at, its own among them."""

    @property
    def subject(self) -> Known[Any]: ...
    @property
    def reads(self) -> Sequence[Known[Any]]: ...

    def wakes(self, change: Change[Any], sight: Sight) -> Iterable[ObjectKey]:
        """The objects of its kind that a change of an object that it reads concerns."""
        ...

    def plan(self, keys: Collection[ObjectKey], sight: Sight) -> Sequence[Plan]:
        """The plans of the objects with these keys. An object may be gone; an unreadable object is never among them."""
        ...


@dataclass(frozen=True, slots=True)
class Hold:
    """Why a plan is held back: a word for it, the object that holds it, and what a person is told. The gate is asked
    again when something that it reads changes, and at `until` (seconds since the epoch)."""

    code: str
    subject: ObjectKey
    message: str
    until: float | None = None


class Gate(Protocol):
    """Says of a plan that is to be applied whether it is held back: what only tells is told all the same. `reads` are
    the kinds that it looks at, each of which some controller reads."""

    @property
    def reads(self) -> Sequence[Known[Any]]: ...

    def holds(self, plan: Plan, sight: Sight) -> Hold | None:
        """What holds the plan back, if anything does."""
        ...


def concerned(subject: Known[Any], change: Change[Any]) -> Iterable[ObjectKey]:
    """The object itself, or the object of the kind that controls it."""
    for obj in filter(None, (change.old, change.new)):
        if isinstance(obj, subject.view):
            yield obj.key
        kind, namespace = subject.kind, obj.metadata.namespace if subject.kind.namespaced else ""
        for owner in obj.metadata.owner_references:
            if owner.controller and (owner.api_version, owner.kind) == (kind.api_version, kind.kind):
                yield ObjectKey(namespace, owner.name)
