"""What files declare, as the server would store it: what `starlink plan` plans with. Writes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import click
import msgspec

from starlink.api.kinds import NAMESPACE, POOL, SERVER, TASK, Kind
from starlink.api.merge_patch import merge
from starlink.api.meta import Object, ObjectKey
from starlink.api.pool import Pool
from starlink.api.server import Server
from starlink.api.task import Task
from starlink.cli.apply import patch_to
from starlink.cli.manifests import Manifest
from starlink.cli.namespace import Namespace
from starlink.cli.resources import Resources
from starlink.cli.tables import some
from starlink.client.errors import ClientError, Forbidden, NotFound
from starlink.client.kube import Client
from starlink.planning.faults import pool_fault, task_fault
from starlink.planning.status import INVALID_SPEC

T = TypeVar("T", bound=Object)

_DRY_RUN = {"dryRun": "All", "fieldValidation": "Strict"}


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
        faults = {f"task {key}": fault for key, task in self.tasks.items() if (fault := task_fault(task))}
        faults |= {f"pool {key}": fault for key, pool in self.pools.items() if (fault := pool_fault(pool))}
        self.tasks = {key: task for key, task in self.tasks.items() if f"task {key}" not in faults}
        self.pools = {key: pool for key, pool in self.pools.items() if f"pool {key}" not in faults}
        return "".join(f"{name}: {INVALID_SPEC}: {fault}\n" for name, fault in faults.items())

    def left_out(self, existing: Container[str]) -> str:
        """What of it no plan looks at, as one line, "" for nothing; `existing` are the servers there are."""
        told = [f"{kind.kind} {name}" for kind, name in self.others]
        told += [f"{SERVER.kind} {key}, of which no agent is seen" for key in self.servers if key.name not in existing]
        return f"left out, for a plan is of Tasks, Pools and Servers: {'; '.join(told)}\n" if told else ""

    def notes(self) -> str:
        """What the server did not check, a line each."""
        return "".join(f"{why}: judged as written, not checked by the server\n" for why in self.unchecked)

    def without_task(self) -> str:
        """What there is in place of a task, in words."""
        counts = Counter[str](kind.kind for kind, _ in self.others)
        counts += Counter({POOL.kind: len(self.pools), SERVER.kind: len(self.servers)})
        there = some((f"{count} {kind}{'s' if count > 1 else ''}" for kind, count in sorted(counts.items())), 10)
        return (
            f"no {TASK.kind} in it, but {there}; a plan shows what becomes of the Tasks that are given: "
            f"give theirs too ({TASK.api_version}), such as with one more -f"
        )


async def declare(client: Client, manifests: Sequence[Manifest], otherwise: Namespace) -> Declared:
    """Asks the server what it would store. Raises ClickException naming the document."""
    found = Declared()
    resources = await Resources.discover(client)
    kinds = [resources.of_manifest(manifest) for manifest in manifests]
    places = [
        otherwise.of(manifest) if kind.namespaced else "" for kind, manifest in zip(kinds, manifests, strict=True)
    ]
    asking = _Asking(client, found, {m.name for k, m in zip(kinds, manifests, strict=True) if k == NAMESPACE})
    for kind, manifest, place in zip(kinds, manifests, places, strict=True):
        key = ObjectKey(place, manifest.name)
        if kind == TASK:
            found.tasks[key] = await asking.stored(kind, Task, manifest, place)
        elif kind == POOL:
            found.pools[key] = await asking.stored(kind, Pool, manifest, place)
        elif kind == SERVER:
            found.servers[key] = await asking.stored(kind, Server, manifest, place)
        else:
            found.others.append((kind, str(key)))
    return found


@dataclass(frozen=True, slots=True)
class _Asking:
    """`namespaces` come with the files."""

    client: Client
    found: Declared
    namespaces: set[str]

    async def stored(self, kind: Kind, view: type[T], manifest: Manifest, place: str) -> T:
        try:
            return converted(await self._answer(kind, manifest, place), view, manifest.where)
        except ClientError as error:
            raise click.ClickException(f"{manifest.where}: {error}") from None

    async def _answer(self, kind: Kind, manifest: Manifest, place: str) -> dict[str, Any]:
        """The server validates and fills in defaults, and dryRun keeps it from writing; else as it is written."""
        written = {**manifest.body, "metadata": {**manifest.body["metadata"], "namespace": place}}
        try:
            current = await self.client.get(kind, manifest.name, place)
        except (Forbidden, NotFound) as error:
            if isinstance(error, Forbidden):
                return self._unchecked(f"you may not read {_where(kind, place)}", written)
            return await self._created(kind, manifest, place, written)
        patch = patch_to(manifest, current)
        try:
            return await self.client.patch(kind, manifest.name, patch, place, query=_DRY_RUN)
        except Forbidden:
            return self._unchecked(f"you may not write {_where(kind, place)}", merge(current, patch))

    async def _created(self, kind: Kind, manifest: Manifest, place: str, written: dict[str, Any]) -> dict[str, Any]:
        try:
            return await self.client.create(kind, manifest.body, place, query=_DRY_RUN)
        except Forbidden:
            return self._unchecked(f"you may not write {_where(kind, place)}", written)
        except NotFound:
            if place not in self.namespaces:
                raise
            return self._unchecked(f"namespace {place} is not there yet", written)

    def _unchecked(self, why: str, body: dict[str, Any]) -> dict[str, Any]:
        self.found.unchecked[why] = None
        return body


def _where(kind: Kind, place: str) -> str:
    return f"{kind.plural} in {place}" if place else kind.plural


def converted(body: Any, view: type[T], where: str) -> T:
    """A view of an object as it is written. Raises ClickException naming `where` and the field."""
    try:
        return msgspec.convert(body, view)
    except msgspec.ValidationError as error:
        raise click.ClickException(f"{where}: {error}") from None
