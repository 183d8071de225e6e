"""The names of servers and namespaces: what they may be, and what is proposed in the place of one that can't be."""

import re

import click

from starlink.api import namespaces

LONGEST = 253
_PART = "[a-z0-9]([a-z0-9-]*[a-z0-9])?"
_NAME = re.compile(rf"{_PART}(\.{_PART})*")
_MOST_SHOWN = 80


def proposed(text: str) -> str:
    """The name that is nearest to a text."""
    parts = (re.sub(r"[^a-z0-9]+", "-", part).strip("-") for part in text.lower().split("."))
    return ".".join(filter(None, parts))[:LONGEST].rstrip("-.") or "server"


def of_server(_ctx: click.Context, _parameter: click.Parameter, name: str | None) -> str | None:
    """For click: the name as it is, "" and None too. Raises BadParameter."""
    if not name or (len(name) <= LONGEST and _NAME.fullmatch(name)):
        return name
    shown = name if len(name) <= _MOST_SHOWN else f"{name[:_MOST_SHOWN]}…"
    raise click.BadParameter(
        f"{shown!r} can't be a server's name: it must consist of lowercase letters, digits, '-' and '.', each "
        f"part between dots must begin and end with a letter or a digit, and it has at most {LONGEST} characters; "
        f"such as {proposed(name)}"
    )


def of_namespace(_ctx: click.Context, _parameter: click.Parameter, name: str | None) -> str | None:
    """For click: a namespace as it is, "" and None too. Raises BadParameter."""
    try:
        return namespaces.named(name) if name else name
    except namespaces.BadName as error:
        raise click.BadParameter(str(error)) from None
