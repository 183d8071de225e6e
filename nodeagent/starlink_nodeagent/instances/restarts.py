"""What follows when a process has ended. Pure."""

from dataclasses import dataclass
from typing import Literal

from starlink.api import duration
from starlink.api.template import Restart
from starlink.backoff import Pauses
from starlink_nodeagent.runtimes.contract import Exit


@dataclass(frozen=True, slots=True)
class Again:
    """Start it again after `delay` seconds."""

    delay: float
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Over:
    """It stays ended."""

    phase: Literal["Exited", "Failed"]
    reason: str
    message: str


def after(exit_: Exit, restart: Restart, restarts: int, crashes: int, ran_for: float) -> Again | Over:
    """Whether to start it again. `crashes` are ends in a row before this one, `ran_for` seconds.

    The wait is initial × factor^crashes, at most max; a run longer than max starts the count anew.
    """
    told = describe(exit_)
    reason = exit_.cause or ("Completed" if exit_.success else "ProcessExited")
    if restart.policy == "Never" or (restart.policy == "OnFailure" and exit_.success):
        return Over("Exited" if exit_.code is not None else "Failed", reason, told)
    if restart.limit is not None and restarts >= restart.limit:
        return Over("Failed", "RestartLimitExceeded", f"{told}, after {restarts} restarts of at most {restart.limit}")
    initial, longest = duration.seconds(restart.backoff.initial), duration.seconds(restart.backoff.max)
    delay = Pauses(initial, longest, restart.backoff.factor).after(1 if ran_for > longest else crashes + 1)
    return Again(delay, exit_.cause or "BackOff", f"{told}; it is started again after {duration.format_seconds(delay)}")


def describe(exit_: Exit) -> str:
    """How it ended, for a person."""
    if exit_.message:
        return exit_.message
    if exit_.signal:
        return f"the process was ended by {exit_.signal}"
    return f"the process ended with exit code {exit_.code}"
