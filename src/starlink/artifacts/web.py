"""HTTP as artifacts are fetched by it: from addresses that a guard allows, at a pace that is bounded.

The guard is asked about the address that is connected to, after its name was resolved, and for each redirect anew.
"""

import contextlib
import errno
import http.client
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from typing import IO, Any, cast
from urllib.parse import urlsplit

from starlink.artifacts.errors import ArtifactError, brief, shown
from starlink.artifacts.guard import Guard
from starlink.artifacts.pace import Pace

SCHEMES = ("http://", "https://")
_SHORT_OF = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)


def open_url(url: str, guard: Guard, pace: Pace, proxies: Mapping[str, str]) -> IO[bytes]:
    """The body of what the URL gives, as the server sends it: no encoding is undone.

    `proxies` are addresses by scheme, as urllib.request.getproxies gives them. Whoever names one is trusted: a
    connection to it is not asked about. But then its own name lookup decides where the request ends, so a target that
    this machine finds at an address of the guard's is refused. Raises ArtifactError; OSError when this machine is short
    of something.
    """
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(dict(proxies)), _Http(guard, pace, bool(proxies)), _Redirects(),
        urllib.request.HTTPErrorProcessor(), urllib.request.HTTPDefaultErrorHandler(), urllib.request.UnknownHandler(),
    ):  # fmt: skip
        opener.add_handler(handler)
    try:
        return cast("IO[bytes]", opener.open(url, timeout=pace.wait()))
    except urllib.error.HTTPError as error:
        error.close()
        raise _answered(shown(url), error.code) from None
    except http.client.InvalidURL:
        raise ArtifactError("ArtifactNotFound", f"{shown(url)} is no URL; correct artifact.url") from None
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise unreachable(f"{shown(url)} can't be reached", error) from None


def unreachable(what: str, error: Exception) -> ArtifactError:
    """The error for trouble on the way. Raises the trouble itself when it is this machine's own."""
    why = getattr(error, "reason", error)
    if isinstance(why, OSError) and why.errno in _SHORT_OF:
        raise why
    return ArtifactError("ArtifactUnreachable", f"{what}: {brief(why)}")


def _answered(name: str, code: int) -> ArtifactError:
    answer = f"{name} answers {code} {http.client.responses.get(code, '')}".rstrip()
    if code >= 500 or code == 429:
        return ArtifactError("ArtifactUnreachable", answer)
    if 300 <= code < 400:
        answer += " and leads in a circle, too far, or to what is neither http:// nor https://, which is not fetched"
    return ArtifactError("ArtifactNotFound", f"{answer}; correct artifact.url")


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows at most ten, to http and https alone. Where they lead is the server's word: it may hold secrets."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):  # type: ignore[no-untyped-def]
        if not newurl.startswith(SCHEMES):
            raise urllib.error.HTTPError(req.full_url, code, "", headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class _Http(urllib.request.HTTPHandler, urllib.request.HTTPSHandler):
    """Opens both schemes. A request is looked at before a proxy can take its host's place."""

    def __init__(self, guard: Guard, pace: Pace, proxied: bool) -> None:
        super().__init__()
        self._guard, self._pace, self._proxied = guard, pace, proxied

    def http_request(self, request: urllib.request.Request) -> urllib.request.Request:
        if "@" in (request.host or ""):
            raise ArtifactError(
                "ArtifactNotFound", f"{shown(request.full_url)} is written with a user or password; leave them out"
            )
        if self._proxied and not request.has_proxy():
            _check_target(request.host, self._guard)
        return self.do_request_(request)

    https_request = http_request

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self._open(_Connection, req)

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self._open(_SecureConnection, req)

    def _open(self, kind: Any, req: urllib.request.Request) -> http.client.HTTPResponse:
        guard = None if req.has_proxy() else self._guard
        return self.do_open(kind, req, guard=guard, pace=self._pace)


class _Connection(http.client.HTTPConnection):
    """Connects to what the guard allows, to anything without one."""

    def __init__(self, host: str, *, guard: Guard | None, pace: Pace, timeout: float) -> None:
        super().__init__(host, timeout=timeout)
        self._guard, self._pace = guard, pace
        self._create_connection = self._connect

    def set_tunnel(self, *arguments: Any, **named: Any) -> None:
        self._guard = None  # the connection is one to a proxy
        super().set_tunnel(*arguments, **named)

    def _connect(self, address: tuple[str, int], *_: object) -> socket.socket:
        return _connect(address[0], address[1], self._guard, self._pace)


class _SecureConnection(_Connection):
    """The same, with TLS, to the server itself and not to its proxy."""

    default_port = http.client.HTTPS_PORT

    def connect(self) -> None:
        super().connect()
        context = ssl.create_default_context()
        context.sslsocket_class = _SecureSocket
        host = self._tunnel_host or self.host  # type: ignore[attr-defined]
        secured = cast("_SecureSocket", context.wrap_socket(self.sock, server_hostname=host))
        secured.pace = self._pace
        self.sock = secured


class _Socket(socket.socket):
    """Reads at a pace. All that http.client reads it reads by recv_into."""

    pace: Pace

    def recv_into(self, *arguments: Any, **named: Any) -> int:
        for seconds in self.pace.waits():
            self.settimeout(seconds)
            with contextlib.suppress(TimeoutError):
                count = super().recv_into(*arguments, **named)
                self.pace.took(count)
                return count
        raise AssertionError("unreachable")


class _SecureSocket(_Socket, ssl.SSLSocket):
    """The same, with TLS."""


def _connect(host: str, port: int, guard: Guard | None, pace: Pace) -> socket.socket:
    refused, failure = "", OSError(f"{host} has no address")
    for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        if guard and (why := guard.refusal(str(address[0]))):
            refused = _refused(host, str(address[0]), why)
            continue
        try:
            opened = _Socket(family, kind, protocol)
            opened.pace = pace
            with _closed_on_failure(opened):
                opened.settimeout(pace.wait())
                opened.connect(address)
            return opened
        except OSError as error:
            failure = error
    if refused:
        raise ArtifactError("ArtifactNotFound", refused)
    raise failure


def _check_target(place: str, guard: Guard) -> None:
    """Refuses a host that a proxy is to fetch from, as far as this machine can tell."""
    host = urlsplit(f"//{place}").hostname or ""
    with contextlib.suppress(socket.gaierror):
        for *_, address in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM):
            if why := guard.refusal(str(address[0])):
                raise ArtifactError("ArtifactNotFound", _refused(host, str(address[0]), why))


def _refused(host: str, address: str, why: str) -> str:
    way = "serve it from another address"
    if not Guard(allow_local=True).refusal(address):
        way += ", or allow it with --allow-local-artifacts"
    return f"{host} is at {address}, {why}, from which nothing is fetched; {way}"


@contextlib.contextmanager
def _closed_on_failure(opened: socket.socket) -> Iterator[None]:
    try:
        yield
    except BaseException:
        opened.close()
        raise
