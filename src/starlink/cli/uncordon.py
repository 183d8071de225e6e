"""`starlink uncordon`: the other way round than `starlink cordon`."""

import click

from starlink.cli import cordon
from starlink.cli.completion import servers


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=servers)
@click.pass_context
def command(ctx: click.Context, names: tuple[str, ...]) -> None:
    """Let new instances come to servers again."""
    cordon.mark(ctx, names, unschedulable=False)
