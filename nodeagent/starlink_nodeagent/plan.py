"""What to start, stop, forget and own up to: declared against held. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from starlink.api.assignment import Assignment
from starlink.api.meta import ObjectKey


@dataclass(frozen=True, slots=True)
class Held:
    """An instance that the agent has: where its Assignment came from, and how fresh that was."""

    uid: str
    key: ObjectKey
    cluster: str
    resource_version: int


@dataclass(frozen=True, slots=True)
class Declared:
    """What the API says: the Assignments of this server, of which cluster, as of which resourceVersion."""

    cluster: str
    resource_version: int
    assignments: Mapping[str, Assignment]  # by UID


@dataclass(frozen=True, slots=True)
class Plan:
    """`start` new instances; `stop` those withdrawn; `forget` those whose Assignment is gone (after stopping them);
    `disown` Assignments that must stop and never ran here; `recognize` instances that another cluster started and
    this one, restored from it, declares: it is theirs from now on; `orphans` are kept though nobody declares them."""

    start: tuple[Assignment, ...] = ()
    stop: tuple[str, ...] = ()
    forget: tuple[str, ...] = ()
    disown: tuple[Assignment, ...] = ()
    recognize: tuple[str, ...] = ()
    orphans: tuple[str, ...] = ()


def diff(declared: Declared, held: Iterable[Held]) -> Plan:
    """The plan.

    Something is stopped only for a deletion or a spec from the cluster that declared it, at a resourceVersion that did
    not go back; all else is kept and reported as an orphan. UIDs are never used twice, so a cluster that declares an
    instance of another one has taken it over.
    """
    instances = {instance.uid: instance for instance in held}
    ours = {uid: held for uid, held in instances.items() if _same(declared, held)}
    inherited = {uid for uid, held in instances.items() if _inherited(declared, held)}
    absent = [uid for uid in ours if uid not in declared.assignments]
    fresh = [a for uid, a in declared.assignments.items() if uid not in instances and not a.finished]
    return Plan(
        start=tuple(sorted((a for a in fresh if not a.stopping), key=lambda a: a.key)),
        stop=tuple(sorted(uid for uid in ours if _withdrawn(declared, uid))),
        forget=tuple(sorted(absent)),
        disown=tuple(sorted((a for a in fresh if a.stopping), key=lambda a: a.key)),
        recognize=tuple(sorted(inherited)),
        orphans=tuple(
            sorted(str(held.key) for uid, held in instances.items() if uid not in ours and uid not in inherited)
        ),
    )


def _same(declared: Declared, held: Held) -> bool:
    return held.cluster == declared.cluster and declared.resource_version >= held.resource_version


def _inherited(declared: Declared, held: Held) -> bool:
    return held.cluster != declared.cluster and held.uid in declared.assignments


def _withdrawn(declared: Declared, uid: str) -> bool:
    assignment = declared.assignments.get(uid)
    return assignment is not None and (assignment.metadata.deleting or assignment.spec.desired == "Stopped")
