"""The words of a plan: the actions that close the difference, as data.

The edge applies a plan's actions one after another in their order and stops at the first that
fails; the next round observes again. Each action is conditional on what was observed (uid,
resourceVersion), so that a plan made from an old view changes nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import dropwhile
from typing import Any, Literal

from starlink.api.kinds import Kind
from starlink.api.meta import ObjectKey
from starlink.planning.words import without_numbers


@dataclass(frozen=True, slots=True)
class CreateAssignment:
    """Create this object. An AlreadyExists is success only if owner UID and spec are the same."""

    manifest: dict[str, Any]


@dataclass(frozen=True, slots=True)
class StopAssignment:
    """Write `desired: Stopped` with the reason; the object stays."""

    key: ObjectKey
    uid: str
    reason: str


@dataclass(frozen=True, slots=True)
class DeleteAssignment:
    """Delete the object with this UID; its finalizer keeps it until the agent has stopped it."""

    key: ObjectKey
    uid: str
    reason: str


@dataclass(frozen=True, slots=True)
class Doubt:
    """Write into an Assignment's status that nothing is known of it, conditional on `resource_version`: its server is
    not heard. The agent's next report overwrites it."""

    key: ObjectKey
    uid: str
    resource_version: str
    status: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ReleaseFinalizer:
    """Take `finalizer` away, conditional on `resource_version`; gone already is success."""

    kind: Kind
    key: ObjectKey
    uid: str
    resource_version: str
    finalizers: tuple[str, ...]  # all that the object has now
    finalizer: str


@dataclass(frozen=True, slots=True)
class AddFinalizer:
    """Put `finalizer` behind those that the object has, conditional on `resource_version`."""

    kind: Kind
    key: ObjectKey
    uid: str
    resource_version: str
    finalizers: tuple[str, ...]  # all that the object has now
    finalizer: str


@dataclass(frozen=True, slots=True)
class UpdateStatus:
    """Merge `status` into the object's status; only the fields that it names. Only on the object with this UID;
    not conditional on its resourceVersion, for each field has one writer."""

    kind: Kind
    key: ObjectKey
    uid: str
    status: dict[str, Any]


@dataclass(frozen=True, slots=True)
class RecordEvent:
    """Tell people: an Event about the object. Losing one is no failure."""

    kind: Kind
    key: ObjectKey
    uid: str
    type: Literal["Normal", "Warning"]
    reason: str
    message: str
    lasting: bool = False  # tells a state: the object has one Event of the reason, which says the latest and counts up

    @property
    def gist(self) -> tuple[str, str, str]:
        """What is news of the object once; of a state, other numbers are none."""
        return self.type, self.reason, without_numbers(self.message) if self.lasting else self.message


def replacing(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """The merge patch of a map from what it is to what it is to be: it takes away only what it names with null
    (https://www.rfc-editor.org/rfc/rfc7396)."""
    return {**{name: None for name in before if name not in now}, **now}


Action = (
    CreateAssignment
    | StopAssignment
    | DeleteAssignment
    | Doubt
    | AddFinalizer
    | ReleaseFinalizer
    | UpdateStatus
    | RecordEvent
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do for one object, in order, and why.

    Order: a status that remembers what is about to go (attempt counters, completed slots) before
    the deletions and releases that lose it; doubts, which are of the version that was seen, before all
    else that writes the same object; deletions before creations; a status that only tells before events,
    both last.
    """

    kind: Kind
    subject: ObjectKey
    actions: tuple[Action, ...] = ()
    reason: str = ""
    recheck_after: float | None = None  # seconds until time alone may change the plan
    error: Exception | None = None  # what planning the object raised; the actions only tell of it

    def __bool__(self) -> bool:
        return bool(self.actions)

    @property
    def acts(self) -> tuple[Action, ...]:
        """What has to be done, in order."""
        return tuple(reversed(tuple(dropwhile(_tells, reversed(self.actions)))))

    @property
    def tells(self) -> tuple["UpdateStatus | RecordEvent", ...]:
        """What comes last and only tells: nothing that is done depends on it."""
        return tuple(action for action in self.actions[len(self.acts) :] if isinstance(action, _TELLING))


_TELLING = (UpdateStatus, RecordEvent)


def _tells(action: Action) -> bool:
    return isinstance(action, _TELLING)
