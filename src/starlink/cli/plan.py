"""`starlink plan`: where everything would go, and why not; by the operator's own engine. Writes nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import click

from starlink.cli.cluster import commands, with_client
from starlink.cli.declaring import Declared, declared
from starlink.cli.formats import written
from starlink.cli.hints import retold
from starlink.cli.intended import intend
from starlink.cli.manifests import read, told
from starlink.cli.namespace import namespace_of, namespace_option
from starlink.cli.observing import Sight, engine_for, look
from starlink.cli.plan_data import estimates_data, objects_data, preview_data, what_if_data
from starlink.cli.plan_text import keeps_all, render_changes, render_hash
from starlink.cli.preview_text import render, render_estimates, render_what_if
from starlink.cli.screen import Screen
from starlink.client.kube import Client

if TYPE_CHECKING:
    from starlink.engine.foresight.what_if import Addition

NOT_ALL_FIT = 2
MOST_ROWS = 50


def _named(_ctx: click.Context, _parameter: click.Parameter, pool: str | None) -> str:
    """The pool that --pool names, "" where it is not given."""
    if pool is not None and not pool.strip():
        raise click.BadParameter(f"{pool!r} is no pool; name one, or leave --pool away for servers in none")
    return pool or ""


@click.command()
@click.option("-f", "--filename", "files", multiple=True, help="A file, a folder, or - for standard input.")
@namespace_option
@click.option("--add", "additions", multiple=True, help="What if there were such servers: arch=arm64,cpu=16,memory=64Gi"
              "[,count=N][,gpu=N][,label.KEY=VALUE][,feature=NAME][,DOMAIN/NAME=N].")  # fmt: skip
@click.option("--pool", callback=_named, help="The pool of the servers that --add adds.")
@click.option("-o", "--output", type=click.Choice(["json", "yaml"]), help="Print it as data.")
@click.option("--all", "every_row", is_flag=True, help=f"Show all rows of a task, not only {MOST_ROWS}.")
@click.pass_context
def command(
    ctx: click.Context,
    files: tuple[str, ...],
    namespace: str | None,
    additions: tuple[str, ...],
    pool: str,
    output: str | None,
    every_row: bool,
) -> None:
    """Show what applying a file would do, or what further servers would.

    Says where instances would go, which fields change, and the hash by which `starlink apply --plan HASH` applies this
    and nothing else. The tasks of all files are planned together, with the pools and servers of those files as if
    applied. Exits with 2 when something can't be placed, or is being deleted, which applying does not undo.
    """
    if not files and not additions:
        raise click.UsageError("give -f FILE, or --add 'arch=arm64,cpu=16,memory=64Gi', or both")
    if pool and not additions:
        raise click.UsageError("--pool is where --add adds servers; a task names its own in placement.pool")
    with engine_for("plan"):
        from starlink.engine.foresight.headroom import estimates
        from starlink.engine.foresight.overlay import overlaid
        from starlink.engine.foresight.preview import previews
        from starlink.engine.foresight.what_if import what_if
    manifests = read(files) if files else []
    added = _parsed(additions)
    otherwise, screen = namespace_of(ctx, namespace), Screen.of()

    async def work(client: Client) -> tuple[str, bool]:
        intended = await intend(client, manifests, otherwise)
        found = declared(intended)
        if not found.tasks and not added:
            click.echo(f"{told(files)}: {found.without_task()}", err=True)
        wrong = found.refuse()
        looks = bool(found.tasks or (added and not wrong))
        judged = await judge(client, found) if looks else _Judged("", {}, short=False)
        short = judged.short or bool(wrong) or not (added or keeps_all(intended))
        if output is not None:
            of_objects = {} if added else objects_data(intended, is_valid=not wrong)
            return written(output, {**judged.data, **of_objects, "invalid": wrong.splitlines()}), short
        if added or (wrong and not found.tasks):
            return retold(wrong + judged.text, commands(ctx)), short
        text = judged.text + render_changes(intended, None if every_row else MOST_ROWS, screen)
        text += "" if wrong else render_hash(intended, _words(files, namespace), commands(ctx))
        return retold(wrong + text, commands(ctx)), short

    async def judge(client: Client, declared: Declared) -> _Judged:
        tasks = list(declared.tasks.values())
        sight = await look(client, {otherwise.name, *(task.metadata.namespace for task in tasks)})
        click.echo(declared.left_out(sight.world.servers), nl=False, err=True)
        sight = replace(sight, world=overlaid(sight.world, declared.pools.values(), declared.servers.values()))
        if added:
            _demand(sight, pool)
            found = what_if(sight.world, tasks, pool, added)
            return _Judged(render_what_if(found, pool), what_if_data(found), any(one.still for one in found.outcomes))
        notes = declared.notes()
        if not sight.is_whole:
            judged = estimates(sight.world, tasks)
            text, data = render_estimates(judged, sight.lacking), estimates_data(judged, sight.lacking)
            return _Judged(text + notes, {**data, "notes": notes.splitlines()}, any(one.short for one in judged))
        shown = previews(sight.world, tasks)
        text = "\n".join(render(one, MOST_ROWS if not every_row else None, screen) for one in shown)
        notes = _unseen(sight) + notes
        data = {"tasks": [preview_data(one) for one in shown], "notes": notes.splitlines()}
        return _Judged(text + notes, data, any(one.falls_short for one in shown))

    text, short = with_client(ctx, work)
    click.echo(text, nl=False)
    if short:
        ctx.exit(NOT_ALL_FIT)


@dataclass(frozen=True, slots=True)
class _Judged:
    """What the engine says, as text and as data, and whether something has no place."""

    text: str
    data: dict[str, Any]
    short: bool


def _words(files: Iterable[str], namespace: str | None) -> list[str]:
    """The options that make `starlink apply` apply the same."""
    return [*(["-n", namespace] if namespace else []), *(word for file in files for word in ("-f", file))]


def _parsed(texts: Iterable[str]) -> list[Addition]:
    from starlink.engine.foresight.what_if import addition

    found = []
    for text in texts:
        try:
            found.append(addition(text))
        except ValueError as error:
            raise click.BadParameter(f"{text!r}: {error}", param_hint="--add") from None
    return found


def _demand(sight: Sight, pool: str) -> None:
    """What-if places instances on all servers there are."""
    if not sight.is_whole:
        raise click.ClickException(f"--add needs to read {sight.lacking}, which you may not")
    if pool and pool not in sight.world.pools:
        known = ", ".join(sorted(sight.world.pools)) or "none"
        raise click.ClickException(f"--pool {pool}: there is no such pool; there are: {known}")


def _unseen(sight: Sight) -> str:
    if not sight.hidden:
        return ""
    return "tasks of other namespaces can't be read by you: whether they make room or keep others away is not seen\n"
