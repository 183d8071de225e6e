"""Unpacking zip and tar: nothing leaves the directory, and no bomb goes off. Blocking; call it in a thread."""

import contextlib
import os
from pathlib import Path
from typing import IO

from starlink.artifacts import folder
from starlink.artifacts.archive import members, reading
from starlink.artifacts.errors import ArtifactError, quoted
from starlink.artifacts.limits import DEFAULT_LIMITS, Limits, Meter
from starlink.artifacts.member import Member
from starlink.artifacts.names import parts_of
from starlink.files import tree

_PIECE = 64 * 1024


def unpack(archive: IO[bytes], target: Path, name: str, limits: Limits = DEFAULT_LIMITS) -> None:
    """Unpacks into the new directory `target`, whole or not at all. `name` is what errors call the archive.

    Files are 0644, or 0755 where the archive says that they can be run. Raises ArtifactError: ArtifactCorrupt,
    ArtifactUnsafePath, ArtifactTooLarge; OSError when the disk, and not the archive, is at fault.
    """
    partial = target.with_name(f".{target.name}.partial")
    tree.remove(partial)
    partial.mkdir(mode=0o700, parents=True)
    try:
        with reading(name):
            _unpack(archive, partial, Meter(archive, name, limits))
        partial.rename(target)
    finally:
        with contextlib.suppress(OSError):
            tree.remove(partial)


def _unpack(archive: IO[bytes], into: Path, meter: Meter) -> None:
    with folder.opened(into, meter) as place:
        for member in members(archive, meter):
            _put(member, place, meter.name)
        place.finish()


def _put(member: Member, place: folder.Folder, name: str) -> None:
    if member.kind == "directory":
        place.directory(member.parts)
    elif member.kind == "file":
        with os.fdopen(place.file(member.parts, member.runnable), "wb") as file:
            while block := member.read(_PIECE):
                file.write(block)
    elif member.kind == "link" and member.target:
        place.link(member.parts, member.target)
    elif member.kind == "hard link":
        place.hard_link(member.parts, parts_of(member.target, name))
    else:
        raise ArtifactError(
            "ArtifactUnsafePath",
            f"{name} holds {quoted(member.path)}, which is neither a file, a directory nor a link of a tar",
        )
