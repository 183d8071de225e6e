"""What the commands that ask the engine look at: the world as the API has it, or the part that may be read."""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import click
import msgspec

from starlink.api import conditions
from starlink.api.assignment import Assignment
from starlink.api.kinds import ASSIGNMENT, POOL, SERVER, TASK, Kind
from starlink.api.meta import Object, ObjectKey
from starlink.api.pool import Pool
from starlink.api.reading import TROUBLE, read
from starlink.api.server import Server
from starlink.api.task import Task
from starlink.client.errors import Forbidden
from starlink.client.kube import Client
from starlink.planning.containing import Faults
from starlink.planning.failure import INTERNAL_ERROR
from starlink.planning.unreadable import UNREADABLE
from starlink.planning.world import World

T = TypeVar("T", bound=Object)


@contextmanager
def engine_for(command: str) -> Iterator[None]:
    """Around the import of the engine. Raises ClickException where what it needs is not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise click.ClickException(
            f"{command} needs {error.name}, which is not installed: pip install 'starlink-orchestrator[server]'"
        ) from None


@dataclass(frozen=True, slots=True)
class Sight:
    """What may be read of the world; of the kinds in `hidden` (plural) not all objects, or none."""

    world: World
    hidden: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether the engine can place by it: servers, and all that runs on them."""
        return not {SERVER.plural, ASSIGNMENT.plural} & {*self.hidden}

    @property
    def lacking(self) -> str:
        """What it is not whole for, in words."""
        return SERVER.plural if SERVER.plural in self.hidden else f"{ASSIGNMENT.plural} of other namespaces"


async def observe(client: Client) -> World:
    """The whole world; a server whose Ready is Unknown counts as silent. Raises ClientError."""
    return _world(
        await _all(client, TASK, Task),
        await _all(client, ASSIGNMENT, Assignment),
        await _all(client, POOL, Pool),
        await _all(client, SERVER, Server),
    )


async def look(client: Client, namespaces: Iterable[str]) -> Sight:
    """What may be read: all, else the tasks and assignments of the namespaces, and the pools. Raises ClientError."""
    namespaces = sorted({*namespaces})
    tasks, some_tasks = await _readable(client, TASK, Task, namespaces)
    assignments, some_assignments = await _readable(client, ASSIGNMENT, Assignment, namespaces)
    servers, some_servers = await _readable(client, SERVER, Server, ())
    pools = await _all(client, POOL, Pool)
    told = ((TASK, some_tasks), (ASSIGNMENT, some_assignments), (SERVER, some_servers))
    return Sight(_world(tasks, assignments, pools, servers), tuple(kind.plural for kind, hidden in told if hidden))


async def _readable(client: Client, kind: Kind, view: type[T], namespaces: Iterable[str]) -> tuple[Sequence[T], bool]:
    """All objects, else those of the namespaces where they may be read; and whether some are hidden."""
    try:
        return await _all(client, kind, view), False
    except Forbidden:
        found: list[T] = []
        for namespace in namespaces:
            try:
                found += await _all(client, kind, view, namespace)
            except Forbidden:
                continue
        return found, True


async def _all(client: Client, kind: Kind, view: type[T], namespace: str = "") -> Sequence[T]:
    items = (await client.list(kind, namespace)).items
    return [obj for obj in (_read(kind, view, item) for item in items) if obj is not None]


def _read(kind: Kind, view: type[T], item: msgspec.Raw) -> T | None:
    """An object that can't be read is told of and left alone, as by the operator."""
    try:
        found = read(msgspec.json.Decoder(view), view, item)
    except TROUBLE:
        click.echo(f"an object of {kind.plural} has no name that can be read and is left out", err=True)
        return None
    if found.unreadable is not None:
        click.echo(f"{kind.kind} {found.key} can't be read and is left alone: {found.unreadable.why}", err=True)
    return found


def _world(
    tasks: Iterable[Task], assignments: Iterable[Assignment], pools: Iterable[Pool], servers: Sequence[Server]
) -> World:
    groups: dict[ObjectKey, list[Assignment]] = {}
    for assignment in assignments:
        groups.setdefault(ObjectKey(assignment.metadata.namespace, assignment.task), []).append(assignment)
    world = World(
        tasks={task.key: task for task in tasks},
        assignments={key: tuple(group) for key, group in groups.items()},
        pools={pool.name: pool for pool in pools},
        servers={server.name: server for server in servers},
        silence={server.name: _silence(server) for server in servers},
        now=time.time(),
    )
    return Faults().contain(world).world


def _silence(server: Server) -> float:
    ready = conditions.find(server.status.conditions, conditions.READY)
    unheard = ready is not None and ready.status == "Unknown" and ready.reason not in (UNREADABLE, INTERNAL_ERROR)
    return float("inf") if unheard else 0.0
