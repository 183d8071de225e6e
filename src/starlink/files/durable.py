"""Files that are there whole after a power cut, or not at all."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


def replace(path: Path, content: bytes) -> None:
    """Writes a file of mode 0600; the one that was there is replaced when the new one is whole. Raises OSError."""
    with _partial(path, content) as partial:
        partial.replace(path)


def create(path: Path, content: bytes) -> None:
    """The same, but raises FileExistsError when the file is there."""
    with _partial(path, content) as partial:
        path.hardlink_to(partial)


@contextlib.contextmanager
def _partial(path: Path, content: bytes) -> Iterator[Path]:
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        yield partial
    finally:
        partial.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Makes what was made, renamed or removed in a folder last. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
