"""Commands that a person is told to run, each for the StarLink that is meant. Pure."""

import re
from collections.abc import Callable, Sequence
from typing import Any

from starlink.api.meta import ObjectKey
from starlink.cli.tables import some

Command = Callable[[str], str]
"""Gives `starlink WORDS` with the options that name the StarLink or the cluster that is meant."""

LogsOf = Callable[[ObjectKey, Sequence[str]], str]
"""Says how to read the logs of a task or an assignment that is on these servers, as far as that is known."""

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


def way_to_logs(key: ObjectKey, servers: Sequence[str], command: Command, is_here: Callable[[str], bool]) -> str:
    """How to read these logs, in words: where they are, and `is_here` tells of a server whether it is this machine."""
    words = f"logs {key.name} -n {key.namespace}"
    if any(map(is_here, servers)):
        return f"`{command(words)}`"
    if not servers:
        return f"`{command(words)}` on the server where it runs"
    agent = "its agent" if len(servers) == 1 else "the agent there"
    return f"`starlink {words} --data-dir DIR` on {some(servers, 3)}, with the data directory of {agent}"
