"""The etcd cluster in which a standalone StarLink keeps its objects in place of SQLite."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

DEFAULT_PREFIX = "/starlink"


@dataclass(frozen=True, slots=True)
class EtcdOptions:
    """`endpoints` are URLs with commas between, "" for SQLite; files are absolute paths, "" for none."""

    endpoints: str
    prefix: str = DEFAULT_PREFIX
    ca: str = ""
    cert: str = ""
    key: str = ""

    @classmethod
    def of(cls, endpoints: str, prefix: str, ca: Path | None, cert: Path | None, key: Path | None) -> Self:
        """From what was given on the command line."""
        return cls(endpoints, prefix, *(str(path.resolve()) if path else "" for path in (ca, cert, key)))

    @classmethod
    def remembered(cls, state: Mapping[str, Any]) -> Self:
        """What `state` wrote; SQLite where it wrote nothing."""
        found = state.get("etcd")
        return cls(**found) if isinstance(found, dict) else cls("")

    def state(self) -> dict[str, Any]:
        """What the next start goes on with."""
        return {"etcd": asdict(self)} if self.endpoints else {}

    def arguments(self) -> Sequence[str]:
        """For `starlink.apiserver`."""
        if not self.endpoints:
            return ()
        files = {"--etcd-ca": self.ca, "--etcd-cert": self.cert, "--etcd-key": self.key}
        told = [word for name, path in files.items() if path for word in (name, path)]
        return ("--etcd-endpoints", self.endpoints, "--etcd-prefix", self.prefix, *told)
