"""At which URL another machine reaches the API server. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from starlink.cli.hints import Command
from starlink.cli.listening import is_loopback


class NotReached(Exception):
    """The message names the option that would make it reachable."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """Whom the API server's certificate names."""

    names: Sequence[str]
    addresses: Sequence[str]

    def covers(self, host: str) -> bool:
        """Whether a client that dials the host trusts it; `*` stands for one part of a name."""
        wild = f"*.{host.partition('.')[2]}"
        return host.lower() in (*map(str.lower, self.names), *self.addresses) or wild.lower() in self.names


@dataclass(frozen=True, slots=True)
class Way:
    """The URL to write into a kubeconfig, and others by which it may be reached."""

    url: str
    others: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Machine:
    """The one on which this runs: its name, its address of the default route, and at which addresses the API server
    answers it."""

    name: str
    primary: str
    answered: Sequence[str]


def way(dialled: str, certificate: Certificate, here: Machine, command: Command, wanted: str = "") -> Way:
    """`dialled` is the URL by which this machine reaches the API server, `wanted` the one that a person names;
    `command` gives what a person types to StarLink. Raises NotReached."""
    if wanted:
        return Way(_checked(wanted, certificate))
    parts = urlsplit(dialled)
    if not is_loopback(parts.hostname or ""):
        return Way(dialled)
    addresses = [address for address in certificate.addresses if address in here.answered and not is_loopback(address)]
    if not addresses:
        stop, start = command("down"), command(f"up --detach --listen 0.0.0.0:{parts.port}")
        raise NotReached(
            f"the API server listens on loopback ({parts.netloc}), where no other machine reaches it; start it anew "
            f"where others do: {stop}, and then {start}; or name with --server the URL of a tunnel, or this one for an "
            "agent of this machine"
        )
    names = [name for name in certificate.names if name not in ("localhost", here.name) and "*" not in name]
    addresses.sort(key=lambda address: (address != here.primary, ":" in address, address))
    found = [_url(host, parts.port) for host in (*names, *addresses)]
    return Way(found[0], found[1:])


def _checked(wanted: str, certificate: Certificate) -> str:
    parts = urlsplit(wanted)
    if parts.scheme != "https" or not parts.hostname or parts.path not in ("", "/") or not _has_port(parts):
        raise NotReached(f"--server {wanted}: write https://HOST:PORT, such as https://10.0.0.5:6443")
    if not certificate.covers(parts.hostname):
        raise NotReached(
            f"--server {wanted}: no agent would trust it there, for its certificate names only "
            f"{', '.join((*certificate.names, *certificate.addresses))}; start it anew with --tls-san {parts.hostname}"
        )
    return wanted.rstrip("/")


def _has_port(parts: SplitResult) -> bool:
    try:
        return parts.port is None or parts.port > 0
    except ValueError:
        return False


def _url(host: str, port: int | None) -> str:
    return f"https://{f'[{host}]' if ':' in host else host}:{port}"
