"""Files that one process at a time may hold. A lock goes with the descriptor, however its process ends."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path


def take(path: Path) -> int:
    """Locks the file, which is made if need be, until the descriptor given is closed. Raises BlockingIOError when
    another holds it, OSError."""
    return _locked(path, wait=False)


@contextlib.contextmanager
def held(path: Path) -> Iterator[None]:
    """The same for the length of the block, and waits for who holds it. Raises OSError."""
    descriptor = _locked(path, wait=True)
    try:
        yield
    finally:
        os.close(descriptor)


def lock(descriptor: int, *, wait: bool) -> None:
    """Locks an open file until it is closed. Raises BlockingIOError when another holds it and nobody is to wait."""
    fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)


def _locked(path: Path, *, wait: bool) -> int:
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        lock(descriptor, wait=wait)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
