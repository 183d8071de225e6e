"""`starlink server add`: the identity of a further server."""

import click

from starlink.cli.cluster import with_client
from starlink.cli.launcher import new_agent_token
from starlink.client.config import Config, render
from starlink.client.kube import Client


@click.group()
def command() -> None:
    """Add a server."""


@command.command()
@click.argument("name")
@click.pass_context
def add(ctx: click.Context, name: str) -> None:
    """Make the identity of server NAME and print its kubeconfig, for `starlink agent` there."""

    async def work(client: Client) -> str:
        token = await new_agent_token(client, name)
        config = Config(client.config.server, client.config.ca, token=token)
        return render(config, f"starlink-servers-{name}")

    click.echo(with_client(ctx, work), nl=False)
