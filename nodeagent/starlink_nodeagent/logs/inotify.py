"""Being told when something in a directory is written to, once each time that one asks.

https://man7.org/linux/man-pages/man7/inotify.7.html
"""

import contextlib
import ctypes
import os
import select
import struct
import threading
from pathlib import Path

_MODIFY, _ONESHOT, _ONLY_DIRECTORY, _DONT_FOLLOW = 0x2, 0x80000000, 0x01000000, 0x02000000
_EVENT = struct.Struct("iIII")
_ROOM = 64 * 1024


class Inotify:
    """Without a descriptor of the kernel's, where it gives no more, `ask` raises. `wake` and `ask` may be called from
    any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._closed = False
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        self._errno = ctypes.get_errno()
        self._woken = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._poll = select.poll()
        for descriptor in (self._descriptor, self._woken):
            if descriptor >= 0:
                self._poll.register(descriptor, select.POLLIN)

    def ask(self, directory: Path) -> int:
        """A number that `wait` gives once a file in the directory has been written to. Raises OSError."""
        mask = _MODIFY | _ONESHOT | _ONLY_DIRECTORY | _DONT_FOLLOW
        with self._lock:
            if self._closed or self._descriptor < 0:
                raise OSError(self._errno, os.strerror(self._errno))
            number = int(self._libc.inotify_add_watch(self._descriptor, os.fsencode(directory), ctypes.c_uint32(mask)))
        if number < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(directory))
        return number

    def wait(self, seconds: float) -> set[int]:
        """The numbers of what was written to by now; waits so long for the first, or until `wake` is called."""
        self._poll.poll(max(seconds, 0.0) * 1000)
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._woken)
        return self._read()

    def wake(self) -> None:
        """Ends a `wait`, or the next one."""
        with self._lock:
            if not self._closed:
                os.eventfd_write(self._woken, 1)

    def close(self) -> None:
        """Nothing waits any more; who asks or wakes afterwards does so in vain."""
        with self._lock:
            self._closed = True
            for descriptor in (self._descriptor, self._woken):
                if descriptor >= 0:
                    os.close(descriptor)

    def _read(self) -> set[int]:
        try:
            content = os.read(self._descriptor, _ROOM) if self._descriptor >= 0 else b""
        except BlockingIOError:
            return set()
        numbers, at = set[int](), 0
        while at < len(content):
            number, _, _, length = _EVENT.unpack_from(content, at)
            numbers.add(number)
            at += _EVENT.size + length
        return numbers
