"""Regular files where a stranger may have put something else."""

import contextlib
import errno
import os
import stat
from pathlib import Path

MOST = 8 * 1024 * 1024
"""More than any note or kubeconfig has."""
_SAFE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def read_whole(path: Path) -> bytes:
    """All of a regular file. Never waits and follows no link. Raises OSError, of what is no regular file and of one
    that has more than MOST bytes too."""
    try:
        descriptor = os.open(path, _SAFE)
    except ValueError:  # a NUL
        raise _unusable(errno.EINVAL, "this is no name of a file", path) from None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise _unusable(errno.ELOOP, "it is a link", path) from None
        raise
    try:
        about = os.fstat(descriptor)
        if stat.S_ISDIR(about.st_mode):
            raise _unusable(errno.EISDIR, os.strerror(errno.EISDIR), path)
        if not stat.S_ISREG(about.st_mode):
            raise _unusable(errno.EINVAL, "it is no regular file", path)
        if about.st_size > MOST:
            raise _unusable(errno.EFBIG, f"it has more than {MOST // 1024**2} MiB", path)
        return os.pread(descriptor, about.st_size, 0)
    finally:
        os.close(descriptor)


def read_head(path: Path, most: int) -> bytes | None:
    """The first `most` bytes of a regular file; None where there is none. Opens as `read_part` does."""
    return read_part(path, 0, most)


def read_part(path: Path, start: int, most: int) -> bytes | None:
    """At most so many bytes of a regular file from `start` on; None where there is none.

    Never waits and follows no link: a FIFO, a device, a socket and a link count as no file.
    """
    with contextlib.suppress(OSError):
        descriptor = os.open(path, _SAFE)
        try:
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                return os.pread(descriptor, most, start)
        finally:
            os.close(descriptor)
    return None


def _unusable(code: int, why: str, path: Path) -> OSError:
    return OSError(code, why, str(path))
