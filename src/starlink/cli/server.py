"""`starlink server add`: a further server, as people want it, and the identity of its agent."""

from collections.abc import Mapping
from typing import Any

import click

from starlink.api import labels
from starlink.api.kinds import POOL, SERVER
from starlink.cli import agent_tokens
from starlink.cli.cluster import with_client
from starlink.client.config import Config, render
from starlink.client.errors import AlreadyExists, NotFound
from starlink.client.kube import Client


def _labels(_ctx: click.Context, _parameter: click.Parameter, words: tuple[str, ...]) -> dict[str, str]:
    for word in words:
        if not word.partition("=")[0] or "=" not in word:
            raise click.BadParameter(f"{word}: write KEY=VALUE")
    return dict(word.split("=", 1) for word in words)


@click.group()
def command() -> None:
    """Add a server."""


@command.command()
@click.argument("name")
@click.option("--pool", default="", help="The pool that it belongs to [the pool whose selector adopts it].")
@click.option(
    "--label", "wanted", multiple=True, callback=_labels, metavar="KEY=VALUE", help="A label; may be given again."
)
@click.pass_context
def add(ctx: click.Context, name: str, pool: str, wanted: dict[str, str]) -> None:
    """Make server NAME and the identity of its agent, and print its kubeconfig, for `starlink agent` there.

    A server that is there is left as it is: given again, this prints a new kubeconfig.
    """

    async def work(client: Client) -> str:
        await _add(client, name, pool, wanted)
        token = await agent_tokens.new(client, name)
        config = Config(client.config.server, client.config.ca, token=token)
        return render(config, f"starlink-servers-{name}")

    click.echo(with_client(ctx, work), nl=False)


async def _add(client: Client, name: str, pool: str, wanted: Mapping[str, str]) -> None:
    """Creates the Server. Raises ClickException when one is there that is not as it is wanted, and ClientError."""
    if pool:
        try:
            await client.get(POOL, pool)
        except NotFound:
            raise click.ClickException(f"--pool {pool}: there is no such pool; apply it first") from None
    try:
        await client.create(SERVER, manifest(name, pool, wanted))
    except AlreadyExists:
        fault = difference(await client.get(SERVER, name), pool, wanted)
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


def difference(server: Mapping[str, Any], pool: str, wanted: Mapping[str, str]) -> str:
    """What is not as it is wanted, and how it is changed; "" when nothing is. No wish for a pool is met by any."""
    name, has = server["metadata"]["name"], (server.get("spec") or {}).get("pool", "")
    if pool and has != pool:
        return f"{f'in pool {has}' if has else 'in no pool by name'}; to move it: starlink pool move {name} {pool}"
    known = server["metadata"].get("labels") or {}
    for key, value in wanted.items():
        if known.get(key) != value:
            found = f"with label {key}={known[key]}" if key in known else f"without label {key}"
            return f"{found}; to change it: kubectl label --overwrite server {name} {key}={value}"
    return ""
