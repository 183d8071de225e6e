"""`starlink`: the command and its subcommands, each loaded when it is called."""

import importlib
from pathlib import Path
from typing import Any

import click

from starlink.cli.datadir import FOLDER

COMMANDS = {
    "demo": "See the main job in under a minute, in a temporary folder.",
    "up": "Start a standalone StarLink on this machine.",
    "down": "Stop it; tasks go on running unless --tasks is given.",
    "status": "Show what runs here, and how it is.",
    "kubeconfig": "Print the admin kubeconfig.",
    "backup": "Save objects, certificates and keys in one file, while it runs or not.",
    "restore": "Bring back what such a file holds.",
    "apply": "Create or change what a file declares.",
    "get": "Show objects.",
    "delete": "Delete objects.",
    "plan": "Show what applying a file, or adding servers, would do; writes nothing.",
    "pool": "Move servers between pools.",
    "rebalance": "Move instances to servers that suit them better.",
    "logs": "Show the output of instances of this machine.",
    "server": "Add a server.",
    "agent": "Run this server's node agent.",
}


class Lazy(click.Group):
    """A group whose subcommands are imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"starlink.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="starlink-orchestrator")
@click.option(
    "--kubeconfig", type=click.Path(path_type=Path), help="The cluster to use; before $KUBECONFIG and the data dir."
)
@click.option("--data-dir", type=FOLDER, help="Where a standalone StarLink keeps everything.")
@click.pass_context
def cli(ctx: click.Context, /, **options: Any) -> None:
    """StarLink: one declarative system of unlike servers."""
    ctx.obj = options


def main() -> None:
    """The console script."""
    cli.main(prog_name="starlink")
