"""The audit log: who did what, when, from where, and with what outcome; one JSON object a line, only ever appended.

Fields follow audit.k8s.io/v1 Events at level Metadata: https://kubernetes.io/docs/reference/config-api/apiserver-audit.v1/
No body is ever written, so no secret is. What a client says, such as its name and a path, is cut to a bound and has no
character that a terminal would obey.
"""

import logging
import os
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate, islice
from pathlib import Path
from typing import Any

import msgspec

from starlink.api.timestamp import format_time
from starlink.apiserver.names import BULK_WRITES
from starlink.apiserver.requests.route import Route, attributes
from starlink.http.message import Answer, Request, Response

MAX_BYTES = 64 * 1024 * 1024
KEPT_FILES = 5
MOST_TEXT = 1024
"""Characters of one value of an entry."""
MOST_PARTS = 64
"""Entries of a list or a map within an entry."""
_OBEYED = re.compile(r"[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb]")
"""Control and direction characters that JSON itself does not escape (UAX #9; ECMA-48), and halves of a pair."""
_READS = ("get", "list", "watch")
_LEASES = "coordination.k8s.io/leases"

_encode = msgspec.json.Encoder().encode

log = logging.getLogger(__name__)


class AuditLog:
    """Appends to `path`, mode 0600; a file that has grown to `max_bytes` becomes `path.1`, and so on to `kept`.

    `now` is epoch seconds. With `later`, which makes a call when this turn of the loop is over, lines wait so long and
    are written together; who answers a request sees to it that they are written before (`flush`). Raises OSError when
    the file can't be opened.
    """

    def __init__(
        self,
        path: Path,
        now: Callable[[], float],
        *,
        max_bytes: int = MAX_BYTES,
        kept: int = KEPT_FILES,
        later: Callable[[Callable[[], None]], object] | None = None,
    ) -> None:
        self._path = path
        self._now = now
        self._second = (-1, "")
        self._max_bytes = max_bytes
        self._kept = kept
        self._later = later
        self._waiting: list[bytes] = []
        self._lock = threading.Lock()
        self._failing = False
        self._lost = 0
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._file, self._size = _opened(path)

    def write(self, entry: Mapping[str, Any]) -> None:
        """Appends one entry, with its time. What can't be written is lost; the server's log says so once, and again
        when it has come to an end, for a full disk must not end the service."""
        with self._lock:
            self._waiting.append(_line({"time": self._time(), **entry}))
            is_first = len(self._waiting) == 1
        if self._later is None:
            self.flush()
        elif is_first:
            self._later(self.flush)

    @property
    def waits(self) -> bool:
        """Whether there is a line that is not written yet."""
        return bool(self._waiting)

    def flush(self) -> None:
        """Writes the lines that wait."""
        with self._lock:
            lines, self._waiting = self._waiting, []
            most = len(lines)
            while lines:
                done_with = self._write(lines[:most])
                most = most if done_with else 1  # where a disk is full, one line may go in where many do not
                lines = lines[done_with:]

    def _write(self, lines: Sequence[bytes]) -> int:
        """Appends the first of some lines, as many as a file takes; gives how many are done with. One that can't be
        written by itself is lost."""
        try:
            full = self._size + len(lines[0]) > self._max_bytes and self._size > 0
            rotated = not full or self._rotate()
            group = lines[: self._room(lines)]
            written = self._append(group)
        except OSError as error:
            if len(group) > 1:
                return 0
            self._lost += 1
            self._failed(error)
            return 1
        if self._failing and rotated and written == len(group):
            self._recovered()
        return written

    def _room(self, lines: Sequence[bytes]) -> int:
        """How many of the lines go into the file, one at least."""
        sizes = accumulate(map(len, lines), initial=self._size)
        return max(sum(size <= self._max_bytes for size in sizes) - 1, 1)

    def _time(self) -> str:
        """RFC 3339 with microseconds; all but these is made once a second."""
        second, micros = divmod(int(self._now() * 1_000_000), 1_000_000)
        if second != self._second[0]:
            self._second = second, format_time(second)[:-1]
        return f"{self._second[1]}.{micros:06}Z"

    def _failed(self, error: OSError) -> None:
        if not self._failing:
            told = {"path": str(self._path), "error": error.strerror}
            log.error("the audit log can't be written; entries may be lost", extra=told)
        self._failing = True

    def _recovered(self) -> None:
        log.warning("the audit log is written again", extra={"path": str(self._path), "lost": self._lost})
        self._failing, self._lost = False, 0

    def _append(self, lines: Sequence[bytes]) -> int:
        """Gives how many lines are in the file now. Raises OSError when none is."""
        written = os.write(self._file, b"".join(lines))
        ends = [end for end in accumulate(map(len, lines)) if end <= written]
        size = ends[-1] if ends else 0
        if written > size:  # the disk is full: no half line may stay, or the next one would hang on it
            os.ftruncate(self._file, self._size + size)
        self._size += size
        if not ends:
            raise OSError(0, f"only {written} of {len(lines[0])} bytes could be written")
        return len(ends)

    def _rotate(self) -> bool:
        """Goes on with a new file; False when that fails, and then the old one is used on."""
        old = self._file
        try:
            self._set_aside()
            self._file, self._size = _opened(self._path)
        except OSError as error:
            self._failed(error)
            return False
        os.close(old)
        return True

    def _set_aside(self) -> None:
        """Raises OSError."""
        if not self._path.exists():
            return
        for number in range(self._kept - 1, 0, -1):
            older = self._numbered(number)
            if older.exists():
                older.replace(self._numbered(number + 1))
        self._path.replace(self._numbered(1))

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")

    def close(self) -> None:
        """Writes what waits and closes the file; nothing may be written after."""
        self.flush()
        with self._lock:
            os.close(self._file)


def _line(entry: Mapping[str, Any]) -> bytes:
    """An entry as it is written. Most are told by their JSON to have nothing that is bounded, which takes a tenth of
    looking at each part."""
    try:
        line = _encode(entry)
    except UnicodeEncodeError:
        return _encode(bounded(entry)) + b"\n"
    return (line if _is_plain(line) else _encode(bounded(entry))) + b"\n"


def _is_plain(line: bytes) -> bool:
    """Whether no text in it can be too long or obeyed, and no list or map have too many parts."""
    short = len(line) <= MOST_TEXT and line.count(b",") < MOST_PARTS
    return short and line.isascii() and b"\x7f" not in line


def bounded(value: Any) -> Any:
    """The value as it may stand in a line, and further down in it what it holds."""
    match value:
        case str():
            cut = value if len(value) <= MOST_TEXT else f"{value[:MOST_TEXT]}… ({len(value)} characters)"
            return _OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", cut)
        case Mapping():
            return {bounded(key): bounded(part) for key, part in islice(value.items(), MOST_PARTS)}
        case list() | tuple():
            return [bounded(part) for part in value[:MOST_PARTS]]
        case _:
            return value


def _opened(path: Path) -> tuple[int, int]:
    """The file to append to, and its size. Raises OSError."""
    file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o600)
    return file, os.fstat(file).st_size


def is_audited(asked: Route | None) -> bool:
    """Whether a request is written down: all that change something, but for the renewal of leases, and all reading of
    secrets. Of a bulk write only that it was refused: each of its items is a request."""
    if asked is None:
        return False
    if asked.verb in _READS:
        return asked.resource.storage == "/secrets"
    return asked.resource.storage == BULK_WRITES or (asked.resource.storage != _LEASES and asked.resource.persistent)


class _Named(msgspec.Struct, frozen=True):
    name: str = ""


class _Answer(msgspec.Struct, frozen=True):
    """What an answer names: an object by its metadata, a Status by its details."""

    metadata: _Named = _Named()
    details: _Named = _Named()


_answer = msgspec.json.Decoder(_Answer)


def _name(asked: Route, body: bytes) -> str:
    """The object's name, which for a create is in the answer alone."""
    if asked.name or asked.verb != "create":
        return asked.name
    try:
        told = _answer.decode(body)
    except msgspec.MsgspecError:
        return ""
    return told.metadata.name or told.details.name


def entry(
    request: Request, asked: Route, answer: Answer, reason: str, annotations: Mapping[str, str]
) -> dict[str, Any]:
    """What is written of a request and its answer; `reason` is a refusal's message. Of a request that is done as
    somebody else, `user` is who sent it."""
    sender = request.sender or request.user
    told: dict[str, Any] = {
        "user": sender.name,
        "groups": sender.groups,
        "impersonatedUser": request.user.info() if request.sender else None,
        "sourceIP": request.remote,
        "userAgent": request.headers.get("user-agent", ""),
        "verb": asked.verb,
        "apiGroup": asked.resource.group,
        "resource": asked.resource.plural,
        "subresource": asked.subresource,
        "namespace": asked.namespace or "",
        "name": _name(asked, answer.body if isinstance(answer, Response) else b""),
        "requestURI": request.path,
        "code": answer.status,
        "reason": reason,
        "annotations": dict(annotations),
    }
    return {key: value for key, value in told.items() if value}


def unauthenticated(request: Request, why: str, claimed: str) -> dict[str, Any]:
    """What is written of a request whose credentials are not good, `why` not; `claimed` is who it says it comes from,
    which nothing proves."""
    asked = attributes(request)
    told: dict[str, Any] = {
        "claimed": claimed,
        "sourceIP": request.remote,
        "userAgent": request.headers.get("user-agent", ""),
        "verb": asked.verb,
        "apiGroup": asked.group,
        "resource": asked.resource,
        "subresource": asked.subresource,
        "namespace": asked.namespace,
        "name": asked.name,
        "requestURI": request.path,
        "code": 401,
        "reason": why,
    }
    return {key: value for key, value in told.items() if value}
