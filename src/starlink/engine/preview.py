"""What applying a task would do: `starlink plan -f`. Writes nothing, asks the same engine as the operator."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import msgspec

from starlink.api.task import Task, TaskStatus
from starlink.engine.charges import ask_of, charged, fleet_of
from starlink.engine.round import must_move
from starlink.planning.health import assess
from starlink.planning.pool import effective_pools
from starlink.planning.task import examine
from starlink.planning.world import World
from starlink.scheduling.place import place


@dataclass(frozen=True, slots=True)
class Row:
    """One instance: what becomes of it, where, and why."""

    slot: str
    action: Literal["create", "keep", "replace", "stop"]
    server: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Preview:
    """`removed` counts the servers that each filter removed; `unplaced` instances found none, for `refusal`."""

    task: Task
    rows: Sequence[Row]
    removed: Sequence[tuple[str, int]]
    servers: int
    unplaced: int = 0
    refusal: str = ""


def preview(world: World, task: Task) -> Preview:
    """The preview of a task as it would be applied; one that exists keeps its identity and status."""
    existing = world.tasks.get(task.key)
    uid = existing.uid if existing else "new"
    metadata = msgspec.structs.replace(task.metadata, uid=uid, deletion_timestamp=None)
    wanted = msgspec.structs.replace(task, metadata=metadata, status=existing.status if existing else TaskStatus())
    world = replace(world, tasks={**world.tasks, task.key: wanted})
    pools = effective_pools(world)
    health = assess(world, pools)
    examined = examine(wanted, world, health, must_move(wanted, world))
    fleet = fleet_of(world, pools, health, charged(world, health))
    own = Counter(a.spec.server for a in examined.observed.active.values())
    placed = place(fleet, ask_of(wanted, world, own), len(examined.decision.wants))
    leaving = {a.uid: reason for a, reason in (*examined.decision.remove, *examined.decision.stop)}
    rows = [
        Row(slot, "stop", a.spec.server, leaving[a.uid])
        if a.uid in leaving and leaving[a.uid] != "Outdated"
        else Row(slot, "keep" if a.revision == examined.revision else "replace", a.spec.server)
        for slot, a in examined.observed.live.items()
    ]
    rows += [
        Row(want.slot, "create", server) for want, server in zip(examined.decision.wants, placed.servers, strict=False)
    ]
    rows.sort(key=lambda row: (len(row.slot), row.slot, row.action))
    refusal = placed.refusal.message if placed.refusal else ""
    missing = len(examined.decision.wants) - len(placed.servers)
    return Preview(wanted, rows, placed.removed, len(fleet), missing, refusal)
