"""The artifact cache: archives by their digest, each checked whenever it is used; a file's time is its last use's.

A file of the cache may have been cut by a power cut, exchanged, or rot on its disk. So nothing is believed but the
digest of the very descriptor that is unpacked from: between the check and the use no name is looked up.
"""

import contextlib
import errno
import hashlib
import os
import re
import stat
import tempfile
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from starlink.artifacts.eviction import Entry
from starlink.files import durable, lock, tree

_DIGEST = re.compile("[0-9a-f]{64}")
_PARTIAL = ".fetch-"
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_SHORT_OF = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
_beginning = threading.Lock()


def find(folder: Path, sha256: str) -> IO[bytes] | None:
    """The open archive with this digest, at its start; None when there is none.

    What lies there and is not it is removed: what has another digest, can't be read, is not the caller's own, or is
    no regular file. Raises OSError when it can't be removed, or the process may open no more files.
    """
    path = folder / sha256
    try:
        file = os.fdopen(os.open(path, _OPEN), "rb")
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno in _SHORT_OF:
            raise
    else:
        if _is_sound(file, sha256):
            with contextlib.suppress(OSError):
                os.utime(file.fileno())
            return file
        file.close()
    tree.remove(path)
    return None


def _is_sound(file: IO[bytes], sha256: str) -> bool:
    about = os.fstat(file.fileno())
    if not stat.S_ISREG(about.st_mode) or about.st_uid != os.geteuid():
        return False
    try:
        digest = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
        file.seek(0)
    except OSError:
        return False
    return digest == sha256


@contextlib.contextmanager
def adding(folder: Path, sha256: str) -> Iterator[IO[bytes]]:
    """A file to write an archive to; at the end of the block it is in the cache, there to stay, and still open.

    When the block raises, nothing is left of it. Raises OSError.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _beginning:
        _sweep(folder)
        descriptor, name = tempfile.mkstemp(dir=folder, prefix=_PARTIAL)
        lock.lock(descriptor, wait=True)
    file = os.fdopen(descriptor, "w+b")
    try:
        yield file
        file.flush()
        os.fsync(descriptor)
        durable.move(Path(name), folder / sha256)
        file.seek(0)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            file.close()
        raise


def entries(folder: Path) -> list[Entry]:
    """What lies in the cache by the name of a digest, whatever it is. Raises OSError."""
    found = []
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as there:
        for one in there:
            with contextlib.suppress(FileNotFoundError):
                if _DIGEST.fullmatch(one.name):
                    about = one.stat(follow_symlinks=False)
                    found.append(Entry(one.name, about.st_size, about.st_mtime))
    return found


def remove(folder: Path, leaving: Iterable[Entry]) -> None:
    """Removes entries, unless they have been used since they were looked at. Raises OSError."""
    for entry in leaving:
        with contextlib.suppress(FileNotFoundError):
            if (folder / entry.name).lstat().st_mtime == entry.used:
                tree.remove(folder / entry.name)


def note_use(folder: Path, names: Iterable[str]) -> None:
    """Says of entries that they are used now. Raises OSError."""
    for name in names:
        with contextlib.suppress(FileNotFoundError):
            os.utime(folder / name, follow_symlinks=False)


def sweep(folder: Path) -> None:
    """Removes what fetches left behind that ended with their process. Never raises."""
    with _beginning:
        _sweep(folder)


def _sweep(folder: Path) -> None:
    """The lock of those that begin is held: nobody has left behind what somebody has locked."""
    for path in folder.glob(f"{_PARTIAL}*"):
        with contextlib.suppress(OSError), path.open("rb") as file:
            lock.lock(file.fileno(), wait=False)
            path.unlink()
