"""A directory that a stranger's files are put into: nothing is made outside of it.

Every step to a member is a descriptor, from the root's own on, and follows no link. Links are made last, so that while
the other members are made there is none to follow, and a path that goes through one is no path.
"""

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from starlink.artifacts import links
from starlink.artifacts.errors import ArtifactError, quoted
from starlink.artifacts.limits import Meter

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_MAX_TARGET_BYTES = 1024
_LINK_BYTES = 256  # what a link takes beside its path and target

Parts = tuple[str, ...]


class Folder:
    """`meter` counts the directories that only paths of members name, and the links.

    Of several files and links of one path the last counts. A path that is a directory, or has something below it, can
    be nothing else. Methods raise ArtifactError: ArtifactUnsafePath, ArtifactTooLarge; OSError.
    """

    def __init__(self, root: int, meter: Meter) -> None:
        self._root, self._meter = root, meter
        self._links: dict[str, str] = {}
        self._at: Parts = ()
        self._here = os.dup(root)

    def close(self) -> None:
        os.close(self._here)

    def directory(self, parts: Parts) -> None:
        """Makes a directory, and those that it lies in."""
        if parts:
            parent = self._enter(parts[:-1])
            try:
                os.mkdir(parts[-1], 0o755, dir_fd=parent)
            except FileExistsError:
                os.close(self._step(parent, parts[-1], parts))

    def file(self, parts: Parts, runnable: bool) -> int:
        """A descriptor of a new, empty file."""
        self._clear(parts)
        return os.open(parts[-1], _NEW, 0o755 if runnable else 0o644, dir_fd=self._here)

    def link(self, parts: Parts, target: str) -> None:
        """Notes a link, which `finish` makes."""
        self._clear(parts)
        path = "/".join(parts)
        if target.startswith("/"):
            raise self._leaves(path, target, "which leaves the directory")
        size = len(os.fsencode(target))
        if not target or "\0" in target or size > _MAX_TARGET_BYTES:
            raise self._leaves(path, target, f"which is no path of 1 to {_MAX_TARGET_BYTES} bytes")
        self._meter.hold(len(path) + size + _LINK_BYTES)
        self._links[path] = target

    def hard_link(self, parts: Parts, target: Parts) -> None:
        """One more name of a file, or one more link like another, that was put before. Both ends are entered as those
        of files are, and what lies there by now is what was put there."""
        path, of = "/".join(parts), "/".join(target)
        if of in self._links:
            self.link(parts, self._links[of])
            return
        if not target or not self._is_file(target):
            raise self._leaves(path, of, "which is no file that comes before it")
        if parts == target:
            return
        with _closing(os.dup(self._enter(target[:-1]))) as source:
            self._clear(parts)
            os.link(target[-1], parts[-1], src_dir_fd=source, dst_dir_fd=self._here, follow_symlinks=False)

    def finish(self) -> None:
        """Makes the links, once none of them leads out with all the others in place."""
        path, why = links.refusal(self._links)
        if why:
            raise self._leaves(path, self._links[path], why)
        for path, target in self._links.items():
            *parents, last = path.split("/")
            try:
                os.symlink(target, last, dir_fd=self._enter(tuple(parents)))
            except FileExistsError:
                raise self._conflict(path) from None

    def _clear(self, parts: Parts) -> None:
        """Enters the directory of a file or link, and takes away an earlier one of its path."""
        if not parts:
            raise ArtifactError("ArtifactUnsafePath", f"{self._meter.name} holds a file or link without a name")
        parent = self._enter(parts[:-1])
        self._links.pop("/".join(parts), None)
        try:
            os.unlink(parts[-1], dir_fd=parent)
        except FileNotFoundError:
            pass
        except IsADirectoryError:
            raise self._conflict("/".join(parts)) from None

    def _is_file(self, parts: Parts) -> bool:
        try:
            about = os.stat(parts[-1], dir_fd=self._enter(parts[:-1]), follow_symlinks=False)
        except FileNotFoundError:
            return False
        return stat.S_ISREG(about.st_mode)

    def _enter(self, parts: Parts) -> int:
        """A descriptor of the directory, made where it is missing; good until the next call."""
        if parts != self._at:
            place = os.dup(self._root)
            for number, part in enumerate(parts):
                with _closing(place):
                    place = self._step(place, part, parts[: number + 1])
            os.close(self._here)
            self._here, self._at = place, parts
        return self._here

    def _step(self, parent: int, part: str, parts: Parts) -> int:
        try:
            return os.open(part, _DIRECTORY, dir_fd=parent)
        except FileNotFoundError:
            self._meter.file()
            os.mkdir(part, 0o755, dir_fd=parent)
            return os.open(part, _DIRECTORY, dir_fd=parent)
        except NotADirectoryError:
            raise self._conflict("/".join(parts)) from None

    def _conflict(self, path: str) -> ArtifactError:
        return ArtifactError(
            "ArtifactUnsafePath",
            f"{self._meter.name} holds {quoted(path)} as a directory and as a file or link too; pack it anew",
        )

    def _leaves(self, path: str, target: str, why: str) -> ArtifactError:
        return ArtifactError(
            "ArtifactUnsafePath", f"{self._meter.name} holds the link {quoted(path)} to {quoted(target)}, {why}"
        )


@contextlib.contextmanager
def opened(path: Path, meter: Meter) -> Iterator[Folder]:
    """The folder at `path`, a directory of the caller's own."""
    with _closing(os.open(path, _DIRECTORY)) as root:
        folder = Folder(root, meter)
        try:
            yield folder
        finally:
            folder.close()


@contextlib.contextmanager
def _closing(descriptor: int) -> Iterator[int]:
    try:
        yield descriptor
    finally:
        os.close(descriptor)
