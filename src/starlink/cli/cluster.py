"""Which cluster a command speaks to, and how its errors are told."""

import asyncio
import os
import shlex
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

import click

from starlink.cli.datadir import DataDir
from starlink.cli.hints import Command, LogsOf, way_to_logs
from starlink.cli.tenant import stranger
from starlink.client import reach
from starlink.client.config import BadConfig, Config, load
from starlink.client.errors import ClientError, Unreachable
from starlink.client.kube import Client
from starlink.client.rights import explained

T = TypeVar("T")

_OF_A_MACHINE = ("up", "down", "status", "logs")
"""Verbs that take no kubeconfig: they are run where StarLink is."""
_WARNED = "warned"


def config_of(ctx: click.Context) -> Config:
    """The cluster's configuration; a warning of it is told once. Raises ClickException."""
    paths, context = _kubeconfigs(ctx), ctx.obj.get("context") or ""
    try:
        config = _loaded(ctx, paths, context) if paths else reach.of_pod(os.environ, context=context)
    except BadConfig as error:
        raise click.ClickException(str(error)) from None
    if config.warning and not ctx.obj.get(_WARNED):
        ctx.obj[_WARNED] = True
        click.echo(f"warning: {config.warning}", err=True)
    return config


def _loaded(ctx: click.Context, paths: Sequence[Path], context: str) -> Config:
    """Raises BadConfig."""
    own = data_dir_of(ctx).admin_kubeconfig
    return reach.of_data_dir(own, context) if list(paths) == [own] else load(*paths, context=context)


def has_config(ctx: click.Context) -> bool:
    """Whether there is a kubeconfig, be it a good one."""
    given = ctx.obj["kubeconfig"]
    named = [given] if given else _of_environment(ctx) or [data_dir_of(ctx).admin_kubeconfig]
    return any(map(reach.is_there, named)) or (not given and _is_pod(ctx))


def _kubeconfigs(ctx: click.Context) -> Sequence[Path]:
    """The kubeconfig that --kubeconfig names, else that of --data-dir, else those of $KUBECONFIG, else that of the
    usual data dir. Empty in a pod without the last one. Raises ClickException when there is none elsewhere."""
    if given := ctx.obj["kubeconfig"]:
        return [given]
    if named := _of_environment(ctx):
        if there := [path for path in named if reach.is_there(path)]:
            return there
        raise click.ClickException(f"KUBECONFIG: {', '.join(map(str, named))} is not there")
    data = data_dir_of(ctx)
    if not reach.is_there(data.admin_kubeconfig):
        if _is_pod(ctx):
            return []
        if words := stranger(data):
            raise click.ClickException(f"no cluster: {words}")
        raise click.ClickException(
            f"no cluster: give --kubeconfig, set KUBECONFIG, or start one with `{data.command('up --detach')}` "
            f"({data.admin_kubeconfig} is not there)"
        )
    return [data.admin_kubeconfig]


def command_of(ctx: click.Context, words: str) -> str:
    """`starlink WORDS` for the same cluster, as a person repeats it with the same $KUBECONFIG."""
    given, of_a_machine = ctx.obj["kubeconfig"], words.split()[0] in _OF_A_MACHINE
    if (context := ctx.obj.get("context")) and not of_a_machine:
        words = f"--context {shlex.quote(context)} {words}"
    if given:
        return f"starlink {words}" if of_a_machine else f"starlink --kubeconfig {shlex.quote(str(given))} {words}"
    return f"starlink {words}" if _of_environment(ctx) and not of_a_machine else data_dir_of(ctx).command(words)


def commands(ctx: click.Context) -> Command:
    """The same as a function of the words."""
    return partial(command_of, ctx)


def logs_of(ctx: click.Context) -> LogsOf:
    """How to read logs, of the same cluster."""
    return partial(way_to_logs, command=commands(ctx), is_here=partial(_is_here, ctx))


def _is_here(ctx: click.Context, server: str) -> bool:
    """Whether a server is that of the StarLink which the data dir holds."""
    return not ctx.obj["kubeconfig"] and data_dir_of(ctx).read_state().get("server") == server


def way_to_status(ctx: click.Context) -> str:
    """The command that tells which part of the cluster does not act, where a data directory led there; else "", for it
    tells of a data directory alone."""
    return command_of(ctx, "status") if _is_of_data_dir(ctx) else ""


def _way_out(ctx: click.Context) -> str:
    """What to do when this machine's own StarLink does not answer, "" for another."""
    if not _is_of_data_dir(ctx):
        return ""
    data = data_dir_of(ctx)
    if data.is_held:
        return f"; `{way_to_status(ctx)}` says what runs"
    return f"; StarLink does not run here: start it with `{data.command('up --detach')}`"


def _is_of_data_dir(ctx: click.Context) -> bool:
    """Whether the cluster is found by a data directory, or by the kubeconfig of one."""
    data, named = data_dir_of(ctx), _of_environment(ctx)
    is_own = not named or Path(os.path.realpath(named[0])).parent == data.root
    return not ctx.obj["kubeconfig"] and is_own and reach.is_there(data.admin_kubeconfig)


def _of_environment(ctx: click.Context) -> Sequence[Path]:
    """What $KUBECONFIG lists, as kubectl reads it; a data dir that somebody names comes before it."""
    return [] if ctx.obj["data_dir"] else reach.named_in(os.environ)


def _is_pod(ctx: click.Context) -> bool:
    """Whether this pod's own cluster is meant, where there is no kubeconfig."""
    return not ctx.obj["data_dir"] and reach.is_pod(os.environ)


def data_dir_of(ctx: click.Context) -> DataDir:
    """The data dir of the StarLink that is meant: the one given, else the one whose own kubeconfig $KUBECONFIG lists
    first, else the usual one."""
    for path in _of_environment(ctx)[:1]:
        found = DataDir(Path(os.path.realpath(path)).parent)
        if path.name == found.admin_kubeconfig.name and found.is_there:
            return found
    return DataDir.of(ctx.obj["data_dir"])


def own_data_dir(ctx: click.Context) -> DataDir | None:
    """The data dir of the StarLink that the command speaks to; None where its kubeconfig is no data dir's."""
    paths = [ctx.obj["kubeconfig"]] if ctx.obj["kubeconfig"] else _of_environment(ctx)[:1]
    if not paths:
        return data_dir_of(ctx)
    found = DataDir(Path(os.path.realpath(paths[0])).parent)
    return found if paths[0].name == found.admin_kubeconfig.name and found.is_there else None


def say_which(ctx: click.Context, words: str) -> None:
    """Tells a person that $KUBECONFIG is of another StarLink than the one that `words` are about, which --data-dir
    alone names."""
    meant, used = data_dir_of(ctx), DataDir.of(ctx.obj["data_dir"])
    if meant.root != used.root:
        told = f"KUBECONFIG is of the StarLink on {meant.root}, and this is about {used.root}"
        click.echo(f"{told}; for the other: {meant.command(words)}", err=True)


def demand_which(ctx: click.Context, words: str) -> None:
    """Has a person name the StarLink that `words` are about, where $KUBECONFIG is of another than the usual one. Raises
    ClickException."""
    meant, used = data_dir_of(ctx), DataDir.of(ctx.obj["data_dir"])
    if meant.root != used.root:
        raise click.ClickException(
            f"KUBECONFIG is of the StarLink on {meant.root}, and without --data-dir this is about {used.root}; write "
            f"which is meant: starlink --data-dir {shlex.quote(str(meant.root))} {words}, or "
            f"starlink --data-dir {shlex.quote(str(used.root))} {words}"
        )


def with_client(ctx: click.Context, work: Callable[[Client], Awaitable[T]]) -> T:
    """Runs `work` with a client; what the API refuses becomes one line."""

    async def run() -> T:
        async with Client(config_of(ctx)) as client:
            return await work(client)

    try:
        return asyncio.run(run())
    except Unreachable as error:
        raise click.ClickException(f"{error}{_way_out(ctx)}") from None
    except ClientError as error:
        raise click.ClickException(explained(error)) from None
    except BadConfig as error:
        raise click.ClickException(str(error)) from None
