"""The server's certificate, which follows the machine's addresses."""

import datetime
from collections.abc import Callable, Sequence
from pathlib import Path

from starlink.apiserver.security.certificates.pki import Pki
from starlink.http.addresses import machine_addresses

_EVERYWHERE = ("", "0.0.0.0", "::")  # noqa: S104


class ServerCertificate:
    """The certificate of a server that listens on `host`; below `folder` lies the PKI. `now` gives the time,
    `addresses` what the machine has; `further` are names and addresses by which it is known besides."""

    def __init__(
        self,
        folder: Path,
        host: str,
        now: Callable[[], datetime.datetime],
        addresses: Callable[[], list[str]] | None = None,
        further: Sequence[str] = (),
    ) -> None:
        self._folder = folder
        self._host = host
        self._now = now
        self._addresses = addresses or machine_addresses
        self._further = further

    def issue(self) -> tuple[Path, Path]:
        """The certificate's and the key's file, made anew when they cover other names than they should, near their
        end, or after the authority has changed. Raises OSError and ValueError."""
        names = self._addresses() if self._host in _EVERYWHERE else [self._host]
        return Pki(self._folder, self._now()).server([*names, *self._further])
