"""Fetching: http, https, or a file below the artifact directory and nowhere else. Blocking; call it in a thread."""

import functools
import hashlib
import http.client
import os
import socket
import ssl
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import IO

from starlink.artifacts.errors import ArtifactError
from starlink.artifacts.guard import Guard

MAX_BYTES = 4 * 1024**3
TIMEOUT_SECONDS = 30.0
TRIES = 4
_BLOCK = 1024 * 1024
_WEB = ("http://", "https://")


def fetch(
    url: str, sha256: str, cache: Path, artifact_dir: Path | None, pause: Callable[[float], None] = time.sleep
) -> Path:
    """The archive, verified, in `cache` under its digest; one that is there is not fetched again.

    Network trouble and 5xx are tried again after 1, 2 and 4 s, by `pause`. Raises ArtifactError.
    """
    cached = cache / sha256
    if cached.exists():
        return cached
    cache.mkdir(parents=True, exist_ok=True, mode=0o700)
    for attempt in range(TRIES):
        try:
            return _fetch_once(url, sha256, cached, artifact_dir)
        except ArtifactError as error:
            if error.reason != "ArtifactUnreachable" or attempt == TRIES - 1:
                raise
            pause(2.0**attempt)
    raise AssertionError("unreachable")


def download(url: str, sha256: str, target: IO[bytes], guard: Guard, max_bytes: int) -> None:
    """Writes what an http or https URL gives to `target`, verified. One try.

    Every address that is connected to, those of redirects included, is one that `guard` allows; the check is of the
    address itself, after the name was resolved. Goes through no proxy, which would hide that address. Raises
    ArtifactError.
    """
    if not url.startswith(_WEB):
        raise ArtifactError("ArtifactNotFound", f"{url}: only http:// and https:// are fetched")
    with _open_http(url, guard) as source:
        _verify(url, _copy(url, source, target, max_bytes), sha256)


def _fetch_once(url: str, sha256: str, cached: Path, artifact_dir: Path | None) -> Path:
    descriptor, name = tempfile.mkstemp(dir=cached.parent, prefix=".fetch-")
    partial = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as target, _open(url, artifact_dir) as source:
            digest = _copy(url, source, target, MAX_BYTES)
        _verify(url, digest, sha256)
        partial.replace(cached)
        return cached
    finally:
        partial.unlink(missing_ok=True)


def _verify(url: str, digest: str, sha256: str) -> None:
    if digest != sha256:
        raise ArtifactError(
            "ArtifactChecksumMismatch",
            f"{url} has sha256 {digest}, but the template says {sha256}; correct artifact.sha256, or the file",
        )


def _copy(url: str, source: IO[bytes], target: IO[bytes], max_bytes: int) -> str:
    digest, size = hashlib.sha256(), 0
    try:
        while block := source.read(_BLOCK):
            size += len(block)
            if size > max_bytes:
                raise ArtifactError("ArtifactTooLarge", f"{url} has more than {max_bytes} bytes")
            digest.update(block)
            target.write(block)
    except (OSError, http.client.HTTPException) as error:
        raise ArtifactError("ArtifactUnreachable", f"{url} broke off after {size} bytes: {error}") from None
    return digest.hexdigest()


def _open(url: str, artifact_dir: Path | None) -> IO[bytes]:
    if url.startswith("file:"):
        return _open_file(url, artifact_dir)
    if not url.startswith(_WEB):
        raise ArtifactError("ArtifactNotFound", f"{url}: only http://, https:// and file:NAME are fetched")
    return _open_http(url)


def _open_file(url: str, artifact_dir: Path | None) -> IO[bytes]:
    name = url.removeprefix("file:").lstrip("/")
    if artifact_dir is None:
        raise ArtifactError("ArtifactNotFound", f"{url}: this server's agent has no --artifact-dir; start it with one")
    root = artifact_dir.resolve()
    path = (root / name).resolve()
    if root not in path.parents:
        raise ArtifactError("ArtifactUnsafePath", f"{url} leaves the artifact directory; name a file below it")
    try:
        return path.open("rb")
    except OSError as error:
        raise ArtifactError(
            "ArtifactNotFound", f"{url}: {name} can't be read below the agent's --artifact-dir: {error.strerror}"
        ) from None


class _WebOnly(urllib.request.HTTPRedirectHandler):
    """Follows redirects to http and https alone."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):  # type: ignore[no-untyped-def]
        if not newurl.startswith(_WEB):
            raise ArtifactError("ArtifactNotFound", f"{req.full_url} redirects to {newurl}, which is not fetched")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class _Connection(http.client.HTTPConnection):
    """Connects to addresses that the guard allows."""

    def __init__(self, host: str, *, guard: Guard, timeout: float) -> None:
        super().__init__(host, timeout=timeout)
        self._guard = guard

    def connect(self) -> None:
        self.sock = _connect(self.host, self.port, self.timeout, self._guard)


class _SecureConnection(_Connection):
    """The same, with TLS."""

    default_port = http.client.HTTPS_PORT

    def connect(self) -> None:
        super().connect()
        self.sock = ssl.create_default_context().wrap_socket(self.sock, server_hostname=self.host)


class _Guarded(urllib.request.HTTPHandler, urllib.request.HTTPSHandler):
    """Opens both schemes through guarded connections."""

    def __init__(self, guard: Guard) -> None:
        super().__init__()
        self._guard = guard

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(functools.partial(_Connection, guard=self._guard), req)

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(functools.partial(_SecureConnection, guard=self._guard), req)


def _connect(host: str, port: int, timeout: float | None, guard: Guard) -> socket.socket:
    refused, failure = "", OSError(f"{host} has no address")
    for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        if why := guard.refusal(str(address[0])):
            refused = f"{host} is at {address[0]}, {why}, from which nothing is fetched; serve it from another address"
            continue
        opened = socket.socket(family, kind, protocol)
        opened.settimeout(timeout)
        try:
            opened.connect(address)
            return opened
        except OSError as error:
            opened.close()
            failure = error
    if refused:
        raise ArtifactError("ArtifactUnreachable", refused)
    raise failure


def _handlers(guard: Guard | None) -> tuple[urllib.request.BaseHandler, ...]:
    if guard is None:
        return _WebOnly(), urllib.request.ProxyHandler()
    return _WebOnly(), urllib.request.ProxyHandler({}), _Guarded(guard)


def _open_http(url: str, guard: Guard | None = None) -> IO[bytes]:
    opener = urllib.request.build_opener(*_handlers(guard))
    try:
        response: IO[bytes] = opener.open(url, timeout=TIMEOUT_SECONDS)
        return response
    except urllib.error.HTTPError as error:
        code, reason = error.code, error.reason
        error.close()
        if code >= 500 or code == 429:
            raise ArtifactError("ArtifactUnreachable", f"{url} answers {code} {reason}") from None
        raise ArtifactError("ArtifactNotFound", f"{url} answers {code} {reason}; correct artifact.url") from None
    except http.client.InvalidURL as error:
        raise ArtifactError("ArtifactNotFound", f"{url} is no URL: {error}; correct artifact.url") from None
    except (urllib.error.URLError, OSError, ValueError, http.client.HTTPException) as error:
        why = getattr(error, "reason", error)
        raise ArtifactError("ArtifactUnreachable", f"{url} can't be reached: {why}") from None
