"""Where the API server listens: what HOST:PORT means, and who has a port that is taken."""

import contextlib
import errno
import ipaddress
import re
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

DEFAULT = "127.0.0.1:0"
_EVERYWHERE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104
"""What means all addresses, and what this machine's own clients call it."""
_FORM = re.compile(r"(?P<host>\[[0-9a-fA-F:.%]+\]|[^:\[\]]*):(?P<port>[0-9]{1,5})")
_LAST_PORT = 65535
_LISTENING = "0A"
_MOST_WORDS = 100


class NotHeard(Exception):
    """Why the API server can't listen there; the message names the value and what to do."""


@dataclass(frozen=True, slots=True)
class Listen:
    """An address to listen on; port 0 is a free one, host "" all addresses."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """From HOST:PORT, "" for the default. Raises NotHeard."""
        found = _FORM.fullmatch(text or DEFAULT)
        if found is None or int(found["port"]) > _LAST_PORT:
            raise NotHeard(f"--listen {text}: write HOST:PORT, such as 127.0.0.1:6443 or [::]:6443")
        return cls(found["host"].strip("[]"), int(found["port"]))

    def __str__(self) -> str:
        return f"{_bracketed(self.host)}:{self.port}"

    @property
    def everywhere(self) -> bool:
        """Whether it is on all addresses of the machine."""
        return self.host in _EVERYWHERE

    def serves(self, other: Self) -> bool:
        """Whether all who reach the other reach this one too."""
        return self.port == other.port and (self.host in (other.host, "") or self.host == _all_of_its_kind(other.host))

    @property
    def url(self) -> str:
        """For clients of this machine."""
        return f"https://{_bracketed(_EVERYWHERE.get(self.host, self.host))}:{self.port}"

    def bound(self) -> Self:
        """The same with a free port in the place of 0. Raises NotHeard when nobody could listen there."""
        try:
            port = self.port
            for family, address in _resolved(self.host, self.port):
                with socket.socket(family, socket.SOCK_STREAM) as probe:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    if family == socket.AF_INET6:
                        probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                    probe.bind((address[0], port, *address[2:]))
                    probe.listen(1)
                    port = probe.getsockname()[1]
        except OSError as error:
            raise NotHeard(f"--listen {self}: {self._why(error)}") from None
        return replace(self, port=port)

    def _why(self, error: OSError) -> str:
        if isinstance(error, socket.gaierror):
            return f"{self.host} is no address and no name that this machine knows; name one of its own"
        if error.errno == errno.EADDRINUSE:
            holder = holder_of(self.port) or "a process that you may not see (as root: ss -tlnp)"
            return f"the port is in use by {holder}; stop that, or give another port"
        if error.errno == errno.EADDRNOTAVAIL:
            return f"this machine does not have the address {self.host}; name one of its own (`ip address`), or 0.0.0.0"
        if error.errno == errno.EACCES:
            return "ports below 1024 need root; give another port"
        return f"{error.strerror}; give another address"


def _all_of_its_kind(host: str) -> str:
    """What means all addresses of the family of a host's; of a name that is not known."""
    try:
        version = ipaddress.ip_address(host).version
    except ValueError:
        return host
    return "0.0.0.0" if version == 4 else "::"  # noqa: S104


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the host."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _resolved(host: str, port: int) -> Sequence[tuple[int, tuple[Any, ...]]]:
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return [*dict.fromkeys((entry[0], entry[4]) for entry in found)]


def holder_of(port: int, proc: Path = Path("/proc")) -> str:
    """The process that listens on the port, in words; "" where none can be seen."""
    sockets = {f"socket:[{inode}]" for inode in _inodes(port, proc)}
    for entry in proc.glob("[0-9]*"):
        if sockets and any(link in sockets for link in _links(entry / "fd")):
            return f"process {entry.name} ({_words(entry)})"
    return ""


def _inodes(port: int, proc: Path) -> Iterator[str]:
    """Of the sockets that listen on the port (proc_net_tcp)."""
    for table in ("tcp", "tcp6"):
        try:
            lines = (proc / "net" / table).read_text().splitlines()[1:]
        except OSError:
            continue
        for fields in map(str.split, lines):
            if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                yield fields[9]


def _links(folder: Path) -> Iterator[str]:
    with contextlib.suppress(OSError):
        for entry in folder.iterdir():
            with contextlib.suppress(OSError):  # closed meanwhile
                yield str(entry.readlink())


def _words(process: Path) -> str:
    try:
        command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        command = ""
    shown = "".join(character if character.isprintable() else "?" for character in command[:_MOST_WORDS])
    return shown if len(command) <= _MOST_WORDS else f"{shown}…"
