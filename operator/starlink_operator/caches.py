"""What the operator sees: caches of every kind that planning looks at, as one World."""

import asyncio
import contextlib
import gc
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from starlink.api.assignment import Assignment
from starlink.api.change import Change
from starlink.api.kinds import ASSIGNMENT, LEASE, POOL, SERVER, TASK, Kind
from starlink.api.labels import SERVER_NAMESPACE
from starlink.api.lease import Lease
from starlink.api.meta import Object, ObjectKey
from starlink.api.pool import Pool
from starlink.api.server import Server
from starlink.api.task import Task
from starlink.client.cache import Cache
from starlink.client.errors import ClientError
from starlink.client.kube import Client
from starlink.planning.contract import Known
from starlink.planning.health import SUSPECT_AFTER
from starlink.planning.server import was_silent
from starlink.planning.world import World
from starlink_operator.heartbeats import ASK_AFTER, Heartbeats
from starlink_operator.interning import AssignmentDecoder
from starlink_operator.owners import Owners
from starlink_operator.readiness import Readiness

LISTEN_SECONDS = 0.5
REFRESH_SECONDS = 5.0
"""Between two tries to list for the first time what comes by kopf."""


O = TypeVar("O", bound=Object)  # noqa: E741 - an object


@dataclass(frozen=True, slots=True)
class Reads:
    """What a controller reads: of what is `many`, up to hundreds of thousands, we have list+watch caches of our own;
    what is `few`, up to hundreds, comes by kopf."""

    many: Sequence[Known[Any]]
    few: Sequence[Known[Any]] = ()

    @property
    def kinds(self) -> list[Kind]:
        return [known.kind for known in (*self.many, *self.few)]


class Caches:
    """Caches of all kinds that controllers read: what is many follows itself, what is few is brought by kopf. Servers,
    pools, tasks and assignments, which are always among them, also make one World. The Leases of servers are in
    `server_namespace`."""

    def __init__(
        self,
        client: Client,
        monotonic: Callable[[], float],
        wall: Callable[[], float],
        jitter: Callable[[], float],
        server_namespace: str = SERVER_NAMESPACE,
        reads: Sequence[Reads] = (),
    ) -> None:
        self._monotonic = monotonic
        self._wall = wall
        self.tasks = Cache(client, TASK, Task, now=monotonic, jitter=jitter)
        self.pools = Cache(client, POOL, Pool, now=monotonic, jitter=jitter)
        self.servers = Cache(client, SERVER, Server, now=monotonic, jitter=jitter)
        self.assignments = Cache(
            client, ASSIGNMENT, Assignment, now=monotonic, jitter=jitter, decoder=AssignmentDecoder()
        )
        self._leases = Cache(client, LEASE, Lease, now=monotonic, jitter=jitter, namespace=server_namespace)
        self._caches: dict[Kind, Cache[Any]] = {
            TASK: self.tasks,
            ASSIGNMENT: self.assignments,
            SERVER: self.servers,
            POOL: self.pools,
        }
        self._many, self._world = {TASK, ASSIGNMENT, SERVER}, frozenset(self._caches)
        for known in (known for one in reads for known in (*one.many, *one.few)):
            if known.kind not in self._caches:
                self._caches[known.kind] = Cache(client, known.kind, known.view, now=monotonic, jitter=jitter)
        self._many.update(known.kind for one in reads for known in one.many)
        self._owners: dict[Kind, Owners[Any]] = {}
        self._heartbeats = Heartbeats(was_silent)
        self._on_return: list[Callable[[str], None]] = []
        self._by_task: dict[ObjectKey, dict[ObjectKey, Assignment]] = {}
        self._groups: dict[ObjectKey, tuple[Assignment, ...]] = {}
        self._changed: set[ObjectKey] = set()
        self._by_server: dict[str, Counter[ObjectKey]] = {}
        self._readiness = Readiness(monotonic, wall)
        self.tasks.subscribe(self._readiness.task_changed)
        self.assignments.subscribe(self._index)
        self.assignments.subscribe(self._readiness.assignment_changed)
        self._leases.subscribe(self._heard)

    @property
    def brought(self) -> Collection[Kind]:
        """The kinds of which the events come by kopf."""
        return self._caches.keys() - self._many

    def cache(self, kind: Kind) -> Cache[Any]:
        """The cache of a kind that some controller reads."""
        return self._caches[kind]

    def has(self, kind: Kind) -> bool:
        """Whether some controller reads the kind."""
        return kind in self._caches

    async def run(self) -> None:
        """Follows until cancelled."""
        async with asyncio.TaskGroup() as group:
            for kind in self._many:
                group.create_task(self._caches[kind].run())
            group.create_task(self._leases.run())
            group.create_task(self._listen())

    async def synced(self) -> None:
        """Waits for the first list of what makes a World. Raises ClientError. All that it brings is kept, so the
        garbage collector, which would walk it again and again, rests."""
        with _no_collection():
            for cache in (self.tasks, self.servers, self.assignments, self._leases):
                await cache.synced()
            await self.pools.refresh()

    async def known(self, reads: Reads) -> None:
        """Waits for the first list of those that are not of a World: for ever, where the CRD is missing."""
        for kind in set(reads.kinds) - self._world:
            while kind not in self._many and not self._caches[kind].lists:
                with contextlib.suppress(ClientError, msgspec.MsgspecError):
                    await self._caches[kind].refresh()
                    break
                await asyncio.sleep(REFRESH_SECONDS)
            await self._caches[kind].synced()

    async def refresh(self) -> None:
        """Lists anew what comes by kopf."""
        for kind in self.brought:
            with contextlib.suppress(ClientError, msgspec.MsgspecError):
                await self._caches[kind].refresh()

    # What a planner sees (planning.contract.Sight)

    @property
    def now(self) -> float:
        return self._wall()

    def all(self, known: Known[O]) -> Mapping[ObjectKey, O]:
        objects: Mapping[ObjectKey, O] = self._caches[known.kind].objects
        return objects

    def owned(self, known: Known[O], owner: Object) -> Sequence[O]:
        if known.kind not in self._owners:
            self._owners[known.kind] = Owners(self._caches[known.kind])
        return self._owners[known.kind].owned_by(owner.uid)

    def unreadable(self, kind: Kind) -> Mapping[ObjectKey, str]:
        return self._caches[kind].unreadable

    def _index(self, change: Change[Assignment]) -> None:
        """Holds nothing of what is gone: a standby hears of everything and looks at nothing."""
        if change.old is not None:
            key = task_of(change.old)
            group = self._by_task[key]
            del group[change.key]
            self._changed.add(key)
            self._count(change.old.spec.server, key, -1)
            if not group:
                del self._by_task[key]
                self._groups.pop(key, None)
                self._changed.discard(key)
        if change.new is not None:
            key = task_of(change.new)
            self._changed.add(key)
            self._by_task.setdefault(key, {})[change.key] = change.new
            self._count(change.new.spec.server, key, 1)

    def _count(self, server: str, key: ObjectKey, number: int) -> None:
        tasks = self._by_server.setdefault(server, Counter())
        tasks[key] += number
        if not tasks[key]:
            del tasks[key]
        if not tasks:
            del self._by_server[server]

    def tasks_on(self, server: str) -> list[ObjectKey]:
        """The tasks that have assignments on a server."""
        return list(self._by_server.get(server, ()))

    def _grouped(self) -> Mapping[ObjectKey, tuple[Assignment, ...]]:
        """The assignments by task. A group that has not changed is the same tuple as before, so that what was made of
        it need not be made again."""
        for key in self._changed:
            self._groups[key] = tuple(self._by_task[key].values())
        self._changed.clear()
        return self._groups

    def _heard(self, change: Change[Lease]) -> None:
        if change.new is None:
            self._heartbeats.forget(change.key.name)
            return
        server, version = change.key.name, change.new.metadata.resource_version
        if self._heartbeats.renewed(server, version, self._monotonic()) >= SUSPECT_AFTER:
            for told in self._on_return:
                told(server)

    def on_return(self, told: Callable[[str], None]) -> None:
        """Has `told` be called with the name of each server that is heard again after it was passed over as silent."""
        self._on_return.append(told)

    async def _listen(self) -> None:
        await self._leases.synced()
        while True:
            due = await self.ask()
            await asyncio.sleep(max(due, LISTEN_SECONDS))

    async def ask(self) -> float:
        """Lists the Leases when nothing was heard of them for a while; gives in how many seconds to ask again."""
        due = self._leases.last_heard + ASK_AFTER - self._monotonic()
        if due > 0 or not self.servers.objects:
            return due
        with contextlib.suppress(ClientError, msgspec.MsgspecError):
            await self._leases.refresh()
        return ASK_AFTER

    def look(self) -> None:
        """Called every second: tells silence of servers from silence of our own."""
        self._heartbeats.look(self._monotonic(), self._leases.last_heard)

    def silent(self) -> frozenset[str]:
        """The servers that are not heard now."""
        servers = {key.name: server for key, server in self.servers.objects.items()}
        silence = self._heartbeats.silence(servers, self._monotonic())
        return frozenset(name for name, seconds in silence.items() if seconds >= SUSPECT_AFTER)

    def world(self) -> World:
        """Everything, now."""
        servers = {key.name: server for key, server in self.servers.objects.items()}
        return World(
            tasks=self.tasks.objects,
            assignments=self._grouped(),
            pools={key.name: pool for key, pool in self.pools.objects.items()},
            servers=servers,
            silence=self._heartbeats.silence(servers, self._monotonic()),
            now=self._wall(),
            ready_for=self._readiness.ready_for(),
        )


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def task_of(assignment: Assignment) -> ObjectKey:
    """The key of the task that an assignment is labelled with."""
    return ObjectKey(assignment.metadata.namespace, assignment.task)
