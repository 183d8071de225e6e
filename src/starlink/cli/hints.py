"""Commands that a person is told to run, each for the StarLink that is meant. Pure."""

import re
from collections.abc import Callable
from typing import Any

Command = Callable[[str], str]
"""Gives `starlink WORDS` with the options that name the StarLink or the cluster that is meant."""

_IN_TICKS = re.compile(r"`starlink (?!agent\b)([^`]+)`")
"""But for an agent's, which runs with a data directory of its own."""


def retold(text: str, command: Command) -> str:
    """Words of the cluster, which can't know how it was reached, with their commands for this very one."""
    return _IN_TICKS.sub(lambda found: f"`{command(found[1])}`", text)


def retold_object(value: Any, command: Command) -> Any:
    """The same of all texts in what was decoded from JSON."""
    if isinstance(value, str):
        return retold(value, command)
    if isinstance(value, dict):
        return {key: retold_object(part, command) for key, part in value.items()}
    return [retold_object(part, command) for part in value] if isinstance(value, list) else value
