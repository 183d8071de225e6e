"""Processes that hang: they are there, and do nothing."""

import contextlib
import ctypes
import os
import signal
from collections.abc import Iterator

import pytest

_SEIZE, _INTERRUPT, _DETACH = 0x4206, 0x4207, 17
_WALL = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
_libc.ptrace.restype = ctypes.c_long


@contextlib.contextmanager
def stopped(pid: int) -> Iterator[None]:
    """Meanwhile a signal has stopped the process, as Ctrl-Z does."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def hanging(pid: int) -> Iterator[None]:
    """Meanwhile the process's first thread goes no further, as in a call that does not return: no signal has stopped
    it. It goes on when this process ends, too (ptrace(2))."""
    if _libc.ptrace(_SEIZE, pid, None, None) < 0:
        pytest.skip(f"this machine lets nobody trace process {pid}: {os.strerror(ctypes.get_errno())}")
    try:
        _libc.ptrace(_INTERRUPT, pid, None, None)
        os.waitpid(pid, _WALL)
        yield
    finally:
        _libc.ptrace(_DETACH, pid, None, None)
