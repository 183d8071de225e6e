"""Archives: the members of a zip or tar, one at a time, whoever asks for them.

What looks inside and what unpacks read through here, so that a bound on what a stranger sends holds for both.
"""

import contextlib
import errno
import lzma
import struct
import tarfile
import zlib
from collections.abc import Iterator
from typing import IO

from starlink.artifacts import tapes, zips
from starlink.artifacts.errors import ArtifactError, brief
from starlink.artifacts.limits import Meter
from starlink.artifacts.member import Member
from starlink.artifacts.streams import decompressed

_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_UNREADABLE = (tarfile.TarError, zlib.error, lzma.LZMAError, struct.error, EOFError, ValueError, OverflowError)
_BY_NAMES = frozenset((
    None,  # bz2 raises OSError without a number
    errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ELOOP, errno.EINVAL, errno.EILSEQ,
    errno.EMLINK,
))  # fmt: skip
"""What file systems say of a name that they do not take, or of one too many for a file; all else is trouble of this
machine."""


def members(file: IO[bytes], meter: Meter) -> Iterator[Member]:
    """The members of the archive, in its order; `meter` counts each, and every byte.

    An archive is what its first bytes say, or else a zip when its last bytes say so: anything may stand before a zip,
    and anything may be the last member of a tar. Raises ArtifactError, and inside `reading` nothing else of a bad
    archive.
    """
    file.seek(0)
    head = file.read(tapes.BLOCK)
    stream = file if head[257:262] == b"ustar" else decompressed(file)
    if stream is file and head[257:262] != b"ustar" and (head.startswith(_ZIP) or zips.ends_as_zip(file)):
        return zips.members(file, meter)
    file.seek(0)
    return tapes.members(stream, meter)


@contextlib.contextmanager
def reading(name: str) -> Iterator[None]:
    """Turns what reading and unpacking raise of a bad archive into ArtifactError; an OSError of this machine, such as
    a full disk, passes."""
    try:
        yield
    except _UNREADABLE as error:
        raise _unreadable(name, error) from None
    except OSError as error:
        if error.errno in _BY_NAMES:
            raise _unreadable(name, error.strerror or error) from None
        raise
    except MemoryError:
        raise ArtifactError("ArtifactTooLarge", f"{name} can't be read with the memory there is") from None


def _unreadable(name: str, why: object) -> ArtifactError:
    return ArtifactError("ArtifactCorrupt", f"{name} is not a readable zip or tar archive: {brief(why)}")
