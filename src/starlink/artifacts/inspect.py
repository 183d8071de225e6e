"""Looking inside a zip or tar, without unpacking it: which architectures it runs on. Blocking.

`python -m starlink.artifacts.inspect` reads a Request from stdin, fetches and looks, and writes an Answer to stdout:
what a stranger sends is read in a process of its own, which ends by itself when its time or memory is used up.
"""

import resource
import signal
import sys
import tempfile
from typing import IO

import msgspec

from starlink.api.task import ArtifactFinding
from starlink.api.template import Architecture
from starlink.artifacts import elf, image_index
from starlink.artifacts.archive import members, reading
from starlink.artifacts.asking import Answer, Request
from starlink.artifacts.errors import ArtifactError, shown
from starlink.artifacts.fetch import download
from starlink.artifacts.guard import Guard
from starlink.artifacts.limits import DEFAULT_LIMITS, Limits, Meter
from starlink.artifacts.member import Member

MEMORY_BYTES = 512 * 1024**2

_DOCUMENT_BYTES = 1024**2  # of one JSON document of an image layout
_LAYOUT_BYTES = 32 * 1024**2  # of all of them


def examine(file: IO[bytes], digest: str, name: str, limits: Limits = DEFAULT_LIMITS) -> ArtifactFinding:
    """What is inside the open archive, whose SHA-256 is `digest` and which errors call `name`. Raises
    ArtifactError: ArtifactCorrupt, ArtifactUnsafePath, ArtifactTooLarge; OSError when it can't be read."""
    found = _Contents()
    with reading(name):
        for member in members(file, Meter(file, name, limits)):
            if member.kind == "file":
                found.see(member)
    architectures, source = found.judge()
    return ArtifactFinding(digest=digest, architectures=architectures, source=source)


class _Contents:
    """What was seen of an archive: its ELF files, and the documents of an image layout."""

    def __init__(self) -> None:
        self._binaries: list[elf.Binary] = []
        self._documents: dict[str, bytes] = {}
        self._room = _LAYOUT_BYTES

    def see(self, member: Member) -> None:
        if self._document(member):
            self._documents[member.path] = _first(member, member.size)
            self._room -= member.size
        elif header := elf.parse(_first(member, elf.HEAD_BYTES)):
            self._binaries.append(elf.Binary(member.path, header, member.runnable))

    def _document(self, member: Member) -> bool:
        named = member.path in ("oci-layout", "index.json") or member.path.startswith("blobs/sha256/")
        return named and member.size <= min(_DOCUMENT_BYTES, self._room)

    def judge(self) -> tuple[tuple[Architecture, ...], str]:
        if not {"oci-layout", "index.json"} <= self._documents.keys():
            return elf.judge(self._binaries)
        blobs = {path.removeprefix("blobs/").replace("/", ":"): blob for path, blob in self._documents.items()}
        return image_index.judge(self._documents["index.json"], blobs)


def _first(member: Member, count: int) -> bytes:
    """So many bytes of a member, fewer when it has fewer."""
    data = b""
    while len(data) < count and (more := member.read(count - len(data))):
        data += more
    return data


def answer(request: Request) -> Answer:
    """Fetches into a file without a name, which no crash leaves behind, and looks."""
    name = shown(request.url)
    try:
        with tempfile.TemporaryFile() as file:
            download(request.url, request.sha256, file, Guard(request.allow_local), request.max_bytes)
            return Answer(finding=examine(file, request.sha256, name))
    except ArtifactError as error:
        return Answer(failure=f"{error.reason}: {error}")
    except MemoryError:
        return Answer(failure=f"ArtifactTooLarge: {name} can't be read with the memory there is")
    except OSError as error:
        return Answer(failure=f"ArtifactUnreachable: {name} can't be kept while it is read: {error}")


def main() -> None:
    request = msgspec.json.decode(sys.stdin.buffer.read(), type=Request)
    for number in (signal.SIGALRM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    signal.alarm(request.seconds)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.stdout.buffer.write(msgspec.json.encode(answer(request)))


if __name__ == "__main__":
    main()
