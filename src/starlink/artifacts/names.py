"""The names of members: paths below the directory that is unpacked into. Pure."""

import os

from starlink.artifacts.errors import ArtifactError, quoted

MAX_DEPTH = 128
MAX_PATH_BYTES = 3072
"""Linux takes paths of up to 4,095 bytes in one call, and some of them are needed for the directory itself."""
MAX_PART_BYTES = 255
"""NAME_MAX of Linux's file systems."""


def parts_of(member: str, name: str) -> tuple[str, ...]:
    """The steps from the target to a member, none for the target itself. `name` is what errors call the archive.

    Raises ArtifactError: ArtifactUnsafePath for a path that would leave the target, ArtifactCorrupt for one that no
    file system of Linux takes, or that nobody could use.
    """
    parts = tuple(part for part in member.split("/") if part not in ("", "."))
    if member.startswith("/") or ".." in parts or "\\" in member or "\0" in member:
        raise ArtifactError(
            "ArtifactUnsafePath", f"{name} holds the path {quoted(member)}, which leaves the directory; pack it anew"
        )
    if why := _excess(parts):
        raise ArtifactError("ArtifactCorrupt", f"{name} holds the path {quoted(member)}, {why}")
    return parts


def _excess(parts: tuple[str, ...]) -> str:
    if len(parts) > MAX_DEPTH:
        return f"which has {len(parts)} levels; {MAX_DEPTH} are the most"
    sizes = [len(os.fsencode(part)) for part in parts]
    if max(sizes, default=0) > MAX_PART_BYTES:
        return f"of which one name has {max(sizes)} bytes; {MAX_PART_BYTES} are the most"
    if (size := sum(sizes) + len(sizes)) > MAX_PATH_BYTES:
        return f"which has {size} bytes; {MAX_PATH_BYTES} are the most"
    return ""
