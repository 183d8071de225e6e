"""Tasks: what is declared and what is there go in, a plan comes out.

In two steps, for servers are found in between: `examine` says what a task wants, `complete` makes the
plan once the engine has placed it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from starlink.api import labels
from starlink.api.assignment import Assignment
from starlink.api.checks import INVALID_SPEC
from starlink.api.kinds import ASSIGNMENT, TASK
from starlink.api.meta import ObjectKey
from starlink.api.names import assignment_name
from starlink.api.revision import plain, revision
from starlink.api.server import Server
from starlink.api.task import Task
from starlink.api.template import ArtifactReference, Template, resolved
from starlink.planning import attempt, batch, in_place, service
from starlink.planning.decision import Decision, Want
from starlink.planning.events import task_events
from starlink.planning.examined import Examined
from starlink.planning.health import Health
from starlink.planning.observed import PREEMPTED, SERVER_LOST, failed, observe
from starlink.planning.placement import PlacementResult
from starlink.planning.plan import (
    Action,
    Create,
    Delete,
    Plan,
    RecordEvent,
    ReleaseFinalizer,
    UpdateStatus,
)
from starlink.planning.replacements import MustMove
from starlink.planning.status import invalid_status, task_status
from starlink.planning.unreadable import unclear
from starlink.planning.words import counted
from starlink.planning.world import World


def examine(task: Task, world: World, health: Health, must_move: MustMove) -> Examined:
    """The first step."""
    assignments = world.assignments.get(task.key, ())
    mine = [a for a in assignments if _is_of(a, task)]
    strays = tuple(a for a in assignments if not _is_of(a, task))
    observed = observe(task, mine, health, world.ready_for)
    of_template = revision(task.spec.template)
    if task.is_batch:
        decision = batch.decide(observed, health, world.now)
    else:
        decision = service.decide(observed, of_template, health, must_move, world.now)
    if task.key in world.looking:
        decision = replace(
            decision, wants=(), renewal=None, updating="its artifact is being looked into for its architectures"
        )
    return Examined(
        task,
        of_template,
        observed,
        _behind(strays, decision, gang=task.spec.placement.gang),
        strays,
        world.findings.get(task.key),
    )


def _is_of(assignment: Assignment, task: Task) -> bool:
    """Whether it is the task's own; one whose owners can't be read is, by its label."""
    trouble = assignment.unreadable
    unowned = trouble is not None and trouble.lacks("metadata.ownerReferences")
    return unowned or assignment.metadata.controller_uid == task.uid


def _behind(strays: Sequence[Assignment], decision: Decision, *, gang: bool) -> Decision:
    """A slot that an earlier task of the same name still has is wanted once that one has gone, and all of a gang."""
    taken = {a.spec.slot for a in strays}
    wants = tuple(want for want in decision.wants if want.slot not in taken)
    return replace(decision, wants=() if gang and len(wants) < len(decision.wants) else wants)


def renewed(examined: Examined, placement: PlacementResult) -> Examined:
    """With the decision on its renewal: what goes for it goes, if it fits."""
    decision = examined.decision
    if decision.renewal is None or not placement.renews:
        return examined
    return replace(examined, decision=replace(decision, remove=(*decision.remove, *decision.renewal.remove)))


def _waiting_for_ports(examined: Examined, placement: PlacementResult) -> Examined:
    """With what its instances wait for that are to have ports which others have."""
    taken, decision = list(placement.ports_taken.values()), examined.decision
    if not taken:
        return examined
    more = f", and {counted(len(taken) - 1, 'instance')} more for ports of theirs" if taken[1:] else ""
    told = f"{taken[0]}{more}: spec.hostPorts reaches it once they are free"
    updating = f"{decision.updating}; {told}" if decision.updating else told
    return replace(examined, decision=replace(decision, updating=updating))


def complete(examined: Examined, placement: PlacementResult, world: World, health: Health) -> Plan:
    """The second step: the plan, in the order that plan.Plan tells."""
    examined = _waiting_for_ports(renewed(examined, placement), placement)
    task, decision = examined.task, examined.decision
    removals = [*_stops(examined), *_removals(examined, health), *_stray_actions(examined.strays, health)]
    given_up = _replaced(examined, placement)
    creations = [
        *_creations(examined, placement, world.servers),
        *(attempt.stop(a, SERVER_LOST) for a in given_up),
        *_preemptions(placement),
    ]
    status = task_status(examined, placement, health, world.now)
    told: list[Action] = [UpdateStatus(TASK, task.key, task.uid, status)] if status else []
    events = task_events(examined, placement, given_up, status, world.tasks)
    observed = examined.observed
    clear = (a for a in observed.active.values() if a not in observed.unclear)
    doubted = attempt.doubts((*clear, *observed.lost), health, world.now)
    loses = any(isinstance(action, Delete | ReleaseFinalizer) for action in removals)
    acts = [*doubted, *removals, *creations, *in_place.patches(examined, placement.ports_taken)]
    actions = [*told, *acts, *events] if loses else [*acts, *told, *events]
    recheck = decision.recheck_after
    if decision.more and placement.unplaced is None:
        recheck = 0.0
    return Plan(TASK, task.key, tuple(actions), _reason(removals, creations), recheck)


def invalid(task: Task, why: str, assignments: Sequence[Assignment], health: Health, now: float) -> Plan:
    """The plan for a task whose spec can't be used, for a reason: what it has goes on, and it is told."""
    status = invalid_status(task, why, now)
    told: list[Action] = [UpdateStatus(TASK, task.key, task.uid, status)] if status else []
    if status.get("conditions"):
        told.append(RecordEvent(TASK, task.key, task.uid, "Warning", INVALID_SPEC, why))
    return Plan(TASK, task.key, (*releases(assignments, health), *told), why)


def releases(assignments: Sequence[Assignment], health: Health) -> list[ReleaseFinalizer]:
    """Those of deleted assignments that have stopped."""
    return [attempt.release(a) for a in assignments if a.metadata.deleting and attempt.may_go(a, health)]


def abandon(key: ObjectKey, assignments: Sequence[Assignment], health: Health, now: float) -> Plan:
    """The plan for assignments whose task is gone."""
    going = (a for a in assignments if a.metadata.deleting and not unclear(a))
    actions = (*attempt.doubts(going, health, now), *_stray_actions(assignments, health))
    return Plan(TASK, key, actions, "the task is gone")


def _reason(removals: Sequence[Action], creations: Sequence[Action]) -> str:
    if not removals and not creations:
        return "nothing to do"
    return f"{len(removals)} to go, {len(creations)} to come"


def _replaced(examined: Examined, placement: PlacementResult) -> list[Assignment]:
    """The lost that have a replacement now, and are told to stop after it has been created. Nothing is stopped for want
    of news alone: those that nobody can replace go on, and are taken back."""
    observed = examined.observed
    pairs = zip(examined.decision.wants, placement.servers, strict=False)
    created = {want.slot for want, server in pairs if server}
    known = {a.uid for a in observed.replaced}
    return [a for a in observed.lost if a.uid in known or (a.spec.slot in created and not a.stopping)]


def _stops(examined: Examined) -> list[Action]:
    return [attempt.stop(one.assignment, one.reason) for one in examined.decision.stop]


def _removals(examined: Examined, health: Health) -> list[Action]:
    observed = examined.observed
    actions: list[Action] = [attempt.delete(one.assignment, one.reason) for one in examined.decision.remove]
    actions += [attempt.delete(a, "Superseded") for a in examined.decision.forget]
    forgotten = {a.uid for a in examined.decision.forget}
    for slot, a in observed.finished.items():  # such as a lost one that has come back and stopped
        kept = examined.task.is_batch and failed(a)
        makes_way = a.spec.reason == SERVER_LOST or (slot in observed.active and not kept)
        if makes_way and a.uid not in forgotten:
            actions.append(attempt.delete(a, "Superseded"))
    for a in observed.lost:
        if health.is_gone(a.spec.server) and not a.metadata.deleting:
            actions.append(attempt.delete(a, "ServerGone"))
    return actions + [attempt.release(a) for a in observed.leaving if attempt.may_go(a, health)]


def _stray_actions(assignments: Sequence[Assignment], health: Health) -> list[Action]:
    """What can't be read is deleted by nobody but who deletes its owners: the API's garbage collector."""
    actions: list[Action] = []
    for a in sorted(assignments, key=lambda a: a.name):
        if not a.metadata.deleting and unclear(a):
            continue
        if not a.metadata.deleting:
            actions.append(attempt.delete(a, "TaskGone"))
        elif attempt.may_go(a, health):
            actions.append(attempt.release(a))
    return actions


def _creations(examined: Examined, placement: PlacementResult, servers: Mapping[str, Server]) -> list[Action]:
    task = examined.task
    template = resolved(task.spec.template, task.restart_policy)
    templates: dict[str, Mapping[str, Any]] = {}  # by architecture

    def create(index: int, want: Want, name: str) -> Create:
        architecture = servers[name].status.architecture
        if architecture not in templates:
            templates[architecture] = plain(_for_architecture(template, architecture))
        spec = {
            "server": name,
            "slot": want.slot,
            "attempt": want.attempt,
            "template": templates[architecture],
            **({"hostPorts": list(task.spec.host_ports)} if task.spec.host_ports else {}),
            **({"waitFor": list(wait_for)} if (wait_for := placement.wait_for.get(index)) else {}),
        }
        return attempt.create(_manifest(task, examined.revision, want, spec))

    pairs = enumerate(zip(examined.decision.wants, placement.servers, strict=False))
    return [create(index, want, name) for index, (want, name) in pairs if name]


def _preemptions(placement: PlacementResult) -> list[Action]:
    """After the creations: what was created says for whom they go, should we end in between."""
    return [attempt.stop(a, PREEMPTED) for a in placement.victims]


def _manifest(task: Task, of_template: str, want: Want, spec: dict[str, Any]) -> dict[str, Any]:
    """The Assignment of a slot's next attempt."""
    return {
        "apiVersion": ASSIGNMENT.api_version,
        "kind": ASSIGNMENT.kind,
        "metadata": {
            "name": assignment_name(task.name, of_template, want.slot, want.attempt),
            "namespace": task.metadata.namespace,
            "labels": {labels.TASK: task.name, labels.REVISION: of_template},
            "finalizers": [labels.STOPPED_FINALIZER],
            "ownerReferences": [
                {
                    "apiVersion": TASK.api_version,
                    "kind": TASK.kind,
                    "name": task.name,
                    "uid": task.uid,
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "spec": spec,
    }


def _for_architecture(template: Template, architecture: str) -> Template:
    """The template with the artifact's variant for the architecture in place of all variants."""
    artifact = template.artifact
    if artifact is None or not artifact.variants:
        return template
    variant = next(v for v in artifact.variants if v.architecture == architecture)
    return msgspec.structs.replace(template, artifact=ArtifactReference(url=variant.url, sha256=variant.sha256))
