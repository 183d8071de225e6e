"""Fetching: http, https, or a file below the artifact directory and nowhere else. Blocking; call it in a thread."""

import hashlib
import os
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import IO

from starlink.artifacts.errors import ArtifactError

MAX_BYTES = 4 * 1024**3
TIMEOUT_SECONDS = 30.0
TRIES = 4
_BLOCK = 1024 * 1024


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


def _fetch_once(url: str, sha256: str, cached: Path, artifact_dir: Path | None) -> Path:
    descriptor, name = tempfile.mkstemp(dir=cached.parent, prefix=".fetch-")
    partial = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as target, _open(url, artifact_dir) as source:
            digest = _copy(url, source, target)
        if digest != sha256:
            raise ArtifactError(
                "ArtifactChecksumMismatch",
                f"{url} has sha256 {digest}, but the template says {sha256}; correct artifact.sha256, or the file",
            )
        partial.replace(cached)
        return cached
    finally:
        partial.unlink(missing_ok=True)


def _copy(url: str, source: IO[bytes], target: IO[bytes]) -> str:
    digest, size = hashlib.sha256(), 0
    try:
        while block := source.read(_BLOCK):
            size += len(block)
            if size > MAX_BYTES:
                raise ArtifactError("ArtifactTooLarge", f"{url} has more than {MAX_BYTES} bytes")
            digest.update(block)
            target.write(block)
    except OSError as error:
        raise ArtifactError("ArtifactUnreachable", f"{url} broke off after {size} bytes: {error}") from None
    return digest.hexdigest()


def _open(url: str, artifact_dir: Path | None) -> IO[bytes]:
    if url.startswith("file:"):
        return _open_file(url, artifact_dir)
    if not url.startswith(("http://", "https://")):
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
        if not newurl.startswith(("http://", "https://")):
            raise ArtifactError("ArtifactNotFound", f"{req.full_url} redirects to {newurl}, which is not fetched")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _open_http(url: str) -> IO[bytes]:
    opener = urllib.request.build_opener(_WebOnly, urllib.request.ProxyHandler())
    try:
        response: IO[bytes] = opener.open(url, timeout=TIMEOUT_SECONDS)
        return response
    except urllib.error.HTTPError as error:
        code, reason = error.code, error.reason
        error.close()
        if code >= 500 or code == 429:
            raise ArtifactError("ArtifactUnreachable", f"{url} answers {code} {reason}") from None
        raise ArtifactError("ArtifactNotFound", f"{url} answers {code} {reason}; correct artifact.url") from None
    except (urllib.error.URLError, OSError, ValueError) as error:
        why = getattr(error, "reason", error)
        raise ArtifactError("ArtifactUnreachable", f"{url} can't be reached: {why}") from None
