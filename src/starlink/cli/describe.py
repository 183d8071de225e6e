"""`starlink describe`: one object in words, with what belongs to it."""

import time
from collections.abc import Awaitable, Sequence
from typing import Any, TypeVar

import click
import msgspec

from starlink.api import labels
from starlink.api.assignment import Assignment
from starlink.api.kinds import ASSIGNMENT, EVENT, POOL, SERVER, TASK, Kind
from starlink.api.pool import Pool
from starlink.api.server import Server
from starlink.api.task import Task
from starlink.cli import describing
from starlink.cli.cluster import commands, logs_of, with_client
from starlink.cli.completion import kinds_of
from starlink.cli.description import Description
from starlink.cli.hints import Command, retold, retold_object
from starlink.cli.namespace import namespace_of, namespace_option
from starlink.cli.nearest import missing
from starlink.cli.resources import Resources
from starlink.cli.screen import Screen
from starlink.cli.sections import Event
from starlink.cli.targets import Objects, parse, resolve
from starlink.client.errors import Forbidden, NotFound
from starlink.client.kube import Client

T = TypeVar("T")

_KNOWN = (TASK, POOL, SERVER, ASSIGNMENT)


@click.command()
@click.argument("words", nargs=-1, metavar="KIND NAME...", shell_complete=kinds_of(_KNOWN))
@namespace_option
@click.pass_context
def command(ctx: click.Context, words: tuple[str, ...], namespace: str | None) -> None:
    """Say how an object is: a task, pool, server or assignment; also as KIND/NAME.

    What is declared in short, its conditions, its instances with where they run, why they ended and with which exit
    code, and its events. It ends with 1 when one that is named is not there.
    """
    targets = parse(words)
    place = namespace_of(ctx, namespace).name

    async def work(client: Client) -> Sequence[str]:
        wanted = resolve(targets, await Resources.discover(client), place)
        for one in wanted:
            _demand(one, commands(ctx))
        absent, printed = [], False
        for objects, name in ((one, name) for one in wanted for name in one.names):
            try:
                found = await _describe(client, objects, name, ctx)
            except NotFound:
                absent.append(await missing(client, objects.kind, name, objects.namespace, commands(ctx)))
                continue
            click.echo(("\n" if printed else "") + found.render(Screen.of()), nl=False)
            printed = True
        return absent

    absent = with_client(ctx, work)
    if absent:
        raise click.ClickException("\n".join(absent))


def _demand(one: Objects, command: Command) -> None:
    """Raises ClickException unless it is a kind that can be described, with a name."""
    if one.kind.plural not in {kind.plural for kind in _KNOWN} or one.kind.group != TASK.group:
        words = f"{one.kind.kind.lower()} {one.names[0] if one.names else 'NAME'}"
        raise click.ClickException(
            f"describe knows tasks, pools, servers and assignments; for others: `{command(f'get {words} -o yaml')}`"
        )
    if not one.names:
        raise click.ClickException(
            f"give the name of the {one.kind.kind.lower()}; `{command(f'get {one.kind.plural}')}` shows them"
        )


async def _describe(client: Client, one: Objects, name: str, ctx: click.Context) -> Description:
    command = commands(ctx)
    obj = retold_object(await client.get(one.kind, name, one.namespace), command)
    events, now = await _events(client, obj, command), time.time()
    if one.kind.plural == TASK.plural:
        shown, attempts = _read(one.kind, obj, Task, command), await _of_task(client, obj)
        return describing.task(shown, attempts, events, now, command, logs_of(ctx))
    if one.kind.plural == POOL.plural:
        servers = await _allowed(every(client, SERVER, Server))
        its = None if servers is None else [server for server in servers if server.status.pool == name]
        return describing.pool(_read(one.kind, obj, Pool, command), its, events, now, command)
    if one.kind.plural == SERVER.plural:
        found = await _allowed(every(client, ASSIGNMENT, Assignment, field_selector=f"spec.server={name}"))
        return describing.server(_read(one.kind, obj, Server, command), found, events, now, command)
    return describing.assignment(_read(one.kind, obj, Assignment, command), events, now, logs_of(ctx))


async def _of_task(client: Client, obj: dict[str, Any]) -> Sequence[Assignment] | None:
    """Those that the very task owns, not an earlier one of its name."""
    meta = obj["metadata"]
    selector = f"{labels.TASK}={meta['name']}"
    found = await _allowed(every(client, ASSIGNMENT, Assignment, meta["namespace"], label_selector=selector))
    return found and [one for one in found if one.metadata.controller_uid in (meta["uid"], "")]


async def _events(client: Client, obj: dict[str, Any], command: Command) -> Sequence[Event] | None:
    meta = obj["metadata"]
    selector = f"involvedObject.uid={meta['uid']}"
    found = await _allowed(every(client, EVENT, Event, meta.get("namespace", ""), field_selector=selector))
    return found and [msgspec.structs.replace(one, message=retold(one.message, command)) for one in found]


async def every(client: Client, kind: Kind, view: type[T], namespace: str = "", **selectors: str) -> Sequence[T]:
    """What can be read of a kind; the rest does not keep the object from being described."""
    found = []
    for item in (await client.list(kind, namespace, **selectors)).items:
        try:
            found.append(msgspec.json.decode(item, type=view))
        except msgspec.ValidationError as error:
            name = msgspec.json.decode(item)["metadata"]["name"]
            click.echo(f"{kind.kind.lower()} {name} can't be read and is left out: {error}", err=True)
    return found


async def _allowed(asked: Awaitable[T]) -> T | None:
    try:
        return await asked
    except Forbidden:
        return None


def _read(kind: Kind, obj: dict[str, Any], view: type[T], command: Command) -> T:
    """Raises ClickException for an object that this version can't read."""
    try:
        return msgspec.convert(obj, view)
    except msgspec.ValidationError as error:
        meta = obj["metadata"]
        name, place = meta["name"], f" -n {meta['namespace']}" if kind.namespaced else ""
        raise click.ClickException(
            f"{kind.kind.lower()} {name} can't be described: {error}; "
            f"`{command(f'get {kind.kind.lower()} {name}{place} -o yaml')}` shows it"
        ) from None
