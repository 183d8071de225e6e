"""What a Task's user leaves behind without a process: System V memory, semaphores and queues, POSIX ones, and keys.

The kernel keeps them by the user's number, so the next Task of the number would find them. They are removed once
nothing runs as the user. What has a place in a file system goes by descriptors. What has an id only is removed by a
child with the rights of that user, for an id can be another's by then. https://man7.org/linux/man-pages/man7/sysvipc.7.html,
https://man7.org/linux/man-pages/man7/user-keyring.7.html
"""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

from starlink.files import tree

FOLDERS = (Path("/dev/shm"), Path("/dev/mqueue"))  # noqa: S108 - looked into, not written to
_SYSV = Path("/proc/sysvipc")
_KEY_USERS = Path("/proc/key-users")
_KEYRINGS = 2
"""That a user has at least, once it was asked for one, and that stay: its own and that of its sessions."""
_REMOVER = """
import ctypes, os, sys
uid = int(sys.argv[1])
os.setgroups([])
os.setresgid(uid, uid, uid)
os.setresuid(uid, uid, uid)
libc = ctypes.CDLL(None)
for kind, remove in (("shm", libc.shmctl), ("msg", libc.msgctl), ("sem", lambda i, c, p: libc.semctl(i, 0, c))):
    try:
        with open("/proc/sysvipc/" + kind) as table:
            rows = [line.split() for line in table]
    except OSError:
        continue
    owners = [at for at, name in enumerate(rows[0]) if name in ("uid", "cuid")]
    for row in rows[1:]:
        if str(uid) in [row[at] for at in owners]:
            remove(int(row[1]), 0, None)
keyctl = 250 if os.uname().machine == "x86_64" else 219
keyrings = [-4, -5]
with open("/proc/keys") as keys:
    if any(f"_persistent.{uid}" in line for line in keys):  # to ask for it makes it
        keyrings.append(libc.syscall(keyctl, 22, -1, -2))
for keyring in keyrings:
    libc.syscall(keyctl, 7, keyring)
"""


def remove(uid: int) -> None:
    """Removes all of it. Nothing runs as the user, and nothing will meanwhile. Blocks. Raises OSError."""
    for folder in FOLDERS:
        _remove_files(folder, uid)
    if _has_ids(uid):
        subprocess.run(
            [sys.executable, "-I", "-S", "-c", _REMOVER, str(uid)],
            cwd="/",
            env={},
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


def _remove_files(folder: Path, uid: int) -> None:
    """The user's own in a folder in which everybody may make files, and nobody may rename those of others."""
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):
                if entry.stat(follow_symlinks=False).st_uid == uid:
                    tree.remove(folder / entry.name)


def _has_ids(uid: int) -> bool:
    return _has_keys(uid) or any(_owns_one(_SYSV / kind, uid) for kind in ("shm", "msg", "sem"))


def _owns_one(table: Path, uid: int) -> bool:
    """Whether the user owns, or made, one of the objects of a table whose first line names its columns."""
    rows = [line.split() for line in _text(table).splitlines()]
    owners = [at for at, name in enumerate(rows[0]) if name in ("uid", "cuid")] if rows else []
    return any(row[at] == str(uid) for row in rows[1:] for at in owners)


def _has_keys(uid: int) -> bool:
    """By lines of `uid: usage keys/instantiated …` (https://man7.org/linux/man-pages/man5/proc_key-users.5.html)."""
    lines = (line.split() for line in _text(_KEY_USERS).splitlines())
    return any(line[0] == f"{uid}:" and int(line[2].partition("/")[0]) > _KEYRINGS for line in lines)


def _text(path: Path) -> str:
    """Empty where the kernel has nothing of the kind. Raises OSError."""
    try:
        return path.read_text()
    except (FileNotFoundError, PermissionError):
        return ""
