"""`python -m tests.zygote DESCRIPTOR MODULES PADDING`: has loaded modules, and becomes what it is asked for.

Each process is a fork that runs `python -m MODULE` from there on: with the environment, the folder, the streams and the
command line that were asked for, and without the imports, which are most of what a start takes. What becomes a
`starlink up` forks first what its children will be, and starts those with them: they are its own children, as they
would be. A child that it has to start again is a program anew.
"""

import contextlib
import ctypes
import gc
import importlib
import inspect
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parents[1]
CLI = "starlink.cli"
PARTS = ("starlink_operator", "starlink_nodeagent", "starlink.apiserver", CLI)
"""StarLink's. The operator's comes first: it leaves out parts of kopf."""
FAMILIES = (PARTS, ("kopf",))
"""What can be run, by which of them one process loads."""
ALSO = {CLI: ("starlink.cli.up", "starlink.apiserver.security.certificates.pki")}
"""What a module imports later."""
AGAIN = {"kopf": ("kubernetes.config.kube_config",)}
"""What reads the environment as it is imported."""
CHILDREN = 3
"""The parts of a `starlink up` with one agent."""
PADDING = 8192
"""The longest command line."""
_MESSAGE = 1 << 20
_STREAMS = 3


def main() -> None:
    _, descriptor, modules, _ = sys.argv
    door = socket.socket(fileno=int(descriptor))
    fresh = _Fresh()
    for module in modules.split(","):
        for name in (f"{module}.__main__", *ALSO.get(module, ())):
            importlib.import_module(name)
        del sys.modules[f"{module}.__main__"]  # it runs as `__main__`
    gc.freeze()
    door.send(b"loaded")
    asked = _serve(door)
    if asked is not None:
        _become(asked, fresh)


class _Fresh:
    """What an interpreter starts with and a module may change as it is imported."""

    def __init__(self) -> None:
        self._handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())

    def restore(self) -> None:
        for number, handler in self._handlers.items():
            if handler is not None and signal.getsignal(number) is not handler:
                signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
        gc.enable()


Asked = tuple[dict[str, Any], list[int]]
"""What a process shall be, and its streams."""


def _serve(door: socket.socket) -> Asked | None:
    """Forks what is asked for until nobody asks any more, and tells of each how it ended; gives a fork what it is to
    be."""
    running: dict[int, tuple[int, int]] = {}
    while True:
        ready, _, _ = select.select([door.fileno(), *running], [], [])
        for ended in running.keys() & ready:
            pid, told = running.pop(ended)
            _, status = os.waitpid(pid, 0)
            with contextlib.suppress(BrokenPipeError):
                os.write(told, str(os.waitstatus_to_exitcode(status)).encode())
            os.close(ended)
            os.close(told)
        if door.fileno() in ready:
            asked = _received(door, _STREAMS + 1)
            if asked is None:
                return None
            pid = os.fork()
            if not pid:
                door.detach()
                return asked
            *streams, told = asked[1]
            for stream in streams:
                os.close(stream)
            running[os.pidfd_open(pid)] = pid, told
            door.send(str(pid).encode())


def _received(door: socket.socket, descriptors: int) -> Asked | None:
    message, found, _, _ = socket.recv_fds(door, _MESSAGE, descriptors)
    return (json.loads(message), found) if message else None


def _become(asked: Asked, fresh: _Fresh) -> NoReturn:
    told, descriptors = asked
    fresh.restore()
    if told["session"]:
        os.setsid()
    for number, descriptor in enumerate(descriptors[:_STREAMS]):
        os.dup2(descriptor, number)  # what was received has a higher number
    os.closerange(_STREAMS, os.sysconf("SC_OPEN_MAX"))
    os.chdir(told["cwd"])
    os.environ.clear()
    os.environ.update(told["env"])
    module, words = told["module"], told["words"]
    _show([sys.executable, "-m", module, *words])
    if told["first"]:
        folder, function = told["first"]
        getattr(importlib.import_module(folder), function)()
    for name in AGAIN.get(module, ()):
        importlib.reload(sys.modules[name])
    if module == CLI and "up" in words:
        _lend(_Spares(fresh))
    sys.argv = ["-m", *words]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
    sys.exit(0)


def _show(command: Sequence[str]) -> None:
    """Makes it the command line that others see, in the place of this process' own."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    start, end = int(fields[45]), int(fields[46])
    shown = b"".join(os.fsencode(word) + b"\0" for word in command)
    ctypes.memset(start, 0, end - start)
    ctypes.memmove(start, shown, min(len(shown), end - start - 1))


class _Spares:
    """Forks of this process that wait for what they shall be, and end with it."""

    def __init__(self, fresh: _Fresh) -> None:
        self._free: list[tuple[int, socket.socket]] = []
        for _ in range(CHILDREN):
            here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            pid = os.fork()
            if not pid:
                here.close()
                for _, other in self._free:
                    other.close()
                asked = _received(there, _STREAMS)
                there.detach()
                if asked is None:
                    os._exit(0)
                _become(asked, fresh)
            there.close()
            self._free.append((pid, here))

    def become(self, told: Mapping[str, Any], streams: Sequence[int]) -> int | None:
        """The process that it is now; None where all are taken."""
        if not self._free:
            return None
        pid, door = self._free.pop(0)
        with door:
            socket.send_fds(door, [json.dumps(told).encode()], streams)
        return pid


def _lend(spares: _Spares) -> None:
    """Has `subprocess` start StarLink's parts with them, while there are any."""
    execute = subprocess.Popen._execute_child  # type: ignore[attr-defined]
    signature = inspect.signature(execute)

    def started(popen: Any, *args: Any, **options: Any) -> None:
        asked = signature.bind(popen, *args, **options).arguments
        module, words = of_command(asked["args"])
        if module not in PARTS or (pid := spares.become(_told(module, words, asked), _streams(asked))) is None:
            execute(popen, *args, **options)
            return
        popen.pid, popen._child_created = pid, True
        pipes = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")
        popen._close_pipe_fds(*(asked[pipe] for pipe in pipes))

    subprocess.Popen._execute_child = started  # type: ignore[attr-defined]


def of_command(command: Sequence[Any]) -> tuple[str, Sequence[str]]:
    """Which of the modules it runs, "" where it is no such command, and what it says to it."""
    match [str(word) for word in command]:
        case [sys.executable, "-m", module, *words] if family(module) and sum(map(len, words)) < PADDING // 2:
            return module, words
    return "", ()


def family(module: str) -> Sequence[str]:
    """The modules that are loaded with it, itself included; none where it can't be run."""
    return next((modules for modules in FAMILIES if module in modules), ())


def _told(module: str, words: Sequence[str], asked: Mapping[str, Any]) -> dict[str, Any]:
    first: Callable[[], None] | None = asked["preexec_fn"]
    return {
        "module": module,
        "words": words,
        "env": dict(asked["env"] or os.environ),
        "cwd": asked["cwd"] or os.getcwd(),
        "session": asked["start_new_session"],
        "first": first and (first.__module__, first.__qualname__),
    }


def _streams(asked: Mapping[str, Any]) -> list[int]:
    given = (asked["p2cread"], asked["c2pwrite"], asked["errwrite"])
    return [number if stream == -1 else stream for number, stream in enumerate(given)]


if __name__ == "__main__":
    main()
