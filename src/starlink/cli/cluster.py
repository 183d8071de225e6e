"""Which cluster a command speaks to, and how its errors are told."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import click

from starlink.cli.datadir import DataDir
from starlink.client.config import BadConfig, Config, load
from starlink.client.errors import ClientError
from starlink.client.kube import Client

T = TypeVar("T")


def kubeconfig_path(ctx: click.Context) -> Path:
    """--kubeconfig, $KUBECONFIG, or the data dir's, in that order and from nowhere else. Raises ClickException."""
    path = named_kubeconfig(ctx)
    if not _given(ctx) and not path.exists():
        raise click.ClickException(
            f"no cluster: give --kubeconfig, set KUBECONFIG, or start one with `starlink up` ({path} is not there)"
        )
    return path


def named_kubeconfig(ctx: click.Context) -> Path:
    """The same, whether it is there or not."""
    given = _given(ctx)
    return Path(given) if given else DataDir.of(ctx.obj["data_dir"]).admin_kubeconfig


def _given(ctx: click.Context) -> str:
    return str(ctx.obj["kubeconfig"] or os.environ.get("KUBECONFIG") or "")


def config_of(ctx: click.Context) -> Config:
    """The cluster's configuration."""
    try:
        return load(kubeconfig_path(ctx))
    except BadConfig as error:
        raise click.ClickException(str(error)) from None


def with_client(ctx: click.Context, work: Callable[[Client], Awaitable[T]]) -> T:
    """Runs `work` with a client; what the API refuses becomes one line."""

    async def run() -> T:
        async with Client(config_of(ctx)) as client:
            return await work(client)

    try:
        return asyncio.run(run())
    except (ClientError, BadConfig) as error:
        raise click.ClickException(str(error)) from None
