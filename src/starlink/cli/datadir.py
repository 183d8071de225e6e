"""Where a standalone StarLink keeps everything."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlink.files import durable


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
        """Makes it: passable, for tasks that run as another user, but not readable."""
        self.root.mkdir(parents=True, exist_ok=True)
        self.root.chmod(0o711)
        self.logs.mkdir(exist_ok=True, mode=0o700)

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
