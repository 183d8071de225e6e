"""The artifact directory: files that administrators lay out for `file:` URLs, and all below it but nothing else."""

import errno
import os
import stat
from pathlib import Path
from typing import IO

from starlink.artifacts.errors import ArtifactError, quoted

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_NO_FILE = (
    errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENXIO, errno.ENAMETOOLONG, errno.EINVAL,
)  # fmt: skip
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def open_below(root: Path, name: str) -> IO[bytes]:
    """The regular file of this name, without waiting for it.

    Links that stay below the root are followed. They are resolved first, and then the way is walked by descriptors that
    follow none: whoever puts a link there in between gets an error. Raises ArtifactError: ArtifactUnsafePath for a name
    that leaves the root, ArtifactNotFound; OSError when the disk is at fault.
    """
    if "\0" in name:
        raise _missing(name, "no file has a NUL in its name")
    real = Path(os.path.realpath(root))
    path = Path(os.path.realpath(real / name.lstrip("/")))
    if real not in path.parents:
        raise ArtifactError(
            "ArtifactUnsafePath", f"{quoted('file:' + name)} leaves the artifact directory; name a file below it"
        )
    try:
        return _regular(_walk(real, path.relative_to(real).parts), name)
    except OSError as error:
        if error.errno in _NO_FILE:
            raise _missing(name, error.strerror) from None
        raise


def _walk(root: Path, parts: tuple[str, ...]) -> int:
    place = os.open(root, _FOLDER)
    for number, part in enumerate(parts, 1):
        flags = _FILE if number == len(parts) else _FOLDER | os.O_NOFOLLOW
        try:
            child = os.open(part, flags, dir_fd=place)
        finally:
            os.close(place)
        place = child
    return place


def _regular(descriptor: int, name: str) -> IO[bytes]:
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _missing(name, "it is no regular file")
    return os.fdopen(descriptor, "rb")


def _missing(name: str, why: str | None) -> ArtifactError:
    return ArtifactError(
        "ArtifactNotFound", f"{quoted('file:' + name)} can't be read below the agent's --artifact-dir: {why}"
    )
