"""Unpacking zip and tar: nothing leaves the directory, and no bomb goes off. Blocking; call it in a thread."""

import lzma
import os
import shutil
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from starlink.artifacts.errors import ArtifactError

_BLOCK = 1024 * 1024
UNREADABLE = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, struct.error,
    EOFError, RuntimeError, ValueError, LookupError, OverflowError,
)  # fmt: skip
"""What the standard library raises of an archive that is not one."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that an archive may unpack to."""

    files: int = 100_000
    total_bytes: int = 16 * 1024**3
    ratio: int = 1_000  # unpacked to packed, beyond the first 64 MiB


DEFAULT_LIMITS = Limits()
_RATIO_FREE = 64 * 1024**2


def unpack(archive: Path, target: Path, name: str, limits: Limits = DEFAULT_LIMITS) -> None:
    """Unpacks into the new directory `target`, whole or not at all. `name` is what errors call the archive.

    Raises ArtifactError: ArtifactCorrupt, ArtifactUnsafePath, ArtifactTooLarge.
    """
    partial = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        meter = Meter(name, archive.stat().st_size, limits)
        if zipfile.is_zipfile(archive):
            _unzip(archive, partial, name, meter)
        else:
            _untar(archive, partial, name, meter)
        partial.rename(target)
    except UNREADABLE as error:
        raise ArtifactError("ArtifactCorrupt", f"{name} is not a readable zip or tar archive: {error}") from None
    except OSError as error:
        raise ArtifactError("ArtifactCorrupt", f"{name} can't be unpacked: {error}") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)


class Meter:
    """Counts what is unpacked, and stops a bomb."""

    def __init__(self, name: str, packed: int, limits: Limits) -> None:
        self._name, self._packed, self._limits = name, max(packed, 1), limits
        self._files = self._bytes = 0

    def file(self) -> None:
        self._files += 1
        if self._files > self._limits.files:
            raise ArtifactError("ArtifactTooLarge", f"{self._name} holds more than {self._limits.files} files")

    def add(self, count: int) -> None:
        self._bytes += count
        if self._bytes > self._limits.total_bytes:
            raise ArtifactError(
                "ArtifactTooLarge", f"{self._name} unpacks to more than {self._limits.total_bytes} bytes"
            )
        if self._bytes > _RATIO_FREE and self._bytes > self._limits.ratio * self._packed:
            raise ArtifactError(
                "ArtifactTooLarge", f"{self._name} unpacks to more than {self._limits.ratio} times its size"
            )


def safe_path(name: str, member: str) -> PurePosixPath:
    """A member's path below the target. Raises ArtifactError when it would leave it."""
    path = PurePosixPath(member)
    if path.is_absolute() or ".." in path.parts or "\\" in member or "\0" in member:
        raise ArtifactError(
            "ArtifactUnsafePath", f"{name} holds the path {member!r}, which leaves the directory; pack it anew"
        )
    return path


def _unzip(archive: Path, target: Path, name: str, meter: Meter) -> None:
    with zipfile.ZipFile(archive) as opened:
        for info in opened.infolist():
            meter.file()
            path = target / safe_path(name, info.filename)
            mode = info.external_attr >> 16
            if mode & 0o170000 == 0o120000:
                raise ArtifactError(
                    "ArtifactUnsafePath", f"{name} holds the link {info.filename!r}; zip links are not unpacked"
                )
            if info.is_dir():
                path.mkdir(parents=True, exist_ok=True)
                continue
            with opened.open(info) as source:
                _write(source, path, target, name, 0o755 if mode & 0o111 else 0o644, meter)


def _untar(archive: Path, target: Path, name: str, meter: Meter) -> None:
    with tarfile.open(archive) as opened:
        for member in _members(opened):
            meter.file()
            path = target / safe_path(name, member.name)
            if member.isdir():
                path.mkdir(parents=True, exist_ok=True)
            elif member.isreg():
                source = opened.extractfile(member)
                assert source is not None
                with source:
                    _write(source, path, target, name, 0o755 if member.mode & 0o111 else 0o644, meter)
            elif member.issym():
                _link(path, target, member, name)
            else:
                raise ArtifactError(
                    "ArtifactUnsafePath",
                    f"{name} holds {member.name!r}, which is neither file, directory nor symbolic link",
                )


def _members(opened: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    while (member := opened.next()) is not None:
        yield member


def _link(path: Path, target: Path, member: tarfile.TarInfo, name: str) -> None:
    aim = os.path.normpath(os.path.join(os.path.dirname(member.name), member.linkname))
    if os.path.isabs(member.linkname) or aim == ".." or aim.startswith("../"):
        raise ArtifactError(
            "ArtifactUnsafePath",
            f"{name} holds the link {member.name!r} to {member.linkname!r}, which leaves the directory",
        )
    _inside(path.parent, target, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(member.linkname)


def _write(source: IO[bytes], path: Path, root: Path, name: str, mode: int, meter: Meter) -> None:
    _inside(path.parent, root, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as file:
        while block := source.read(_BLOCK):
            meter.add(len(block))
            file.write(block)


def _inside(path: Path, target: Path, name: str) -> None:
    if not path.resolve().is_relative_to(target.resolve()):
        raise ArtifactError("ArtifactUnsafePath", f"{name} holds {path.name!r} behind a link that leaves the directory")
