"""The etcd cluster in which a standalone StarLink keeps its objects in place of SQLite."""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import click

DEFAULT_PREFIX = "/starlink"


@dataclass(frozen=True, slots=True)
class EtcdOptions:
    """`endpoints` are URLs with commas between, "" for SQLite; files are absolute paths, "" for none."""

    endpoints: str
    prefix: str = DEFAULT_PREFIX
    ca: str = ""
    cert: str = ""
    key: str = ""

    def __str__(self) -> str:
        return f"etcd at {self.endpoints}, below {self.prefix},"

    @classmethod
    def of(cls, endpoints: str, prefix: str, ca: Path | None, cert: Path | None, key: Path | None) -> Self:
        """From what was given on the command line."""
        return cls(endpoints, prefix, *(str(path.resolve()) if path else "" for path in (ca, cert, key)))

    @classmethod
    def remembered(cls, state: Mapping[str, Any]) -> Self:
        """What run.json of an earlier version says; SQLite where it says nothing."""
        found = state.get("etcd")
        return cls(**found) if isinstance(found, dict) else cls("")

    def arguments(self) -> Sequence[str]:
        """For `starlink.apiserver`."""
        if not self.endpoints:
            return ()
        files = {"--etcd-ca": self.ca, "--etcd-cert": self.cert, "--etcd-key": self.key}
        told = [word for name, path in files.items() if path for word in (name, path)]
        return ("--etcd-endpoints", self.endpoints, "--etcd-prefix", self.prefix, *told)


SQLITE = EtcdOptions("")

_FILE = click.Path(path_type=Path, dir_okay=False)
_OPTIONS = (
    click.option("--etcd-prefix", default=DEFAULT_PREFIX, show_default=True, help="Below which they lie in etcd."),
    click.option("--etcd-ca", type=_FILE, help="The CA of etcd's certificates."),
    click.option("--etcd-cert", type=_FILE, help="The certificate to show to etcd."),
    click.option("--etcd-key", type=_FILE, help="Its key."),
)


def etcd_options(help_: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Adds `--etcd` and what belongs to it to a command, which gets them as `etcd`: EtcdOptions, None if not given."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def gathered(*words: Any, etcd: str | None, **options: Any) -> None:
            prefix, *files = (options.pop(f"etcd_{name}") for name in ("prefix", "ca", "cert", "key"))
            if etcd is None and (prefix != DEFAULT_PREFIX or any(files)):
                raise click.UsageError("--etcd-prefix, --etcd-ca, --etcd-cert and --etcd-key need --etcd beside them")
            command(*words, etcd=None if etcd is None else EtcdOptions.of(etcd, prefix, *files), **options)

        for option in (*reversed(_OPTIONS), click.option("--etcd", metavar="URL,URL", help=help_)):
            gathered = option(gathered)
        return gathered

    return decorate
