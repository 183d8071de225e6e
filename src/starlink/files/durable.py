"""Files that are there whole after a power cut, or not at all.

A file is written under a name of its own, its bytes are synced, and then it is renamed: a rename is whole or not at
all. The folder is synced last, for without that the rename itself may be lost.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO


def replace(path: Path, content: bytes) -> None:
    """Writes a file of mode 0600; the one that was there is replaced when the new one is whole. Raises OSError."""
    with replacing(path) as file:
        file.write(content)


def create(path: Path, content: bytes) -> None:
    """The same, but raises FileExistsError when the file is there."""
    with _partial(path) as file:
        file.write(content)
        _sync(file)
        path.hardlink_to(file.name)
    sync_folder(path.parent)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A new file of mode 0600 to write to, which `name` says where to read. At the end of the block it takes the place
    of the one at `path`; when the block raises, nothing is left of it. Raises OSError."""
    with _partial(path) as file:
        yield file
        _sync(file)
        Path(file.name).replace(path)
    sync_folder(path.parent)


def move(source: Path, target: Path) -> None:
    """Renames a file or a folder, what was there is replaced, and the name is there to stay. Raises OSError."""
    source.rename(target)
    sync_folder(target.parent)


def sync_folder(folder: Path) -> None:
    """Makes what was made, renamed or removed in a folder last. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _partial(path: Path) -> Iterator[IO[bytes]]:
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.unlink(missing_ok=True)
    try:
        with open(partial, "xb", opener=_private) as file:
            yield file
    finally:
        partial.unlink(missing_ok=True)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


def _sync(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())
