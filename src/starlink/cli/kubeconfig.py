"""`starlink kubeconfig`: the way in for kubectl."""

from pathlib import Path

import click

from starlink.cli.datadir import DataDir
from starlink.cli.tenant import stranger


@click.command()
@click.option("--path", is_flag=True, help="Print where the file is, for export KUBECONFIG=$(…).")
@click.pass_context
def command(ctx: click.Context, path: bool) -> None:
    """Print the admin kubeconfig of the data dir, else the file of --kubeconfig; $KUBECONFIG is not looked at."""
    found = _found(ctx.obj["data_dir"], ctx.obj["kubeconfig"])
    try:
        text = found.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{found} can't be read: {getattr(error, 'strerror', None) or error}") from None
    click.echo(str(found) if path else text, nl=path)


def _found(data_dir: Path | None, kubeconfig: Path | None) -> Path:
    """The file to print: who sets $KUBECONFIG by it may have that of another cluster there. Raises ClickException."""
    if kubeconfig and not data_dir:
        return kubeconfig
    data = DataDir.of(data_dir)
    if not data.admin_kubeconfig.exists() and (words := stranger(data)):
        raise click.ClickException(words)
    if not data.root.is_dir():
        raise click.ClickException(
            f"the data dir {data.root} does not exist; name that of a StarLink with --data-dir, or start one there: "
            f"{data.command('up')}"
        )
    if not data.admin_kubeconfig.exists():
        raise click.ClickException(
            f"{data.admin_kubeconfig} does not exist; start a StarLink there: {data.command('up')}"
        )
    return data.admin_kubeconfig
