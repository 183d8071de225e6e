"""Servers whose agents this machine's own `starlink up` runs: deleted, such a server is registered anew at once."""

from collections.abc import Sequence

import click

from starlink.cli import parts
from starlink.cli.cluster import own_data_dir


def refuse(ctx: click.Context, servers: Sequence[str]) -> None:
    """Raises ClickException where one of the servers would come back without its labels, its tasks stopped in vain."""
    data = own_data_dir(ctx)
    state = data.read_state() if data is not None else {}
    if data is None or not state or not parts.is_launcher(state["pid"]):
        return
    here = {part.server for part in parts.of_state(state) if part.server and part.memory and not part.stopped}
    for name in servers:
        if name in here:
            raise click.ClickException(
                f"server {name}: its agent runs here under `starlink up` and would register it anew, without its "
                f"labels: stop StarLink and its tasks with `{data.command('down --tasks')}`, or keep new instances "
                f"away with `{data.command(f'cordon {name}')}`, or delete it all the same with --force"
            )
