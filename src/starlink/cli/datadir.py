"""Where a standalone StarLink keeps everything."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from starlink.files import durable, folder

MARKERS = ("starlink.lock", "run.json", "settings.json", "pki/ca.key", "store/encryption.key", "store/starlink.db")
"""What tells that a directory is StarLink's."""
AGENT_MARKERS = ("agent.lock", "agent-id", "agent-settings.json", "instances")
"""What tells that it is an agent's."""


class _Folder(click.Path):
    """A path; "" names none, though Path("") is the working directory."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("'' names no directory; give one, or leave the option out", param, ctx)
        return super().convert(value, param, ctx)


@dataclass(frozen=True, slots=True)
class AgentDir:
    """The data directory of an agent that `up` did not start."""

    root: Path

    @property
    def lock(self) -> Path:
        return self.root / "agent.lock"

    @property
    def token(self) -> Path:
        return self.root / "agent.token"

    @property
    def settings(self) -> Path:
        return self.root / "agent-settings.json"


FOLDER = _Folder(path_type=Path)
data_dir_option = click.option("--data-dir", type=FOLDER, help="Where everything is kept.")


@dataclass(frozen=True, slots=True)
class DataDir:
    """The data directory and the places in it."""

    root: Path

    @classmethod
    def of(cls, given: Path | None) -> "DataDir":
        """The one given, else root's /var/lib/starlink or one's own ~/.local/share/starlink."""
        if given is not None:
            return cls(given.resolve())
        return cls(Path("/var/lib/starlink") if os.geteuid() == 0 else Path.home() / ".local/share/starlink")

    def create(self) -> None:
        """Makes it: passable, for tasks that run as another user, but not readable. One that is there is taken as it is
        when it is empty or StarLink's. Raises NotUsable, OSError."""
        folder.claim(self.root, MARKERS)
        self.lock.touch(0o600)
        self.logs.mkdir(exist_ok=True, mode=0o700)

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
        return not self.is_there and folder.holds(self.root, AGENT_MARKERS)

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
        """What `up` wrote of itself: pid, url, listen, server, children; empty when there is nothing readable."""
        try:
            state: dict[str, Any] = json.loads(self.state.read_text())
        except (OSError, ValueError):
            return {}
        return state

    def write_state(self, state: dict[str, Any]) -> None:
        """Replaces it whole. Raises OSError."""
        durable.replace(self.state, (json.dumps(state, indent=2) + "\n").encode())
