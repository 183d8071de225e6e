"""The audit log: who did what, when, from where, and with what outcome; one JSON object a line, only ever appended.

Fields follow audit.k8s.io/v1 Events at level Metadata: https://kubernetes.io/docs/reference/config-api/apiserver-audit.v1/
No body is ever written, so no secret is.
"""

import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from starlink.api.timestamp import format_micro_time
from starlink.apiserver.message import Request
from starlink.apiserver.route import Route

MAX_BYTES = 64 * 1024 * 1024
KEPT_FILES = 5
_READS = ("get", "list", "watch")
_LEASES = "coordination.k8s.io/leases"


class AuditLog:
    """Appends to `path`, mode 0600; a file that has grown to `max_bytes` becomes `path.1`, and so on to `kept`.

    `now` is epoch seconds. Raises OSError when the file can't be opened.
    """

    def __init__(
        self, path: Path, now: Callable[[], float], *, max_bytes: int = MAX_BYTES, kept: int = KEPT_FILES
    ) -> None:
        self._path = path
        self._now = now
        self._max_bytes = max_bytes
        self._kept = kept
        self._lock = threading.Lock()
        self._file = -1
        self._size = 0
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._open()

    def _open(self) -> None:
        self._file = os.open(self._path, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._size = os.fstat(self._file).st_size

    def write(self, entry: Mapping[str, Any]) -> None:
        """Appends one entry, with its time."""
        line = msgspec.json.encode({"time": format_micro_time(self._now()), **entry}) + b"\n"
        with self._lock:
            if self._size + len(line) > self._max_bytes and self._size:
                self._rotate()
            self._size += os.write(self._file, line)

    def _rotate(self) -> None:
        os.close(self._file)
        for number in range(self._kept - 1, 0, -1):
            older = self._numbered(number)
            if older.exists():
                older.replace(self._numbered(number + 1))
        self._path.replace(self._numbered(1))
        self._open()

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")

    def close(self) -> None:
        """Closes the file; nothing may be written after."""
        with self._lock:
            os.close(self._file)


def is_audited(asked: Route | None) -> bool:
    """Whether a request is written down: all that change something, but for the renewal of leases, and all reading of
    secrets."""
    if asked is None:
        return False
    if asked.verb in _READS:
        return asked.resource.storage == "/secrets"
    return asked.resource.storage != _LEASES and asked.resource.persistent


def entry(request: Request, asked: Route, code: int, reason: str, annotations: Mapping[str, str]) -> dict[str, Any]:
    """What is written of a request that was answered with `code`; `reason` is a refusal's message."""
    told: dict[str, Any] = {
        "user": request.user.name,
        "groups": request.user.groups,
        "sourceIP": request.remote,
        "userAgent": request.headers.get("user-agent", ""),
        "verb": asked.verb,
        "apiGroup": asked.resource.group,
        "resource": asked.resource.plural,
        "subresource": asked.subresource,
        "namespace": asked.namespace or "",
        "name": asked.name,
        "requestURI": request.path,
        "code": code,
        "reason": reason,
        "annotations": dict(annotations),
    }
    return {key: value for key, value in told.items() if value}
