"""Regular files where a stranger may have put something else."""

import contextlib
import os
import stat
from pathlib import Path


def read_head(path: Path, most: int) -> bytes | None:
    """The first `most` bytes of a regular file; None where there is none. Opens as `read_part` does."""
    return read_part(path, 0, most)


def read_part(path: Path, start: int, most: int) -> bytes | None:
    """At most so many bytes of a regular file from `start` on; None where there is none.

    Never waits and follows no link: a FIFO, a device, a socket and a link count as no file.
    """
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        try:
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                return os.pread(descriptor, most, start)
        finally:
            os.close(descriptor)
    return None
