"""What a runtime does for the agent. Pure: the runtimes themselves act.

The agent journals a run before it has it started, so a runtime may be asked for the same run by one agent after
another. All that a runtime raises is the one instance's trouble: NotYet and OSError are waited out, all else ends the
instance.
"""

import contextlib
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from starlink.api import duration, template
from starlink.api.template import Template
from starlink_nodeagent.users.user import TaskUser


@dataclass(frozen=True, slots=True)
class Offer:
    """What Server.status says of a runtime that this server has, beside its name."""

    features: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RunContext:
    """One run of an instance. `number` counts the starts, from 1; 0 is before the first. `counted`: how the run ended
    is known already. `directory` is the instance's. `user` is the one as whom it runs; None: nobody can be found as
    whom something of it could run. `ports` are the numbers of the template's ports, by name, and `host_ports` those
    beside."""

    uid: str
    directory: Path
    user: TaskUser | None
    template: Template = field(default_factory=Template)
    number: int = 0
    counted: bool = False
    namespace: str = ""
    name: str = ""
    task: str = ""
    slot: str = ""
    server: str = ""
    ports: Mapping[str, int] = field(default_factory=dict)
    host_ports: tuple[int, ...] = ()

    @property
    def id(self) -> str:
        """What no other run has."""
        return f"{self.uid}/{self.number}"


@dataclass(frozen=True, slots=True)
class Exit:
    """How a run ended. `cause` is a CamelCase reason when it was not the process's own doing."""

    code: int | None
    signal: str = ""
    cause: str = ""
    message: str = ""

    @property
    def success(self) -> bool:
        return self.code == 0 and not self.cause


@dataclass(frozen=True, slots=True)
class Finding:
    """What a run has found so far: `result` as it says, None where there is none that can be used. `reason` and
    `message` are for a person, where something is wrong with it."""

    result: Mapping[str, Any] | None = None
    reason: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Stop:
    """`signal` first, and after `grace` seconds whatever ends it."""

    signal: signal.Signals
    grace: float


def stop_of(how: template.Stop) -> Stop:
    """How a template says that an instance is stopped; where that can't be used, as one without a say."""
    with contextlib.suppress(KeyError, ValueError):
        return Stop(signal.Signals[how.signal], duration.seconds(how.grace_period))
    return stop_of(template.Stop())


class Handle(Protocol):
    """A run that was started or found. `ports` are those that it was started with, as far as it tells."""

    @property
    def number(self) -> int: ...
    @property
    def alive(self) -> bool:
        """False when it was found and had ended."""

    @property
    def ports(self) -> Mapping[str, int]: ...


H = TypeVar("H", bound=Handle)


class Runtime(Protocol[H]):
    """A way in which instances run."""

    @property
    def name(self) -> str:
        """What `template.runtime` says."""

    @property
    def as_agent(self) -> bool:
        """Whether its runs have the agent's own user, and so its rights."""

    @property
    def finds(self) -> bool:
        """Whether its runs may say what they have found."""

    def offer(self) -> Offer | None:
        """None where this server does not have it."""

    def fault(self, template: Template) -> str:
        """The first field that it can't use on this server, with the value and what would be right; "" when there is
        none. What can't be used on any server, `api.template_faults` has found. Pure."""

    async def prepare(self, run: RunContext) -> None:
        """Makes what the first run needs, anew: an earlier try may have been cut off anywhere. Raises Failure,
        ArtifactError, NotYet, OSError."""

    def check(self, run: RunContext) -> None:
        """Before each run: raises Failure when what it would start is not there."""

    def start(self, run: RunContext) -> H:
        """Starts the run, which is journaled. Raises Failure, OSError."""

    async def adopt(self, run: RunContext) -> H | None:
        """The latest run of the instance, whatever its record says: one that goes on, or one that has ended and whose
        end is not counted. Changes nothing. Raises OSError."""

    async def lives(self, run: RunContext) -> bool:
        """Whether anything of the instance runs. Changes nothing. Raises OSError."""

    async def ended(self, handle: H) -> Exit:
        """How it ended, as soon as it has. Raises OSError."""

    async def stop(self, handle: H, how: Stop) -> None:
        """Ends it; nothing of the run is left afterwards. Raises NotYet when that can't be; asked again, it goes on
        with that."""

    async def sweep(self, run: RunContext, keep: H | None = None) -> None:
        """Ends all that runs of the instance, but `keep`. Raises NotYet, OSError."""

    async def reload(self, run: RunContext, handle: H) -> None:
        """Brings a run that lives what has changed for it since it was started, and tells it; where nothing has, that
        does no harm. Raises OSError."""

    async def release(self, run: RunContext, how: Stop) -> None:
        """The instance is over: ends what outlives its runs, which have ended. Raises NotYet, OSError."""

    def finding(self, run: RunContext) -> Finding:
        """What its runs have found, as the latest says. Blocks. Raises OSError when the agent lacks what it takes."""

    async def execute(self, run: RunContext, command: Sequence[str], seconds: float) -> str:
        """Runs a command beside the run; "" when it succeeds within so many seconds, else why it did not. Raises
        OSError when the agent lacks what it takes."""
