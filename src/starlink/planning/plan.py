"""The words of a plan: the actions that close the difference, as data.

They are the same for all kinds; `effects` says what each is at the API. The edge applies a plan's actions one after
another in their order and stops at the first that fails; the next round observes again. Each action is conditional on
what was observed (uid, resourceVersion), so that a plan made from an old view changes nothing.
"""

from dataclasses import dataclass
from itertools import dropwhile
from typing import Any, Literal

from starlink.api.kinds import Kind
from starlink.api.meta import ObjectKey
from starlink.planning.words import without_numbers


@dataclass(frozen=True, slots=True)
class Create:
    """Create this object. An AlreadyExists is success only if it has the same controller and all that is asked here."""

    kind: Kind
    manifest: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Apply:
    """Have a child that is there be of this spec: what it `had`, as far as its view knows that, and the `spec` does not
    name goes. Only while the child is as it was seen: a leader that slept overwrites nothing, and brings nothing back.

    It is a merge, for which the planner, the one writer of a child's spec, knows all that is needed. Server-side apply
    would take away only what an earlier apply gave, and not what the child was created with.
    """

    kind: Kind
    key: ObjectKey
    uid: str
    resource_version: str
    had: dict[str, Any]
    spec: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Patch:
    """Merge `patch` into the object; with `resource_version` only while it is as it was seen."""

    kind: Kind
    key: ObjectKey
    uid: str
    patch: dict[str, Any]
    resource_version: str = ""


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete the object with this UID; finalizers may keep it for a while. `reason` is for people."""

    kind: Kind
    key: ObjectKey
    uid: str
    reason: str


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
class UpdateStatus:
    """Merge `status` into the object's status; only the fields that it names. Only on the object with this UID;
    conditional on `resource_version` only where another writes the same fields, for else each has one writer."""

    kind: Kind
    key: ObjectKey
    uid: str
    status: dict[str, Any]
    resource_version: str = ""


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


Writing = Create | Apply | Patch | Delete | ReleaseFinalizer | UpdateStatus
"""What changes an object."""
Action = Writing | RecordEvent


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do for one object, in order, and why.

    Order: a status that remembers what is about to go (attempt counters, completed slots) before
    the deletions and releases that lose it; what is conditional on the version that was seen before all
    else that writes the same object; deletions before creations; a status that only tells before events,
    both last.
    """

    kind: Kind
    subject: ObjectKey
    actions: tuple[Action, ...] = ()
    reason: str = ""
    recheck_after: float | None = None  # seconds until time alone may change the plan
    may_wait: bool = False  # it tells amounts alone, which change often
    error: Exception | None = None  # what planning the object raised; the actions only tell of it

    def __bool__(self) -> bool:
        return bool(self.actions)

    @property
    def acts(self) -> tuple[Action, ...]:
        """What has to be done, in order."""
        return tuple(reversed(tuple(dropwhile(self._tells, reversed(self.actions)))))

    @property
    def tells(self) -> tuple["UpdateStatus | RecordEvent", ...]:
        """What comes last and only tells: nothing that is done depends on it."""
        last = self.actions[len(self.acts) :]
        return tuple(action for action in last if isinstance(action, UpdateStatus | RecordEvent))

    def _tells(self, action: Action) -> bool:
        """An Event, or the status of the very object that the plan is for."""
        if isinstance(action, UpdateStatus):
            return (action.kind, action.key) == (self.kind, self.subject)
        return isinstance(action, RecordEvent)
