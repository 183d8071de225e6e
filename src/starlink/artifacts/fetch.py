"""Fetching: http, https, or a file below the artifact directory and nowhere else. Blocking; call it in a thread."""

import hashlib
import http.client
import re
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from starlink.artifacts import cache, shelf, web
from starlink.artifacts.errors import ArtifactError, shown
from starlink.artifacts.guard import Guard
from starlink.artifacts.pace import Pace
from starlink.backoff import Pauses

MAX_BYTES = 4 * 1024**3
TRIES = 4
PAUSES = Pauses(1.0, 4.0)
_BLOCK = 256 * 1024
_HEADER_BYTES = 8 * 1024**2
_SHA256 = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Places:
    """Where an agent fetches from and keeps what it fetched. Without `artifact_dir` there are no `file:` URLs."""

    cache: Path
    artifact_dir: Path | None = None
    guard: Guard = field(default_factory=Guard)


def fetch(
    url: str,
    sha256: str,
    places: Places,
    *,
    pause: Callable[[float], None] = time.sleep,
    pace: Callable[[int], Pace] = Pace,
    max_bytes: int = MAX_BYTES,
) -> IO[bytes]:
    """The archive, open at its start: the digest is that of this very file. It is kept in the cache, and one that is
    there and still has its digest is not fetched again.

    Goes through the proxies of the environment. Network trouble and 5xx are tried again after 1, 2 and 4 s, by `pause`.
    Raises ArtifactError; OSError when this machine is at fault, such as a full disk, which is tried once.
    """
    if not _SHA256.fullmatch(sha256):
        raise ArtifactError("ArtifactChecksumMismatch", f"artifact.sha256 {sha256[:80]!r} is not 64 hexadecimal digits")
    for attempt in range(TRIES):
        if cached := cache.find(places.cache, sha256):
            return cached
        try:
            with cache.adding(places.cache, sha256) as target, _open(url, places, _paced(pace, max_bytes)) as source:
                _verify(url, source, _copy(url, source, target, max_bytes), sha256)
            return target
        except ArtifactError as error:
            if error.reason != "ArtifactUnreachable" or attempt == TRIES - 1:
                raise
            pause(PAUSES.after(attempt + 1))
    raise AssertionError("unreachable")


def download(url: str, sha256: str, target: IO[bytes], guard: Guard, max_bytes: int) -> None:
    """Writes what an http or https URL gives to `target`, verified. One try, through no proxy. Raises as `fetch`."""
    with _open_web(url, guard, _paced(Pace, max_bytes), {}) as source:
        _verify(url, source, _copy(url, source, target, max_bytes), sha256)


def _paced(pace: Callable[[int], Pace], max_bytes: int) -> Pace:
    """With room for headers, and for the framing of chunks as small as they come in practice."""
    return pace(2 * max_bytes + _HEADER_BYTES)


def _open(url: str, places: Places, pace: Pace) -> IO[bytes]:
    if not url.startswith("file:"):
        return _open_web(url, places.guard, pace, urllib.request.getproxies())
    if places.artifact_dir is None:
        raise ArtifactError("ArtifactNotFound", f"{url}: this server's agent has no --artifact-dir; start it with one")
    return shelf.open_below(places.artifact_dir, url.removeprefix("file:"))


def _open_web(url: str, guard: Guard, pace: Pace, proxies: dict[str, str]) -> IO[bytes]:
    if not url.startswith(web.SCHEMES):
        raise ArtifactError("ArtifactNotFound", f"{shown(url)}: only http://, https:// and file:NAME are fetched")
    return web.open_url(url, guard, pace, proxies)


def _copy(url: str, source: IO[bytes], target: IO[bytes], max_bytes: int) -> str:
    digest, size = hashlib.sha256(), 0
    while block := _read(url, source, size):
        size += len(block)
        if size > max_bytes:
            raise ArtifactError("ArtifactTooLarge", f"{shown(url)} has more than {max_bytes} bytes")
        digest.update(block)
        target.write(block)
    if missing := getattr(source, "length", None):  # of an HTTP response: bytes that were promised and did not come
        raise ArtifactError("ArtifactUnreachable", f"{shown(url)} broke off after {size} bytes, {missing} too early")
    return digest.hexdigest()


def _read(url: str, source: IO[bytes], size: int) -> bytes:
    if not isinstance(source, http.client.HTTPResponse):
        return source.read(_BLOCK)
    try:
        return source.read(_BLOCK)
    except (OSError, http.client.HTTPException) as error:
        raise web.unreachable(f"{shown(url)} broke off after {size} bytes", error) from None


def _verify(url: str, source: IO[bytes], digest: str, sha256: str) -> None:
    if digest != sha256 and _may_be_cut(source):
        raise ArtifactError(
            "ArtifactUnreachable",
            f"{shown(url)} came without its length, so it may have broken off: what came has sha256 {digest}, and the "
            f"template says {sha256}; serve it with a Content-Length, or correct artifact.sha256",
        )
    if digest != sha256:
        raise ArtifactError(
            "ArtifactChecksumMismatch",
            f"{shown(url)} has sha256 {digest}, but the template says {sha256}; correct artifact.sha256, or the file",
        )


def _may_be_cut(source: IO[bytes]) -> bool:
    """Whether the end of a body can't be told from a connection that broke. RFC 9112 6.3."""
    return isinstance(source, http.client.HTTPResponse) and source.length is None and not source.chunked
