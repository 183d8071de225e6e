"""`starlink`: the command and its subcommands, each loaded when it is called."""

import gc
import importlib

import click

from starlink.cli import common, faults

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
    "describe": "Say how one object is, in words.",
    "delete": "Delete objects.",
    "plan": "Show what applying a file, or adding servers, would do; writes nothing.",
    "pool": "Move servers between pools.",
    "rebalance": "Move instances to servers that suit them better.",
    "logs": "Show the output of instances of this machine.",
    "server": "Add, list and remove servers.",
    "cordon": "Keep new instances away from servers.",
    "uncordon": "Let new instances come again.",
    "agent": "Run this server's node agent.",
    "completion": "Print the completion of commands and names for a shell.",
}


_TAKE_ALL = (common.KUBECONFIG, common.CONTEXT, common.DATA_DIR)
_TAKES: dict[str, tuple[common.Common, ...]] = {
    "demo": (),
    "kubeconfig": (common.KUBECONFIG, common.DATA_DIR),
    **dict.fromkeys(("up", "down", "status", "backup", "restore", "agent"), (common.DATA_DIR,)),
}
"""Which of the common options mean something to a verb, where that is not all; -n is declared by who takes it."""


class Lazy(click.Group):
    """A group that imports a subcommand when the subcommand is called, and adds the common options that the subcommand
    takes."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"starlink.cli.{cmd_name}").command
        gc.enable()  # see __main__
        common.give(command, _TAKES.get(cmd_name, _TAKE_ALL))
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        if name is not None and command is not None:
            common.refuse_idle(ctx, name, command)
        return name, command, rest

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="starlink-orchestrator")
def cli() -> None:
    """StarLink: one declarative system of unlike servers."""


common.give(cli, common.ALL)


def main() -> None:
    """The console script."""
    faults.run(cli)
