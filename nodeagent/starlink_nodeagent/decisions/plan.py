"""What to start, keep waiting, stop, forget and own up to: declared against held. Pure."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from starlink.api.assignment import Assignment
from starlink.api.meta import ObjectKey


@dataclass(frozen=True, slots=True)
class Held:
    """An instance that the agent has: where its Assignment came from, how fresh that was, and whether it is over."""

    uid: str
    key: ObjectKey
    cluster: str
    resource_version: int
    finished: bool = False


@dataclass(frozen=True, slots=True)
class Declared:
    """What the API says: the Assignments of this server, of which cluster, as of which resourceVersion. `unread` says,
    by UID, why some can't be read."""

    cluster: str
    resource_version: int
    assignments: Mapping[str, Assignment]  # by UID
    unread: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wait:
    """An Assignment that starts once others of this server have stopped: `blockers`, by UID."""

    assignment: Assignment
    blockers: Mapping[str, ObjectKey]

    @property
    def message(self) -> str:
        """Whom it waits for, for a person."""
        return f"it starts once {', '.join(sorted(map(str, self.blockers.values())))} has stopped on this server"


@dataclass(frozen=True, slots=True)
class Plan:
    """`start` new instances; `wait` with those that others must make way for first; `stop` those withdrawn; `forget`
    those whose Assignment is gone (after stopping them); `disown` Assignments that must stop and never ran here;
    `recognize` instances that another cluster started and this one, restored from it, declares: it is theirs from now
    on; `orphans` are kept though nobody declares them; `leave` are Assignments that can't be read and have no
    instance, each with the reason."""

    start: tuple[Assignment, ...] = ()
    wait: tuple[Wait, ...] = ()
    stop: tuple[str, ...] = ()
    forget: tuple[str, ...] = ()
    disown: tuple[Assignment, ...] = ()
    recognize: tuple[str, ...] = ()
    orphans: tuple[str, ...] = ()
    leave: tuple[tuple[Assignment, str], ...] = ()


def diff(declared: Declared, held: Iterable[Held], undecided: Collection[str] = ()) -> Plan:
    """The plan. Of `undecided` UIDs something may live that is not held yet, so nothing is started of them, and nothing
    said but that they can't be read.

    Something is stopped only for a deletion or a spec from the cluster that declared it, at a resourceVersion that did
    not go back; all else is kept and reported as an orphan. UIDs are never used twice, so a cluster that declares an
    instance of another one has taken it over. What can't be read is not started; what runs of it goes on, until it is
    clearly told to stop.
    """
    instances = {instance.uid: instance for instance in held}
    ours = {uid: held for uid, held in instances.items() if _same(declared, held)}
    inherited = {uid for uid, held in instances.items() if _inherited(declared, held)}
    absent = [uid for uid in ours if uid not in declared.assignments]
    unheld = [a for uid, a in declared.assignments.items() if uid not in instances and not a.finished]
    fresh = [a for a in unheld if a.uid not in undecided]
    clear = sorted((a for a in fresh if not a.stopping and a.uid not in declared.unread), key=lambda a: a.key)
    unread = [a for a in unheld if a.uid in declared.unread and (a.uid in undecided or not a.stopping)]
    wanted = [Wait(a, _blockers(a, declared, instances)) for a in clear]
    return Plan(
        start=tuple(one.assignment for one in wanted if not one.blockers),
        wait=tuple(one for one in wanted if one.blockers),
        stop=tuple(sorted(uid for uid in ours if _withdrawn(declared, uid))),
        forget=tuple(sorted(absent)),
        disown=tuple(sorted((a for a in fresh if a.stopping), key=lambda a: a.key)),
        recognize=tuple(sorted(inherited)),
        orphans=tuple(
            sorted(str(held.key) for uid, held in instances.items() if uid not in ours and uid not in inherited)
        ),
        leave=tuple((a, declared.unread[a.uid]) for a in unread),
    )


def _blockers(assignment: Assignment, declared: Declared, held: Mapping[str, Held]) -> dict[str, ObjectKey]:
    """Those it waits for that are not over. What the agent holds it knows best; what neither it nor the API knows has
    gone."""
    found = {}
    for uid in assignment.spec.wait_for:
        if uid in held:
            if not held[uid].finished:
                found[uid] = held[uid].key
        elif uid in declared.assignments and not declared.assignments[uid].finished:
            found[uid] = declared.assignments[uid].key
    return found


def _same(declared: Declared, held: Held) -> bool:
    return held.cluster == declared.cluster and declared.resource_version >= held.resource_version


def _inherited(declared: Declared, held: Held) -> bool:
    return held.cluster != declared.cluster and held.uid in declared.assignments


def _withdrawn(declared: Declared, uid: str) -> bool:
    assignment = declared.assignments.get(uid)
    return assignment is not None and (assignment.metadata.deleting or assignment.spec.desired == "Stopped")
