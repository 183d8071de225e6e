"""Options that mean the same to every command: which StarLink or cluster, and which namespace.

They stand before the verb or behind it, and are `ctx.obj` by their names, None where they are not given.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

Complete = Callable[[click.Context, click.Parameter, str], "list[CompletionItem]"]
"""What a shell is told of the word that is begun."""


class _Named(click.Path):
    """A path; "" names none, though Path("") is the working directory."""

    def __init__(self, noun: str) -> None:
        super().__init__(path_type=Path, readable=False)  # whoever reads it says more
        self._noun = noun

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail(f"'' names no {self._noun}; give one, or leave the option out", param, ctx)
        return super().convert(value, param, ctx)


class _Word(click.ParamType[str]):
    """A name; "" names none."""

    def __init__(self, noun: str) -> None:
        self.name = noun

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value == "":
            self.fail(f"'' names no {self.name}; give one, or leave the option out", param, ctx)
        return str(value)


@dataclass(frozen=True, slots=True)
class Common:
    """One of these options, and how it is declared."""

    name: str
    flags: tuple[str, ...]
    help: str
    type: click.ParamType[Any] | None = None
    complete: Complete | None = None

    def declared(self, command: Callable[..., Any]) -> Callable[..., Any]:
        """Decorates a command, which gets the value, wherever it stands, as an argument."""
        return click.option(*self.flags, self.name, expose_value=True, **self._details())(command)

    def added(self, command: click.Command) -> None:
        """Gives a command the option, unless it has one of this name."""
        if not any(parameter.name == self.name for parameter in command.params):
            command.params.append(click.Option([*self.flags, self.name], expose_value=False, **self._details()))

    def _details(self) -> dict[str, Any]:
        told = {"callback": agreed, "help": self.help, "shell_complete": self.complete}
        return {**told, "type": self.type, "multiple": True}


def agreed(ctx: click.Context, parameter: click.Parameter, values: tuple[Any, ...]) -> Any:
    """What the option says wherever it is given, None where it is not. Raises UsageError for two that differ."""
    told = ctx.ensure_object(dict)
    found = told.setdefault(parameter.name, None)
    for value in values:
        if found is not None and _whole(found) != _whole(value):
            raise click.UsageError(f"{parameter.opts[-1]} is given twice, as {found} and as {value}; give it once", ctx)
        found = value
    told[parameter.name] = found
    return found


def _whole(value: Any) -> Any:
    return value.absolute() if isinstance(value, Path) else value


def _namespaces(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> "list[CompletionItem]":
    from starlink.cli import completion  # a client, which not every command needs

    return completion.namespaces(ctx, incomplete)


DATA_DIR = Common(
    "data_dir",
    ("--data-dir",),
    "Where StarLink keeps everything [/var/lib/starlink of root, else ~/.local/share/starlink].",
    _Named("directory"),
)
KUBECONFIG = Common(
    "kubeconfig", ("--kubeconfig",), "The cluster to use [that of --data-dir, else of $KUBECONFIG].", _Named("file")
)
CONTEXT = Common(
    "context", ("--context",), "The context of the kubeconfig to use [its current-context].", _Word("context")
)
NAMESPACE = Common(
    "namespace",
    ("-n", "--namespace"),
    "The namespace, for what names none [that of the kubeconfig's context, else default].",
    complete=_namespaces,
)
ALL = (KUBECONFIG, CONTEXT, DATA_DIR, NAMESPACE)


def give(command: click.Command, options: tuple[Common, ...]) -> None:
    """Adds options to a command, and to those below it."""
    for option in options:
        option.added(command)
    for below in command.commands.values() if isinstance(command, click.Group) else ():
        give(below, options)


def refuse_idle(ctx: click.Context, verb: str, command: click.Command) -> None:
    """Raises UsageError where one is given before a verb to which it means nothing."""
    for option in ALL:
        if ctx.obj.get(option.name) is not None and not _takes(command, option.name):
            raise click.UsageError(f"{option.flags[0]} means nothing to `{verb}`; leave it out", ctx)


def _takes(command: click.Command, name: str) -> bool:
    below = command.commands.values() if isinstance(command, click.Group) else ()
    return any(parameter.name == name for parameter in command.params) or any(_takes(one, name) for one in below)
