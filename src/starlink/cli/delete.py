"""`starlink delete`: objects by name or by file, waiting until they and their processes are gone."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import click

from starlink.api import duration
from starlink.api.kinds import SERVER, Kind
from starlink.cli import own_agents
from starlink.cli.cluster import commands, with_client
from starlink.cli.completion import objects
from starlink.cli.deleting import STILL_THERE, Doomed, begin, look, still_there, until_gone
from starlink.cli.faults import INTERRUPTED
from starlink.cli.hints import Command
from starlink.cli.manifests import read
from starlink.cli.namespace import Namespace, namespace_of, namespace_option
from starlink.cli.nearest import missing
from starlink.cli.resources import Resources
from starlink.cli.tables import some
from starlink.cli.targets import parse, resolve
from starlink.client.errors import NotFound
from starlink.client.kube import Client

Wanted = tuple[Kind, str, str]
"""Kind, name and namespace."""


class Waiting(click.Command):
    """A command that takes `--wait=false` for `--no-wait`, as kubectl does."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Raises UsageError for another value."""
        return super().parse_args(ctx, [self._plain(ctx, arg) for arg in args])

    def _plain(self, ctx: click.Context, arg: str) -> str:
        option, equals, value = arg.partition("=")
        if option != "--wait" or not equals:
            return arg
        if value not in ("true", "false"):
            raise click.UsageError(f"--wait={value}: write --wait=true or --wait=false", ctx)
        return "--wait" if value == "true" else "--no-wait"


def _seconds(_ctx: click.Context, _parameter: click.Parameter, text: str | None) -> float | None:
    try:
        return None if text is None else duration.seconds(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def waiting_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--wait` and `--timeout`, as `wait` and in seconds as `timeout`."""
    timeout = click.option(
        "--timeout", callback=_seconds, metavar="DURATION",
        help="Wait no longer, such as 30s; ends with 3 when something is still there then [no limit].",
    )  # fmt: skip
    return click.option("--wait/--no-wait", default=True, help="Wait until they are gone [yes].")(timeout(command))


@click.command(cls=Waiting)
@click.argument("words", nargs=-1, metavar="[KIND NAME...]", shell_complete=objects)
@click.option("-f", "--filename", "files", multiple=True, help="Delete what these files declare.")
@namespace_option
@waiting_options
@click.option("--force", is_flag=True, help="Declare servers gone, and let pools go that are in use.")
@click.pass_context
def command(
    ctx: click.Context,
    words: tuple[str, ...],
    files: tuple[str, ...],
    namespace: str | None,
    wait: bool,
    timeout: float | None,
    force: bool,
) -> None:
    """Delete objects: KIND NAME..., KIND/NAME..., or -f FILE; and wait until they and their processes are gone.

    It ends with 0 when they are gone, with 1 when one that is named was not there, with 3 when --timeout has passed.
    Ctrl-C ends the waiting, not the deletion.
    """
    targets = () if files else parse(words)
    if (files and words) or any(not target.names for target in targets):
        raise click.UsageError("give KIND and NAME..., or -f FILE")
    otherwise = namespace_of(ctx, namespace)

    async def wanted(client: Client) -> Sequence[Wanted]:
        resources = await Resources.discover(client)
        if files:
            return _declared(files, resources, otherwise)
        found = resolve(targets, resources, otherwise.name)
        return [(one.kind, name, one.namespace) for one in found for name in one.names]

    carry_out(ctx, wanted, wait=wait, timeout=timeout, force=force, demanded=not files)


def _declared(files: tuple[str, ...], resources: Resources, otherwise: Namespace) -> Sequence[Wanted]:
    found = [(resources.of_manifest(manifest), manifest) for manifest in read(files)]
    return [(kind, one.name, otherwise.of(one) if kind.namespaced else "") for kind, one in found]


def carry_out(
    ctx: click.Context, wanted: Callable[[Client], Any], *, wait: bool, timeout: float | None, force: bool,
    demanded: bool = True,
) -> None:  # fmt: skip
    """Deletes what `wanted` gives, waits as it is asked to, and ends the command with what became of it. What is not
    there is an error where it was `demanded` by name."""
    begun: list[Doomed] = []

    async def work(client: Client) -> tuple[Sequence[str], Sequence[str]]:
        absent = []
        asked = await wanted(client)
        if not force:
            own_agents.refuse(ctx, [name for kind, name, _ in asked if kind.plural == SERVER.plural])
        for kind, name, place in asked:
            try:
                begun.append(await begin(client, kind, name, place, force=force))
            except NotFound:
                absent.append(await missing(client, kind, name, place, commands(ctx)))
                continue
            if not wait:
                click.echo(f"{begun[-1]} is being deleted")
        return absent, await _left(client, begun, timeout, commands(ctx)) if wait else ()

    try:
        absent, left = with_client(ctx, work)
    except KeyboardInterrupt:
        if not begun:
            raise
        click.echo(f"interrupted; the deletion of {some(map(str, begun))} goes on", err=True)
        ctx.exit(INTERRUPTED)
    for text in left:
        click.echo(text, err=True)
    if absent and demanded:
        raise click.ClickException("\n".join(absent))
    for text in absent:
        click.echo(text, err=True)
    ctx.exit(STILL_THERE if left else 0)


async def _left(client: Client, begun: Sequence[Doomed], timeout: float | None, command: Command) -> Sequence[str]:
    """Waits for each, and says which are still there when the time is up, and why."""
    gone: set[Doomed] = set()
    try:
        async with asyncio.timeout(timeout):
            for one in begun:
                await until_gone(client, one, command)
                gone.add(one)
                click.echo(f"{one} deleted")
    except TimeoutError:
        waits = {one: await look(client, one, command) for one in begun if one not in gone}
        for one in [one for one, wait in waits.items() if wait is None]:
            click.echo(f"{one} deleted")
        return [still_there(one, wait, timeout or 0) for one, wait in waits.items() if wait is not None]
    return ()
