"""What files declare, as the planner looks at it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import click
import msgspec

from starlink.api.checks import INVALID_SPEC
from starlink.api.kinds import POOL, SERVER, TASK, Kind
from starlink.api.meta import Object, ObjectKey
from starlink.api.pool import Pool
from starlink.api.server import Server
from starlink.api.task import Task
from starlink.cli.intended import Intended
from starlink.cli.tables import some
from starlink.planning.faults import pool_fault, task_fault
from starlink.planning.unreadable import trouble

T = TypeVar("T", bound=Object)


@dataclass(slots=True)
class Declared:
    """The objects by their keys, the last of a key as it is applied last. `others` are of kinds that no plan looks at.

    `unchecked` are judged as written, for the server may not be asked about them, or not yet.
    """

    tasks: dict[ObjectKey, Task] = field(default_factory=dict)
    pools: dict[ObjectKey, Pool] = field(default_factory=dict)
    servers: dict[ObjectKey, Server] = field(default_factory=dict)
    others: list[tuple[Kind, str]] = field(default_factory=list)
    unchecked: dict[str, None] = field(default_factory=dict)

    def refuse(self) -> str:
        """Takes out what can't be used, and says why."""
        tasks, pools = self.tasks.items(), self.pools.items()
        faults = {f"task {key}": fault for key, task in tasks if (fault := trouble(task) or task_fault(task))}
        faults |= {f"pool {key}": fault for key, pool in pools if (fault := trouble(pool) or pool_fault(pool))}
        self.tasks = {key: task for key, task in self.tasks.items() if f"task {key}" not in faults}
        self.pools = {key: pool for key, pool in self.pools.items() if f"pool {key}" not in faults}
        return "".join(f"{name}: {INVALID_SPEC}: {fault}\n" for name, fault in faults.items())

    def left_out(self, existing: Container[str]) -> str:
        """What of it no plan looks at, as one line, "" for nothing; `existing` are the servers there are."""
        told = [f"{kind.kind} {name}" for kind, name in self.others]
        told += [f"{SERVER.kind} {key}, of which no agent is seen" for key in self.servers if key.name not in existing]
        return f"not looked at for where instances go: {'; '.join(told)}\n" if told else ""

    def notes(self) -> str:
        """What the server did not check, a line each."""
        return "".join(f"{why}: judged as written, not checked by the server\n" for why in self.unchecked)

    def without_task(self) -> str:
        """What there is in place of a task, in words."""
        counts = Counter[str](kind.kind for kind, _ in self.others)
        counts += Counter({POOL.kind: len(self.pools), SERVER.kind: len(self.servers)})
        there = some((f"{count} {kind}{'s' if count > 1 else ''}" for kind, count in sorted(counts.items())), 10)
        return (
            f"no {TASK.kind} in it, but {there}; where instances go is shown of the Tasks that are given: "
            f"give theirs too ({TASK.api_version}), such as with one more -f"
        )


def declared(intended: Sequence[Intended]) -> Declared:
    """What is intended, as the planner looks at it. Raises ClickException naming the document."""
    found = Declared()
    for one in intended:
        kind, key, where = one.placed.kind, one.placed.key, one.placed.manifest.where
        if kind == TASK:
            found.tasks[key] = converted(one.after, Task, where)
        elif kind == POOL:
            found.pools[key] = converted(one.after, Pool, where)
        elif kind == SERVER:
            found.servers[key] = converted(one.after, Server, where)
        else:
            found.others.append((kind, str(key)))
        if one.unchecked:
            found.unchecked[one.unchecked] = None
    return found


def converted(body: Any, view: type[T], where: str) -> T:
    """A view of an object as it is written. Raises ClickException naming `where` and the field."""
    try:
        return msgspec.convert(body, view)
    except msgspec.ValidationError as error:
        raise click.ClickException(f"{where}: {error}") from None
