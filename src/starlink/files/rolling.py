"""A log that other processes append to, kept within bounds while they hold it open."""

import contextlib
import os
from pathlib import Path

_BLOCK = 1024 * 1024


def older(path: Path) -> Path:
    """Where the log's older part lies."""
    return path.with_name(f"{path.name}.1")


def cut(path: Path, most: int) -> bool:
    """When the log has more than `most` bytes, moves the last `most` of them to `older(path)`, and empties it; whether
    it did. Those who write to it must append. Where there is no room for the older part, it is left out: the log is
    emptied all the same. What is written in between, microseconds, is lost. Raises OSError when it can't be emptied."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        size = os.fstat(descriptor).st_size
        if size <= most:
            return False
        _keep(descriptor, size - most, size + _BLOCK, older(path))
        os.ftruncate(descriptor, 0)
        return True
    finally:
        os.close(descriptor)


def _keep(source: int, start: int, end: int, target: Path) -> None:
    """Copies until nothing is left, but no further than `end`: a process may write as fast."""
    partial = target.with_name(f".{target.name}")
    try:
        with open(partial, "wb", opener=_private) as file:
            while block := os.pread(source, min(_BLOCK, end - start), start):
                file.write(block)
                start += len(block)
        partial.replace(target)
    except OSError:
        for path in (partial, target):
            with contextlib.suppress(OSError):
                path.unlink()


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)
