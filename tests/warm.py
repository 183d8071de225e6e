"""StarLink's processes, and kopf's, without what it takes to load them: forks of one that has (`tests/zygote.py`).

They are as `python -m MODULE` makes them, in what they do and in how they look from outside. Where a test changes what
only the start of a program brings to bear, such as LD_PRELOAD or a limit of this process, there are none.
"""

import contextlib
import json
import os
import resource
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from subprocess import Popen
from typing import Any, Self

from tests import zygote

LOAD_SECONDS = 60.0
_AT_START = ("LD_", "PYTHON", "GLIBC_", "MALLOC_", "OPENBLAS_", "OPENSSL_", "LANG", "LC_", "TZ")
"""How the variables begin that hold from the start of a program on."""
_LIMITS = [getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_")]
_OWN = Path("/proc/thread-self")
_STREAMS = ("stdin", "stdout", "stderr")


def popen(command: Sequence[str], **options: Any) -> "Running":
    """As `subprocess.Popen`, by a fork where that comes to the same."""
    return forked(command, **options) or Popen(command, **options)


def forked(command: Sequence[str], **options: Any) -> "Process | None":
    """One of StarLink's parts; None where it is none, or where a fork would not be what a start makes."""
    module, words = zygote.of_command(command)
    env = options.get("env") or os.environ
    if not module or not options.keys() <= {"env", "cwd", "start_new_session", *_STREAMS}:
        return None
    parent = _zygote(zygote.family(module))
    if _surroundings(env) != parent.surroundings:
        return None
    with contextlib.ExitStack() as opened:
        streams = [_descriptor(options.get(name), number, opened) for number, name in enumerate(_STREAMS)]
        told = {
            "module": module, "words": words, "env": dict(env), "cwd": str(options.get("cwd") or Path.cwd()),
            "session": options.get("start_new_session", False), "first": None,
        }  # fmt: skip
        return parent.fork(told, streams)


def _descriptor(given: Any, number: int, opened: contextlib.ExitStack) -> int:
    if given is None:
        return number
    if given == subprocess.DEVNULL:
        return opened.enter_context(Path(os.devnull).open("r+b", buffering=0)).fileno()
    return given if isinstance(given, int) else int(given.fileno())


class Process:
    """What `subprocess.Popen` tells of a process, of one that another process waits for."""

    def __init__(self, pid: int, ended: int) -> None:
        """`ended` is a pipe that gets the return code."""
        self.pid = pid
        self.returncode: int | None = None
        self._ended = ended

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.wait()

    def __del__(self) -> None:
        if self.returncode is None:
            os.close(self._ended)

    def poll(self) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Raises subprocess.TimeoutExpired."""
        if self.returncode is None:
            told = select.poll()
            told.register(self._ended, select.POLLIN)
            if not told.poll(None if timeout is None else timeout * 1000):
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0.0)
            self.returncode = int(os.read(self._ended, 16) or -signal.SIGKILL)
            os.close(self._ended)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """To one that lives, or that nobody has waited for yet."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


Running = Popen[Any] | Process


class _Zygote:
    def __init__(self, modules: Sequence[str]) -> None:
        self.surroundings = _surroundings(os.environ)
        self._one = threading.Lock()
        self._door, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-m", zygote.__name__, str(there.fileno()), ",".join(modules), " " * zygote.PADDING]
        with there:
            self._process = Popen(
                command, pass_fds=[there.fileno()], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, cwd=zygote.ROOT
            )
        self._door.settimeout(LOAD_SECONDS)
        assert self._door.recv(16) == b"loaded"

    def fork(self, told: Mapping[str, Any], streams: Sequence[int]) -> Process:
        ended, end = os.pipe()
        with self._one:
            socket.send_fds(self._door, [json.dumps(told).encode()], [*streams, end])
            pid = int(self._door.recv(16))
        os.close(end)
        return Process(pid, ended)

    def end(self) -> None:
        self._door.close()
        self._process.wait(LOAD_SECONDS)


_zygotes: dict[Sequence[str], _Zygote] = {}
"""This worker's, by the modules that each has loaded."""


def _zygote(modules: Sequence[str]) -> _Zygote:
    if modules not in _zygotes:
        _zygotes[modules] = _Zygote(modules)
    return _zygotes[modules]


def end() -> None:
    """Ends those that forks come from; the forks go on."""
    while _zygotes:
        _zygotes.popitem()[1].end()


def _surroundings(env: Mapping[str, str]) -> object:
    """What a process has from who started it, and this way would have from the zygote."""
    status = (_OWN / "status").read_text().splitlines()
    lines = [
        line
        for line in status
        if line.startswith(("Uid:", "Gid:", "Groups:", "Umask:", "Cap", "NoNewPrivs:", "SigBlk:", "SigIgn:"))
    ]
    spaces = {one.name: os.readlink(one) for one in (_OWN / "ns").iterdir()}
    limits = [resource.getrlimit(limit) for limit in _LIMITS]
    groups = (_OWN / "cgroup").read_text()
    at_start = {name: value for name, value in env.items() if name.startswith(_AT_START)}
    return lines, spaces, limits, groups, os.getpriority(os.PRIO_PROCESS, 0), os.sched_getaffinity(0), at_start
