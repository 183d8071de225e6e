"""`starlink cordon` and `uncordon`: whether new instances come to servers."""

from collections.abc import Sequence

import click

from starlink.api.kinds import SERVER
from starlink.cli.cluster import commands, with_client
from starlink.cli.completion import servers
from starlink.cli.nearest import missing
from starlink.client.errors import NotFound
from starlink.client.kube import Client


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=servers)
@click.pass_context
def command(ctx: click.Context, names: tuple[str, ...]) -> None:
    """Keep new instances away from servers; what runs there stays."""
    mark(ctx, names, unschedulable=True)


def mark(ctx: click.Context, names: Sequence[str], *, unschedulable: bool) -> None:
    """Writes spec.unschedulable of servers. Raises ClickException naming those that are not there."""
    word = "cordoned" if unschedulable else "uncordoned"

    async def work(client: Client) -> Sequence[str]:
        absent = []
        for name in dict.fromkeys(names):
            try:
                server = await client.get(SERVER, name)
                if server.get("spec", {}).get("unschedulable", False) is unschedulable:
                    click.echo(f"server {name} is {word} already")
                    continue
                patch = {"metadata": {"uid": server["metadata"]["uid"]}, "spec": {"unschedulable": unschedulable}}
                await client.patch(SERVER, name, patch)
            except NotFound:
                absent.append(await missing(client, SERVER, name, "", commands(ctx)))
                continue
            click.echo(f"server {name} {word}")
        return absent

    absent = with_client(ctx, work)
    if absent:
        raise click.ClickException("\n".join(absent))
