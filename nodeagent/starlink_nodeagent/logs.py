"""Logs of instances: written by the process itself, rotated by the agent.

The process appends to `current.log`, so its output needs no agent. A file that has grown is copied and then
cut, for the process keeps it open.
"""

import os
from pathlib import Path

CURRENT = "current.log"
_BLOCK = 1024 * 1024


def rotate(folder: Path, max_size: int, max_files: int) -> bool:
    """Rotates when `current.log` has more than `max_size` bytes; `max_files` are kept, it included."""
    current = folder / CURRENT
    try:
        if current.stat().st_size <= max_size:
            return False
    except FileNotFoundError:
        return False
    for number in range(max_files - 1, 0, -1):
        older = folder / f"{number}.log"
        if number == max_files - 1:
            older.unlink(missing_ok=True)
        elif older.exists():
            older.rename(folder / f"{number + 1}.log")
    if max_files > 1:
        _copy(current, folder / "1.log")
    os.truncate(current, 0)
    return True


def _copy(source: Path, target: Path) -> None:
    """Copies until nothing is left to copy, so that little is lost between the copy and the cut."""
    descriptor = os.open(target, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with source.open("rb") as read, os.fdopen(descriptor, "wb") as written:
        while block := read.read(_BLOCK):
            written.write(block)
