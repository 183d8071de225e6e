"""Which instances would be better off elsewhere: `starlink rebalance`."""

from collections.abc import Sequence
from dataclasses import dataclass

from starlink.api.meta import ObjectKey
from starlink.api.task import Task
from starlink.engine.foresight.scenario import Scenario
from starlink.engine.rounds.budgets import budgets
from starlink.engine.rounds.neighbours import group_of
from starlink.planning.world import World
from starlink.scheduling.ask import Ask
from starlink.scheduling.rebalance import rebalance

MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class Proposal:
    """An instance that would go to another server, by how many points of score that is better, and why."""

    assignment: ObjectKey
    uid: str
    task: ObjectKey
    slot: str
    server_from: str
    server_to: str
    gain: float
    reason: str


def proposals(world: World, most: int) -> list[Proposal]:
    """At most so many moves that pay, the best first. They are made one after another, each once the one before is
    ready again, so that a task whose `update.maxUnavailable` lets one go now may have several.

    A Batch is left alone, for its instances would lose their work, and so are fixed counts, which have no other server.
    """
    trial = Scenario(world)
    asks = {group_of(key): _ask(trial, task) for key, task in world.tasks.items() if _may_move(world, task)}
    with trial.fleet.trial():
        may_go = {group: most for group, left in budgets(world, trial.health).items() if left}
        moves = rebalance(trial.fleet, asks, may_go, most)
    by_uid = {a.uid: (key, a) for key, group in world.assignments.items() for a in group}
    found = []
    for move in moves:
        key, assignment = by_uid[move.uid]
        servers = trial.fleet.names[move.server_from], trial.fleet.names[move.server_to]
        slot = assignment.spec.slot
        found.append(Proposal(assignment.key, move.uid, key, slot, *servers, float(move.gain), move.reason))
    return found


def _may_move(world: World, task: Task) -> bool:
    leaves = task.metadata.deleting or task.spec.suspend
    return task.key in world.assignments and not (task.is_batch or task.spec.servers or leaves)


def _ask(trial: Scenario, task: Task) -> Ask:
    return trial.reservations.loads.ask(
        task,
        trial.neighbours,
        architectures=trial.examine(task).architectures,
        local=trial.reservations.holders(task),
    )


def pause(started: Sequence[float], now: float, most: int) -> float:
    """Seconds until the next move may start, so that no minute has more than `most`; `started` are the times of those
    before, in order."""
    recent = [at for at in started if now - at < MINUTE]
    return 0.0 if len(recent) < most else MINUTE - (now - recent[-most])
