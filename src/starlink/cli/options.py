"""The options of `up` and `agent` that are kept, as a table: how each is declared, and how a change of it is told."""

import functools
import ipaddress
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from starlink import log as logs
from starlink.api import namespaces
from starlink.api.labels import SERVER_NAMESPACE
from starlink.cli import names
from starlink.cli.etcd import EtcdOptions, etcd_options
from starlink.cli.settings import AgentSettings

Command = Callable[..., Any]
_DNS_NAME = re.compile(r"(\*\.)?[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Option:
    """A field of the settings; `words` name it, `default` says what holds where it is empty."""

    field: str
    words: str
    default: str
    declare: Callable[[Command], Command]

    def shown(self, value: Any) -> str:
        """The value in words."""
        if isinstance(value, bool):
            return "on" if value else "off"
        if isinstance(value, EtcdOptions):
            return (value.endpoints and f"{value.endpoints}, below {value.prefix}") or self.default
        return (", ".join(value) if isinstance(value, tuple) else value) or self.default


def kept(options: Sequence[Option]) -> Callable[[Command], Command]:
    """Adds the options to a command, which gets as `given` those that were given, by their fields."""

    def decorate(command: Command) -> Command:
        def gathered(*words: Any, **values: Any) -> Any:
            found = {option.field: values.pop(option.field) for option in options}
            given = {field: _plain(value) for field, value in found.items() if value not in (None, ())}
            return command(*words, given=given, **values)

        declared: Command = functools.wraps(command)(gathered)
        for option in reversed(options):
            declared = option.declare(declared)
        return declared

    return decorate


def changes(options: Sequence[Option], before: AgentSettings | None, after: AgentSettings) -> Iterator[str]:
    """A line for each option that is not as it was; none at the first start, when nothing was."""
    for option in options if before is not None else ():
        old, new = getattr(before, option.field), getattr(after, option.field)
        if old != new:
            yield f"{option.words}: {option.shown(old)} → {option.shown(new)}"


def _plain(value: Any) -> Any:
    """As it is kept: of an option that may be given again, '' alone is none."""
    return tuple(filter(None, value)) if isinstance(value, tuple) else value


def _text(
    field: str, words: str, default: str, help_: str, metavar: str = "TEXT", check: Any = None, variable: str = ""
) -> Option:
    flag, text = f"--{field.replace('_', '-')}", f"{help_} [{default}]."
    declare = click.option(flag, field, metavar=metavar, callback=check, envvar=variable or None, help=text)
    return Option(field, words, default, declare)


def _several(field: str, flag: str, words: str, default: str, help_: str, metavar: str, check: Any) -> Option:
    text = f"{help_}; may be given again [{default}]."
    declare = click.option(flag, field, multiple=True, metavar=metavar, callback=check, help=text)
    return Option(field, words, default, declare)


def _switch(field: str, words: str, help_: str) -> Option:
    flag = field.replace("_", "-")
    return Option(field, words, "off", click.option(f"--{flag}/--no-{flag}", field, default=None, help=help_))


def _choice(field: str, words: str, choices: Sequence[str], default: str, help_: str) -> Option:
    flag = f"--{field.replace('_', '-')}"
    return Option(
        field, words, default, click.option(flag, field, type=_Choice(choices, default), help=f"{help_} [{default}].")
    )


class _Choice(click.Choice[str]):
    """One of several words; "" is the default."""

    def __init__(self, choices: Sequence[str], default: str) -> None:
        super().__init__(choices)
        self._default = default

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        return super().convert(value or self._default, param, ctx)


# What values can be


def _resources(_ctx: click.Context, _parameter: click.Parameter, words: tuple[str, ...]) -> tuple[str, ...]:
    from starlink_nodeagent.machine.resources import BadResource, declared

    try:
        declared([word for word in words if word])
    except BadResource as error:
        raise click.BadParameter(str(error)) from None
    return words


def _limit(_ctx: click.Context, parameter: click.Parameter, text: str | None) -> str | None:
    from starlink_nodeagent.artifacts.eviction import BadLimit, limits

    try:
        limits(**{"size": "", "age": "", str(parameter.name).removeprefix("cache_"): text or ""})
    except BadLimit as error:
        raise click.BadParameter(str(error).partition(": ")[2]) from None
    return text


def _address(_ctx: click.Context, _parameter: click.Parameter, address: str | None) -> str | None:
    if address and not (_is_ip(address) or _DNS_NAME.fullmatch(address)):
        raise click.BadParameter(f"{address!r} is no IP address and no DNS name, such as 10.0.0.5 or s1.example.com")
    return address


def _names(_ctx: click.Context, _parameter: click.Parameter, names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if name and not (_is_ip(name) or _DNS_NAME.fullmatch(name)):
            raise click.BadParameter(f"{name!r} is no DNS name and no IP address, such as star.example.com or 10.0.0.5")
    return names


def _folder(_ctx: click.Context, _parameter: click.Parameter, path: str | None) -> str | None:
    return os.path.realpath(path) if path else path


def _file(_ctx: click.Context, _parameter: click.Parameter, path: str | None) -> str | None:
    """Not resolved: what it names is beside the link."""
    return str(Path(path).absolute()) if path else path


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


# The tables

_NAME = _text("name", "name", "the hostname", "This server's name", "NAME", names.of_server)
_OF_TOKEN = _text("name", "name", "that of the kubeconfig's token", "This server's name", "NAME", names.of_server)
_OF_EVERY_AGENT = (
    _text(
        "address", "address", "the one from which the API is dialled",
        "The address at which instances are reached", "ADDRESS", _address,
    ),
    _text("artifact_dir", "artifact dir", "none", "Where artifacts named file:NAME lie", "DIRECTORY", _folder),
    _switch(
        "allow_local_artifacts", "local artifacts",
        "Let artifacts be fetched from this machine's own addresses, loopback and link-local [no].",
    ),
    _text(
        "cache_size", "artifact cache", "a tenth of the disk, 10Gi at most",
        "How much fetched artifacts may take of the disk; what is in use stays", "SIZE", _limit,
    ),
    _text(
        "cache_age", "artifacts kept for", "720h",
        "How long a fetched artifact is kept without a use", "DURATION", _limit,
    ),
    _several(
        "resources", "--resource", "resources", "none",
        "A further resource that this server has, such as example.com/dongle=2", "NAME=COUNT", _resources,
    ),
    _text(
        "task_user", "task user", "a user of its own for each task",
        "As root: the one user that all tasks run as", "NAME",
    ),
    _text(
        "task_uids", "task uids", "1900000000-1900065535, or others where the machine has not these",
        "As root: each task runs as a user of its own with one of these numbers", "FIRST-LAST",
    ),
)  # fmt: skip

UP = (
    _NAME,
    _text(
        "listen", "listen", "127.0.0.1 and a free port",
        "Where the API server listens; 0.0.0.0:6443 lets other machines in", "HOST:PORT",
    ),
    _several(
        "tls_san", "--tls-san", "further names", "none",
        "A further name or address by which others reach the API server; its certificate covers it", "NAME", _names,
    ),
    *_OF_EVERY_AGENT,
    _choice(
        "durability", "durability", ("full", "normal"), "full",
        "full: what was written outlives a power cut. normal: faster on slow disks; a power cut may take the last "
        "writes, a crash takes none",
    ),
    Option("etcd", "objects in", "SQLite", etcd_options("Keep the objects in this etcd [SQLite].")),
    _switch("debug", "debug", "Serve /debug of the API server to administrators [no]."),
)  # fmt: skip
"""Those of `starlink up`."""

AGENT = (
    _text(
        "kubeconfig", "kubeconfig", "in a pod, the pod's own",
        "How to reach the API, from `starlink server add`", "FILE", _file,
    ),
    _text("context", "context", "its current-context", "The context of the kubeconfig", "NAME"),
    _text(
        "server_namespace", "server namespace", f"${namespaces.SERVERS_VARIABLE}, else {SERVER_NAMESPACE}",
        "Where the Leases of servers lie", "NAMESPACE", names.of_namespace, namespaces.SERVERS_VARIABLE,
    ),
    _OF_TOKEN,
    *_OF_EVERY_AGENT,
    _choice("log_level", "log level", logs.LEVELS, "info", "How much is logged"),
)  # fmt: skip
"""Those of `starlink agent`."""
