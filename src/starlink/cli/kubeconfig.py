"""`starlink kubeconfig`: the way in for kubectl."""

import click

from starlink.cli.cluster import kubeconfig_path


@click.command()
@click.option("--path", is_flag=True, help="Print where the file is, for export KUBECONFIG=$(…).")
@click.pass_context
def command(ctx: click.Context, path: bool) -> None:
    """Print the admin kubeconfig."""
    found = kubeconfig_path(ctx)
    click.echo(str(found) if path else found.read_text(), nl=path)
