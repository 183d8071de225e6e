"""Ranges of users' numbers that agents of this machine have: no two agents give the same number to different Tasks.

Each agent locks its range as so many bytes of one file, so that ranges that overlap exclude each other. The kernel lets
go of the lock when the agent ends. https://man7.org/linux/man-pages/man2/fcntl.2.html
"""

import fcntl
import functools
import logging
import os
from pathlib import Path

from starlink_nodeagent.uids import Range

log = logging.getLogger(__name__)

FILE = Path("/run/starlink-task-uids.lock")


def take(numbers: Range) -> bool:
    """Whether the range is this process's from now on; False when another agent has some of it. Where there is no such
    file to be had, nothing is locked."""
    try:
        descriptor = _opened()
    except OSError as error:
        log.warning("other agents of this machine can't be told which users' numbers this one has: %s", error)
        return True
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, numbers.last - numbers.first + 1, numbers.first)
    except (BlockingIOError, PermissionError):
        return False
    return True


@functools.cache
def _opened() -> int:
    """Opened once and never closed: the locks of a process go with the first descriptor of the file that it closes."""
    return os.open(FILE, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
