"""What of a service is outdated or has to leave its server, and how much of that goes now."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from starlink.api.assignment import Assignment
from starlink.api.duration import format_seconds
from starlink.api.slots import order
from starlink.api.task import Task
from starlink.planning.decision import Renewal
from starlink.planning.health import Health
from starlink.planning.observed import Observed, failed, was_refused
from starlink.planning.reasons import Because
from starlink.planning.words import share

MustMove = Callable[[Assignment], str]
"""Why an assignment must leave its server, "" when it need not."""
OUTDATED = "Outdated"
MOST_YOUNG = 3
"""Instances that are ready and not yet available of which the names are told."""


@dataclass(frozen=True, slots=True)
class Change:
    """What goes now, each with the reason, and why the task is not as it should be. A gang goes only once its `renewal`
    is known to fit; while it `waits`, nothing of it is placed."""

    remove: tuple[Because, ...] = ()
    updating: str = ""
    renewal: Renewal | None = None
    waits: bool = False


@dataclass(frozen=True, slots=True)
class Due:
    """The slots that are to be replaced: those that leave their server, with the reason, and those `outdated`."""

    moving: Mapping[str, str]
    outdated: frozenset[str]

    def __len__(self) -> int:
        return len(self.moving) + len(self.outdated)

    def why(self, slot: str) -> str:
        """The reason; "" for a slot that may stay."""
        return self.moving.get(slot, "") or (OUTDATED if slot in self.outdated else "")


def due(live: Mapping[str, Assignment], revision: str, must_move: MustMove) -> Due:
    """What of the assignments of slots is to be replaced."""
    moving = {slot: why for slot, a in live.items() if (why := must_move(a))}
    return Due(moving, frozenset(slot for slot, a in live.items() if a.revision != revision and slot not in moving))


def replacements(
    observed: Observed, slots: frozenset[str], revision: str, health: Health, must_move: MustMove, desired: int
) -> Change:
    """The next step of a service that is no gang. What leaves its server goes before what is outdated, unready ones
    first, then the highest slot.

    An available one goes only while fewer than `update.maxUnavailable` (at least one) of those desired are missing, for
    whatever cause, as with a PodDisruptionBudget (https://kubernetes.io/docs/tasks/run-application/configure-pdb/). One
    that is not available and has to leave costs nothing, unless its server is silent: there it may be well. While one
    of the current revision fails, nothing outdated goes.
    """
    live = {slot: a for slot, a in observed.live.items() if slot in slots}
    found = due(live, revision, must_move)
    if not found:
        return Change()
    room = _Room(observed, slots, live, found, health, max(observed.task.max_unavailable(desired), 1))
    failing = troubled(observed, revision)
    for slot in (*room.in_turn(found.moving), *(() if failing else room.in_turn(found.outdated))):
        room.take(slot)
    told = f"{share(len(found), len(slots), 'instance')} to be replaced"
    waits = "waits" if 1 in (len(found), len(slots)) else "wait"
    if failing and found.outdated:
        told += f", and {waits}: {failing[0].name} of the changed template fails; change the template again"
    elif not room.chosen:
        told += f", and {waits}: {_in_words(observed.task, desired, desired - room.ready, room.young, room.unfilled)}"
    return Change(tuple(Because(live[slot], found.why(slot)) for slot in room.chosen), told)


def troubled(observed: Observed, revision: str = "") -> list[Assignment]:
    """Those that crash, and the failed attempts whose slots have no other now, for which their servers are not to
    blame; of one revision, or of all."""
    crashing = [a for a in observed.live.values() if observed.standing.crashes(a)]
    ended = [a for slot, a in observed.finished.items() if slot not in observed.active and failed(a)]
    found = crashing + [a for a in ended if not was_refused(a)]
    return [a for a in found if not revision or a.revision == revision]


class _Room:
    """How many more may go; `chosen` are the slots that do."""

    def __init__(
        self,
        observed: Observed,
        slots: frozenset[str],
        live: Mapping[str, Assignment],
        found: Due,
        health: Health,
        limit: int,
    ) -> None:
        self._live, self._due, self._health, self._limit = live, found, health, limit
        self._well = frozenset(slot for slot, a in live.items() if observed.standing.is_available(a))
        self._has_servers = bool(observed.task.spec.servers)
        self.ready = len(self._well)
        self.young = sorted(
            live[slot].name for slot in live.keys() - self._well if observed.standing.is_ready(live[slot])
        )
        self.unfilled = len(slots - observed.active.keys())
        stopping = sum(1 for slot, a in observed.active.items() if slot in slots and a.stopping)
        unready = live.keys() - self._well
        self._busy = stopping + sum(1 for slot in unready if not found.why(slot))
        self._missing = stopping + len(unready)
        self.chosen: list[str] = []

    def in_turn(self, among: Iterable[str]) -> list[str]:
        """Unready ones first, then the highest slot."""
        highest_first = sorted(among, key=order, reverse=True)
        return sorted(highest_first, key=lambda slot: slot in self._well)

    def take(self, slot: str) -> None:
        """Lets one go if it may."""
        if slot in self._well:
            if self._missing + self._unfilled_beside(slot) < self._limit:
                self._missing += 1
                self.chosen.append(slot)
        elif self._is_free(slot) or self._busy < self._limit:
            self._busy += 1
            self.chosen.append(slot)

    def _unfilled_beside(self, slot: str) -> int:
        """A fixed count has no other server to go to: one that leaves need not wait for those that can't come back."""
        return 0 if self._has_servers and slot in self._due.moving else self.unfilled

    def _is_free(self, slot: str) -> bool:
        a = self._live[slot]
        return slot in self._due.moving and not (a.doubted or self._health.is_suspect(a.spec.server))


def _in_words(task: Task, desired: int, missing: int, young: Sequence[str], unfilled: int) -> str:
    """What is waited for, which of it is ready and too `young` to be available, and where something has no place, the
    ways out."""
    given = str(task.spec.update.max_unavailable)
    told = f"{share(missing, desired, 'instance')} {'not available yet' if len(young) == missing else 'missing'}"
    if young:
        told += f" ({', '.join(young[:MOST_YOUNG])} ready for less than {format_seconds(task.min_ready_seconds)})"
    told += f" and update.maxUnavailable is {given}"
    if not unfilled:
        return told
    fewer = missing - max(task.max_unavailable(desired), 1) + 1
    lower = not given.endswith("%") and not task.spec.servers and fewer <= unfilled and desired > fewer
    ways = f": make room for what is missing, raise update.maxUnavailable to {missing + 1}"
    return f"{told}{ways}{f', or lower replicas to {desired - fewer}' if lower else ''}"
