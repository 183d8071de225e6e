"""Where a standalone StarLink keeps everything."""

import json
import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from starlink.files import durable, folder, lock, regular
from starlink_nodeagent import layout

MARKERS = ("starlink.lock", "run.json", "settings.json", "pki/ca.key", "store/encryption.key", "store/starlink.db")
"""What tells that a directory is StarLink's."""


class NotStarted(Exception):
    """Why StarLink could not be started, and what to do."""


@dataclass(frozen=True, slots=True)
class AgentDir:
    """The data directory of an agent that `up` did not start."""

    root: Path

    @property
    def lock(self) -> Path:
        return self.root / layout.LOCK

    @property
    def token(self) -> Path:
        return self.root / layout.TOKEN

    @property
    def settings(self) -> Path:
        return self.root / layout.SETTINGS


@dataclass(frozen=True, slots=True)
class DataDir:
    """The data directory and the places in it."""

    root: Path

    @classmethod
    def of(cls, given: Path | None) -> "DataDir":
        """The one given, else root's /var/lib/starlink or one's own ~/.local/share/starlink."""
        return cls(Path(os.path.realpath(given)) if given is not None else _usual())

    def command(self, words: str) -> str:
        """`starlink WORDS` for this data directory, as a shell takes it."""
        return command(self.root, words)

    def create(self) -> None:
        """Makes it: passable, for tasks that run as another user, but not readable. One that is there is taken as it is
        when it is empty or StarLink's. Raises NotUsable, OSError."""
        folder.claim(self.root, MARKERS)
        self.lock.touch(0o600)
        self.logs.mkdir(exist_ok=True, mode=0o700)

    def take(self) -> int:
        """Its lock, held until the descriptor given is closed. Raises NotStarted while a StarLink runs on it."""
        try:
            return lock.take(self.lock)
        except BlockingIOError:
            raise NotStarted(
                f"StarLink already runs on {self.root} (pid {self.read_state().get('pid', 'unknown')}); stop it with "
                f"`{self.command('down')}`, or give another --data-dir"
            ) from None

    def demand_free(self) -> None:
        """Raises NotStarted while a StarLink runs on it."""
        os.close(self.take())

    @property
    def is_held(self) -> bool:
        """Whether a StarLink runs on it, as far as one may look."""
        try:
            self.demand_free()
        except NotStarted:
            return True
        except OSError:
            return False
        return False

    def check(self) -> None:
        """Makes nothing. Raises NotUsable where `create` would."""
        folder.check(self.root, MARKERS)

    @property
    def is_there(self) -> bool:
        """Whether a StarLink has been there."""
        return folder.holds(self.root, MARKERS)

    @property
    def is_an_agents(self) -> bool:
        """Whether it is the data dir of an agent and not of a StarLink."""
        return not self.is_there and folder.holds(self.root, layout.MARKERS)

    @property
    def pki(self) -> Path:
        return self.root / "pki"

    @property
    def store(self) -> Path:
        return self.root / "store"

    @property
    def database(self) -> Path:
        return self.store / "starlink.db"

    @property
    def encryption_key(self) -> Path:
        return self.store / "encryption.key"

    @property
    def agent(self) -> Path:
        return self.root / "agent"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def up_log(self) -> Path:
        return self.logs / "up.log"

    @property
    def admin_kubeconfig(self) -> Path:
        return self.root / "admin.kubeconfig"

    @property
    def operator_kubeconfig(self) -> Path:
        return self.pki / "operator.kubeconfig"

    @property
    def agent_kubeconfig(self) -> Path:
        return self.pki / "agent.kubeconfig"

    @property
    def lock(self) -> Path:
        return self.root / "starlink.lock"

    @property
    def settings(self) -> Path:
        return self.root / "settings.json"

    @property
    def state(self) -> Path:
        return self.root / "run.json"

    def read_state(self) -> dict[str, Any]:
        """What `up` wrote of itself: pid, url, server, children; empty when it is not there, or broken. Raises OSError
        when it may not be read."""
        try:
            state = json.loads(regular.read_whole(self.state))
        except (FileNotFoundError, NotADirectoryError, ValueError, RecursionError):
            return {}
        return state if _is_whole(state) else {}

    def write_state(self, state: dict[str, Any]) -> None:
        """Replaces it whole. Raises OSError."""
        durable.replace(self.state, (json.dumps(state, indent=2) + "\n").encode())


def command(folder: Path, words: str) -> str:
    """`starlink WORDS` for a data directory, an agent's too, as a shell takes it."""
    told = "" if folder == _usual() else f" --data-dir {shlex.quote(str(folder))}"
    return f"starlink{told} {words}"


def _is_whole(state: Any) -> bool:
    """Whether it is such a note as `up` writes, of whose names and numbers nothing else can be made."""
    if not isinstance(state, dict) or type(state.get("pid")) is not int:
        return False
    children = state.get("children", {})
    if not isinstance(children, dict) or not all(pid is None or type(pid) is int for pid in children.values()):
        return False
    return all(
        isinstance(word, str) and word.isprintable() for word in (state.get("url"), state.get("server", ""), *children)
    )


def _usual() -> Path:
    if os.geteuid() == 0:
        return Path("/var/lib/starlink")
    try:
        return Path.home() / ".local/share/starlink"
    except RuntimeError:
        raise click.UsageError("--data-dir is needed: you have no home directory in which the usual one is") from None
