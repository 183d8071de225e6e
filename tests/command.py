"""The `starlink` command in this process: most tests ask for what it says and does, and few for how it starts."""

import asyncio
import io
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from tests import warm

from starlink.cli import faults
from starlink.cli.main import cli

LIVING = frozenset({"up", "demo", "agent"})
"""Verbs that live on as processes; `up --detach` starts one and ends."""


def can_run_here(words: Sequence[str]) -> bool:
    """Whether the command may run in this process now: it starts an event loop of its own, and handles signals."""
    busy = asyncio._get_running_loop() is not None
    ends = LIVING.isdisjoint(words) or {"up", "--detach"} <= {*words}
    return not busy and threading.current_thread() is threading.main_thread() and ends


def run(
    words: Sequence[str], stdin: str | None = None, env: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Calls `starlink WORDS` with streams of its own, without KUBECONFIG and with `env`; gives what a process would."""
    before = signal.getsignal(signal.SIGINT)
    given, out, err = _Stream((stdin or "").encode()), _Stream(), _Stream()
    with pytest.MonkeyPatch.context() as patched:
        patched.delenv("KUBECONFIG", raising=False)
        for name, value in (env or {}).items():
            patched.setenv(name, value)
        patched.setattr(sys, "argv", ["starlink", *words])
        for name, stream in (("stdin", given), ("stdout", out), ("stderr", err)):
            patched.setattr(sys, name, stream)
        if not LIVING.isdisjoint(words):
            patched.setattr(subprocess, "Popen", _child)
        try:
            faults.run(cli)
        except SystemExit as end:
            status = int(end.code or 0)
        finally:
            signal.signal(signal.SIGINT, before)
    return subprocess.CompletedProcess(("starlink", *words), status, out.written(), err.written())


def _child(*args: Any, **options: Any) -> "warm.Process | _Child":
    return warm.forked(*args, **options) or _Child(*args, **options)


class _Child(subprocess.Popen[Any]):
    """A process that outlives the command. Init would see to its end, had the command been a process too."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        threading.Thread(target=self._reap, args=[os.pidfd_open(self.pid)], daemon=True).start()

    def _reap(self, ended: int) -> None:
        """Waits for the end alone: a wait for the process itself would take its stops from a test that traces it."""
        with open(ended, "rb", buffering=0):
            select.select([ended], [], [])
        self.wait()


class _Stream(io.TextIOWrapper):
    """UTF-8 in memory, which is no terminal and has no descriptor; it can be read when it is closed."""

    def __init__(self, content: bytes = b"") -> None:
        self._bytes = io.BytesIO(content)
        super().__init__(self._bytes, encoding="utf-8", write_through=True)

    def close(self) -> None:
        """Closed streams of a process are read by who started it."""

    def written(self) -> str:
        return self._bytes.getvalue().decode()
