"""What a start of a standalone StarLink takes: the processor's time of each process until `starlink up` says that it is
up, in a new folder and in one where it has been, and the time until then."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from bench.report import Result, publish, result
from starlink.cli.datadir import DataDir

ROUNDS = 5
PARTS = ("apiserver", "operator", "agent", "up")
ALL, WAIT = "the four together", "until it is up"


def main() -> None:
    """Runs and publishes."""
    publish("starts", _measure())


def _measure() -> list[Result]:
    samples: dict[tuple[str, str], list[float]] = {}
    for _ in range(ROUNDS):
        with _folder() as folder:
            for which in ("first start", "later start"):
                for what, seconds in _start(folder).items():
                    samples.setdefault((which, what), []).append(seconds)
    return [
        result(f"{which}: {what if what == WAIT else f'CPU of {what}'}", "s", values)
        for (which, what), values in samples.items()
    ]


@contextlib.contextmanager
def _folder():  # type: ignore[no-untyped-def]
    """One that the users of tasks can pass through."""
    folder = Path(tempfile.mkdtemp(prefix="starlink-bench-"))
    folder.chmod(0o711)
    try:
        yield folder / "data"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _start(folder: Path) -> Mapping[str, float]:
    """Seconds, by what they are of."""
    began = time.monotonic()
    command = [sys.executable, "-m", "starlink.cli", "--data-dir", str(folder), "up", "--listen", "127.0.0.1:0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    try:
        if not any("StarLink is up" in line for line in iter(process.stdout.readline, "")):
            raise RuntimeError(f"{' '.join(command)} ended")
        waited = time.monotonic() - began
        pids = {**DataDir(folder).read_state()["children"], "up": process.pid}
        taken = {part: _processor_seconds(pids[part]) for part in PARTS}
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate()
    return {**taken, ALL: sum(taken.values()), WAIT: waited}


def _processor_seconds(pid: int) -> float:
    """What a process, with its threads and those of its children that have ended, has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
