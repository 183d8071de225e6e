"""`starlink agent`: becomes the node agent."""

import os
import sys

import click


@click.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def command(arguments: tuple[str, ...]) -> None:
    """Run this server's node agent: --kubeconfig F --name NAME --data-dir D."""
    os.execv(sys.executable, [sys.executable, "-m", "starlink_nodeagent", *arguments])
