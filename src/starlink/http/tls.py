"""TLS without I/O: a context that follows its files, and gives sessions.

Not the standard library's: that refuses a bad client certificate within the handshake, where no reason
can be given, and asyncio holds 256 KiB a connection for it. Here the handshake takes any certificate whose
key the client proves to have; `authorities.Authorities` judges it for each request.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from OpenSSL import SSL

from starlink.http.authorities import AuthoritiesRefused, read_authorities
from starlink.http.session import TlsSession, reason, session_room

POLL_SECONDS = 3.0
_CIPHERS = b"ECDHE+AESGCM:ECDHE+CHACHA20"  # for TLS 1.2: forward secret and authenticated
_PROTOCOL = b"http/1.1"

log = logging.getLogger(__name__)

Stamp = tuple[tuple[int, int, int], ...]


class TlsRefused(Exception):
    """The files make no TLS; the message names the file."""


class TlsContext:
    """What new connections are made with: a certificate chain, its key, and the authorities of clients, each a
    PEM file. The file of authorities may hold several, as it does during a rotation. `renew` is called before
    each look at the files, to make the certificate anew when that is due."""

    def __init__(self, certificate: Path, key: Path, client_ca: Path, renew: Callable[[], object] = tuple) -> None:
        self._certificate, self._key, self._client_ca = certificate, key, client_ca
        self._renew = renew
        self._room: Any = session_room()
        self._stamp: Stamp = ()
        self._looked_at: Stamp = ()
        self._trouble = ""
        self.reload()

    def reload(self) -> None:
        """Reads the files again. Raises TlsRefused, and keeps what it had."""
        stamp = self._looked_at = self._stamp_now()
        context = _context(self._certificate, self._key)
        try:
            self.authorities = read_authorities(self._client_ca)
        except AuthoritiesRefused as error:
            raise TlsRefused(str(error)) from None
        self._context, self._stamp = context, stamp

    def look(self) -> None:
        """Reads the files again if one is another than at the last look; what is wrong with them is logged."""
        try:
            self._renew()
            if self._stamp_now() not in (self._stamp, self._looked_at):
                self.reload()
                log.info("TLS was reloaded", extra={"authorities": len(self.authorities.certificates)})
        except (TlsRefused, OSError, ValueError) as error:
            if str(error) != self._trouble:
                log.warning("TLS goes on with what it had: %s", error)
            self._trouble = str(error)
        else:
            self._trouble = ""

    async def follow(self, seconds: float = POLL_SECONDS) -> None:
        """Follows the files for ever: a look every few seconds."""
        while True:
            await asyncio.sleep(seconds)
            self.look()

    def session(self) -> TlsSession:
        """The server's side of a new connection."""
        return TlsSession(self._context, self._room)

    def _stamp_now(self) -> Stamp:
        try:
            found = [path.stat() for path in (self._certificate, self._key, self._client_ca)]
        except OSError as error:
            raise TlsRefused(f"{error.filename}: {error.strerror}") from None
        return tuple((status.st_mtime_ns, status.st_ino, status.st_size) for status in found)


def _context(certificate: Path, key: Path) -> SSL.Context:
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(SSL.OP_NO_RENEGOTIATION)
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)
    context.set_cipher_list(_CIPHERS)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_session_id(b"starlink")  # clients may come again with a ticket, which holds their certificate
    context.set_verify(SSL.VERIFY_PEER, _take_any)
    context.set_alpn_select_callback(_select_protocol)
    _load(certificate, context.use_certificate_chain_file)
    _load(key, context.use_privatekey_file)
    _load(key, lambda _: context.check_privatekey())
    return context


def _load(path: Path, use: Callable[[str], Any]) -> None:
    try:
        use(str(path))
    except SSL.Error as error:
        raise TlsRefused(f"{path}: {reason(error)}") from None


def _take_any(*_: object) -> bool:
    """No list of authorities is sent either, by which a client would keep a bad certificate to itself."""
    return True


def _select_protocol(_: SSL.Connection, offered: Sequence[bytes]) -> Any:
    return _PROTOCOL if _PROTOCOL in offered else SSL.NO_OVERLAPPING_PROTOCOLS
