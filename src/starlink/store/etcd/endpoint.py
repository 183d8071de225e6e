"""Where a member of the etcd cluster listens."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import grpc


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A member's client address; `scheme` is http, https, or "" where none was given."""

    scheme: str
    address: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.address}" if self.scheme else self.address

    @classmethod
    def parse(cls, text: str) -> Self:
        """From HOST:PORT, http://HOST:PORT or https://HOST:PORT. Raises ValueError."""
        scheme, _, rest = text.strip().rpartition("://")
        address = rest.rstrip("/")
        host, _, port = address.rpartition(":")
        bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host.replace(":", "/")
        if scheme not in ("", "http", "https") or not bare or "/" in bare or not port.isdigit():
            raise ValueError(f"{text!r} is no endpoint of etcd; write HOST:PORT or https://HOST:PORT, [IPv6]:PORT")
        return cls(scheme, address)


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """The CA that etcd's certificates are from, and the certificate and key that this client shows."""

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None

    def __post_init__(self) -> None:
        if (self.cert is None) != (self.key is None):
            raise ValueError("a client certificate for etcd and its key are given together")

    @property
    def given(self) -> bool:
        return self.ca is not None or self.cert is not None


def parse_all(texts: Sequence[str]) -> tuple[Endpoint, ...]:
    """The endpoints of one cluster. Raises ValueError when the list is empty, or when a text is not an endpoint."""
    if not texts:
        raise ValueError("no endpoint of etcd is given; write HOST:PORT or https://HOST:PORT")
    return tuple(Endpoint.parse(text) for text in texts)


def check_schemes(endpoints: Collection[Endpoint], files: TlsFiles) -> None:
    """Raises ValueError when some endpoints are in the clear though others, or the files, ask for TLS."""
    schemes = {endpoint.scheme for endpoint in endpoints}
    if "http" in schemes and ("https" in schemes or files.given):
        clear = next(str(endpoint) for endpoint in endpoints if endpoint.scheme == "http")
        raise ValueError(f"{clear} is in the clear, but TLS is asked for elsewhere; write https:// for every endpoint")


def credentials(endpoints: Collection[Endpoint], files: TlsFiles) -> grpc.ChannelCredentials | None:
    """What to connect with, None in the clear. Raises OSError for a file that can't be read."""
    if not files.given and all(endpoint.scheme != "https" for endpoint in endpoints):
        return None
    ca, cert, key = (path.read_bytes() if path else None for path in (files.ca, files.cert, files.key))
    return grpc.ssl_channel_credentials(ca, key, cert)
