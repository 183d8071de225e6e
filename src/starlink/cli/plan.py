"""`starlink plan -f FILE`: where everything would go, and why not; by the operator's own engine. Writes nothing."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click
import msgspec

from starlink.api import conditions
from starlink.api.assignment import Assignment
from starlink.api.kinds import ASSIGNMENT, POOL, SERVER, TASK, Kind
from starlink.api.meta import Object, ObjectKey
from starlink.api.pool import Pool
from starlink.api.server import Server
from starlink.api.task import Task
from starlink.cli.apply import three_way
from starlink.cli.cluster import with_client
from starlink.cli.manifests import read
from starlink.client.errors import NotFound
from starlink.client.kube import Client
from starlink.planning.world import World

if TYPE_CHECKING:
    from starlink.engine.preview import Preview

T = TypeVar("T", bound=Object)

NOT_ALL_FIT = 2


@click.command()
@click.option(
    "-f", "--filename", "files", multiple=True, required=True, help="A file, a folder, or - for standard input."
)
@click.option("-n", "--namespace", default="default", show_default=True, help="For tasks that name none.")
@click.pass_context
def command(ctx: click.Context, files: tuple[str, ...], namespace: str) -> None:
    """Show what applying a file would do. Exits with 2 when something can't be placed."""
    try:
        from starlink.engine.preview import preview
    except ModuleNotFoundError as error:
        raise click.ClickException(
            f"plan needs {error.name}, which is not installed: pip install 'starlink-orchestrator[server]'"
        ) from None
    manifests = [
        m for m in read(files) if (m.body.get("apiVersion"), m.body.get("kind")) == (TASK.api_version, TASK.kind)
    ]
    if not manifests:
        raise click.ClickException(f"{', '.join(files)}: no {TASK.kind} of {TASK.api_version} in it")

    async def work(client: Client) -> list[Preview]:
        previews = []
        for manifest in manifests:
            place = manifest.body["metadata"].get("namespace") or namespace
            # The server validates and fills in defaults; dryRun keeps it from writing.
            task = await _dry_run(client, manifest.body, place)
            previews.append(preview(await observe(client), task))
        return previews

    found = with_client(ctx, work)
    for number, one in enumerate(found):
        click.echo(("\n" if number else "") + render(one), nl=False)
    if any(one.unplaced for one in found):
        ctx.exit(NOT_ALL_FIT)


async def _dry_run(client: Client, body: dict[str, Any], namespace: str) -> Task:
    query = {"dryRun": "All", "fieldValidation": "Strict"}
    name = str(body["metadata"]["name"])
    try:
        current = await client.get(TASK, name, namespace)
        patch = {"spec": three_way(current["spec"], body["spec"], current["spec"])}
        answered = await client.patch(TASK, name, patch, namespace, query=query)
    except NotFound:
        answered = await client.create(TASK, body, namespace, query=query)
    return msgspec.convert(answered, Task)


async def observe(client: Client) -> World:
    """The world as the API has it; a server whose Ready is Unknown counts as silent."""
    tasks = await _all(client, TASK, Task)
    assignments: dict[ObjectKey, list[Assignment]] = {}
    for assignment in await _all(client, ASSIGNMENT, Assignment):
        assignments.setdefault(ObjectKey(assignment.metadata.namespace, assignment.task), []).append(assignment)
    servers = await _all(client, SERVER, Server)
    return World(
        tasks={task.key: task for task in tasks},
        assignments={key: tuple(group) for key, group in assignments.items()},
        pools={pool.name: pool for pool in await _all(client, POOL, Pool)},
        servers={server.name: server for server in servers},
        silence={server.name: _silence(server) for server in servers},
        now=time.time(),
    )


def _silence(server: Server) -> float:
    ready = conditions.find(server.status.conditions, conditions.READY)
    return float("inf") if ready is not None and ready.status == "Unknown" else 0.0


async def _all(client: Client, kind: Kind, view: type[T]) -> Sequence[T]:
    return [msgspec.json.decode(item, type=view) for item in (await client.list(kind)).items]


def render(preview: Preview) -> str:
    """The preview as text. Pure."""
    lines = [f"task {preview.task.key}: {_summary(preview)}"]
    if preview.rows:
        lines.append(f"  {'SLOT':<6}{'ACTION':<10}{'SERVER':<24}REASON")
        lines += [f"  {row.slot:<6}{row.action:<10}{row.server:<24}{row.reason}".rstrip() for row in preview.rows]
    removed = [f"{name} {count}" for name, count in preview.removed if count]
    lines.append(f"  filters removed, of {preview.servers} servers: {', '.join(removed) or 'none'}")
    if preview.unplaced:
        lines.append(f"  {preview.unplaced} can't be placed: {preview.refusal}")
    return "\n".join(lines) + "\n"


def _summary(preview: Preview) -> str:
    counts = Counter(row.action for row in preview.rows)
    told = [f"{counts[action]} to {action}" for action in ("create", "replace", "stop") if counts[action]]
    told += [f"{counts['keep']} kept"] if counts["keep"] else []
    told += [f"{preview.unplaced} without a place"] if preview.unplaced else []
    return ", ".join(told) or "nothing to do"
