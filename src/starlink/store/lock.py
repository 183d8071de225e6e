"""Files that one process at a time may hold."""

import fcntl
import os
from pathlib import Path


def take(path: Path) -> int:
    """Locks the file until the descriptor given is closed. Raises BlockingIOError when another holds it."""
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise
    return descriptor
