"""`starlink server`: adds a server with the identity of its agent, lists servers, and removes them."""

import os
import shlex
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from starlink.api import labels, namespaces
from starlink.api.kinds import POOL, SERVER
from starlink.api.server import Server
from starlink.cli import agent_tokens, completion, cordon, names, reaching, servers, uncordon
from starlink.cli.cluster import command_of, commands, with_client
from starlink.cli.delete import Waiting, Wanted, carry_out, waiting_options
from starlink.cli.describe import every
from starlink.cli.hints import Command
from starlink.cli.joining import NotReached, Way
from starlink.cli.screen import Screen
from starlink.client.config import Config, render
from starlink.client.errors import AlreadyExists, NotFound
from starlink.client.kube import Client
from starlink.files import durable


def _labels(_ctx: click.Context, _parameter: click.Parameter, words: tuple[str, ...]) -> dict[str, str]:
    for word in words:
        if not word.partition("=")[0] or "=" not in word:
            raise click.BadParameter(f"{word}: write KEY=VALUE")
    return dict(word.split("=", 1) for word in words)


@click.group()
def command() -> None:
    """Add, list and remove servers."""


command.add_command(cordon.command, "cordon")
command.add_command(uncordon.command, "uncordon")


@command.command("list")
@click.pass_context
def list_(ctx: click.Context) -> None:
    """Show the servers: how each is, whether new instances come, and what is taken of it."""

    async def work(client: Client) -> Sequence[Server]:
        return await every(client, SERVER, Server)

    found = with_client(ctx, work)
    if not found:
        raise click.ClickException(f"there are no servers; add one with `{command_of(ctx, 'server add NAME')}`")
    click.echo(servers.render(found, Screen.of(), time.time()), nl=False)


@command.command(cls=Waiting)
@click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=completion.servers)
@waiting_options
@click.option("--force", is_flag=True, help="Declare them gone: their instances are replaced, and not waited for.")
@click.pass_context
def remove(ctx: click.Context, names: tuple[str, ...], wait: bool, timeout: float | None, force: bool) -> None:
    """Remove servers: their instances go elsewhere, where there is room, and then the servers are deleted.

    It ends as `starlink delete` does, which it is for servers.
    """

    async def wanted(_client: Client) -> Sequence[Wanted]:
        return [(SERVER, name, "") for name in dict.fromkeys(names)]

    carry_out(ctx, wanted, wait=wait, timeout=timeout, force=force)


@command.command()
@click.argument("name", callback=names.of_server)
@click.option("--server", "url", default="", metavar="URL", help="How that machine reaches the API server.")
@click.option("--pool", default="", help="The pool that it belongs to [the pool whose selector adopts it].")
@click.option(
    "--label", "wanted", multiple=True, callback=_labels, metavar="KEY=VALUE", help="A label; may be given again."
)
@click.option(
    "-o", "--output", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False), help="Write it there, mode 0600."
)
@click.option(
    "--server-namespace",
    "namespace",
    default=labels.SERVER_NAMESPACE,
    envvar=namespaces.SERVERS_VARIABLE,
    callback=names.of_namespace,
    metavar="NAMESPACE",
    help=f"Where the ServiceAccounts of servers lie [${namespaces.SERVERS_VARIABLE}, else {labels.SERVER_NAMESPACE}].",
)
@click.pass_context
def add(
    ctx: click.Context, name: str, url: str, pool: str, wanted: dict[str, str], output: Path | None, namespace: str
) -> None:  # fmt: skip
    """Make server NAME and the identity of its agent, and print its kubeconfig, for `starlink agent` there.

    It holds an address that the other machine can reach, or is refused. A server that is there is left as it is: given
    again, this prints a new kubeconfig.
    """

    async def work(client: Client) -> str:
        to = await reaching.way_of(client.config, commands(ctx), url)
        await _add(client, name, pool, wanted, commands(ctx))
        token = await agent_tokens.new(client, name, namespace)
        _say(to, output)
        return render(Config(to.url, client.config.ca, token=token), f"{namespace}-{name}")

    folder = (output or Path("-")).absolute().parent
    if output is not None and not (folder.is_dir() and os.access(folder, os.W_OK)):
        raise click.BadParameter(f"{output}: {folder} is no directory that you may write", param_hint="-o")
    try:
        kubeconfig = with_client(ctx, work)
    except NotReached as error:
        raise click.ClickException(str(error)) from None
    _give(kubeconfig, output)


def _say(to: Way, output: Path | None) -> None:
    """What a person does with it, beside the kubeconfig and not in it."""
    click.echo(f"that machine is to reach StarLink at {to.url}", err=True)
    if to.others:
        click.echo(f"where it can't, give another with --server: {', '.join(to.others)}", err=True)
    click.echo(
        f"there: starlink agent --kubeconfig {shlex.quote(str(output or 'FILE'))} --data-dir /var/lib/starlink-agent",
        err=True,
    )


def _give(kubeconfig: str, output: Path | None) -> None:
    """Raises ClickException."""
    if output is None:
        click.echo(kubeconfig, nl=False)
        return
    try:
        durable.replace(output.absolute(), kubeconfig.encode())
    except OSError as error:
        raise click.ClickException(f"-o {output}: {error.strerror}; name a file that you may write") from None


async def _add(client: Client, name: str, pool: str, wanted: Mapping[str, str], command: Command) -> None:
    """Creates the Server. Raises ClickException when one is there that is not as it is wanted, and ClientError."""
    if pool:
        try:
            await client.get(POOL, pool)
        except NotFound:
            raise click.ClickException(f"--pool {pool}: there is no such pool; apply it first") from None
    try:
        await client.create(SERVER, manifest(name, pool, wanted))
    except AlreadyExists:
        fault = difference(await client.get(SERVER, name), pool, wanted, command)
        if fault:
            raise click.ClickException(f"server {name} is there already, {fault}") from None


def manifest(name: str, pool: str, wanted: Mapping[str, str]) -> dict[str, Any]:
    """The Server; its agent adds the facts."""
    return {
        "apiVersion": SERVER.api_version,
        "kind": SERVER.kind,
        "metadata": {"name": name, "finalizers": [labels.DRAINED_FINALIZER], "labels": dict(wanted)},
        "spec": {"pool": pool} if pool else {},
    }


def difference(server: Mapping[str, Any], pool: str, wanted: Mapping[str, str], command: Command) -> str:
    """What is not as it is wanted, and how it is changed; "" when nothing is. No wish for a pool is met by any."""
    name, has = server["metadata"]["name"], (server.get("spec") or {}).get("pool", "")
    if pool and has != pool:
        return f"{f'in pool {has}' if has else 'in no pool by name'}; to move it: {command(f'pool move {name} {pool}')}"
    known = server["metadata"].get("labels") or {}
    for key, value in wanted.items():
        if known.get(key) != value:
            found = f"with label {key}={known[key]}" if key in known else f"without label {key}"
            return f"{found}; to change it: kubectl label --overwrite server {name} {key}={value}"
    return ""
