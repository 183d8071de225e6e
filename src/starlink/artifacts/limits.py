"""The most that an archive may hold, and the meter that stops one with more."""

from dataclasses import dataclass
from typing import IO

from starlink.artifacts.errors import ArtifactError

_RATIO_FREE = 64 * 1024**2


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that an archive may unpack to.

    `files` counts members, and the directories that only the paths of members name. `ratio` is unpacked to packed,
    beyond the first 64 MiB. `held_bytes` bounds what must stay in memory until the last member was read: the links.
    """

    files: int = 100_000
    total_bytes: int = 16 * 1024**3
    ratio: int = 1_000
    held_bytes: int = 32 * 1024**2


DEFAULT_LIMITS = Limits()


class Meter:
    """Counts what comes out of the archive that errors call `name`. Every method raises ArtifactError,
    ArtifactTooLarge, when a limit is exceeded."""

    def __init__(self, file: IO[bytes], name: str, limits: Limits) -> None:
        self.name = name
        self.packed = file.seek(0, 2)
        self._limits = limits
        self._files = self._bytes = self._held = 0

    def file(self) -> None:
        self._files += 1
        if self._files > self._limits.files:
            raise self.exceeded(f"holds more than {self._limits.files} files")

    def add(self, count: int) -> None:
        self._bytes += count
        if self._bytes > self._limits.total_bytes:
            raise self.exceeded(f"unpacks to more than {self._limits.total_bytes} bytes")
        if self._bytes > _RATIO_FREE and self._bytes > self._limits.ratio * max(self.packed, 1):
            raise self.exceeded(f"unpacks to more than {self._limits.ratio} times its size")

    def hold(self, count: int) -> None:
        self._held += count
        if self._held > self._limits.held_bytes:
            raise self.exceeded(f"holds links that take more than {self._limits.held_bytes} bytes of memory")

    def exceeded(self, what: str) -> ArtifactError:
        return ArtifactError("ArtifactTooLarge", f"{self.name} {what}")
