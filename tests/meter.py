"""How much CPU tests take, with all that they start."""

import contextlib
import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Protocol

import pytest

GROUPS = Path("/sys/fs/cgroup")


class Meter(Protocol):
    def seconds(self) -> float:
        """Of CPU, taken so far."""

    def close(self) -> None:
        """It is read no more."""


class Waited:
    """Of this process and of what it has waited for: what outlives who started it, such as `starlink up --detach`, is
    not counted."""

    def seconds(self) -> float:
        return sum(os.times()[:4])

    def close(self) -> None:
        """Nothing is held."""


class Group:
    """Of a control group that this process, and so what it starts from now on, is in."""

    def __init__(self, parent: Path) -> None:
        """Raises OSError where there can be none."""
        self._parent, self._group = parent, parent / f"starlink-tests-{os.getpid()}"
        self._group.mkdir()
        try:
            (self._group / "cgroup.procs").write_text(str(os.getpid()))
            self.seconds()
        except (OSError, ValueError):
            self.close()
            raise

    def seconds(self) -> float:
        usage = self._group / "cpuacct.usage"  # of version 1, in nanoseconds
        if usage.exists():
            return int(usage.read_text()) / 1e9
        told = dict(line.split() for line in (self._group / "cpu.stat").read_text().splitlines())
        return int(told["usage_usec"]) / 1e6

    def close(self) -> None:
        with contextlib.suppress(OSError):
            (self._parent / "cgroup.procs").write_text(str(os.getpid()))
            self._group.rmdir()  # stays while something lives in it


def meter() -> Meter:
    """The best that this machine has."""
    for parent in _parents():
        with contextlib.suppress(OSError, ValueError):
            return Group(parent)
    return Waited()


def _parents() -> Iterator[Path]:
    """The groups that this process is in and that count CPU: of version 1 by its controller, else of version 2."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if "cpuacct" in controllers.split(","):
            yield GROUPS / controllers / path.lstrip("/")
        elif not controllers:
            yield GROUPS / path.lstrip("/")


class Metered:
    """A plugin that tells on each report, as `cpu`, the seconds of CPU since the report before."""

    def __init__(self) -> None:
        self._meter = meter()
        self._before = self._meter.seconds()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        now = self._meter.seconds()
        report.cpu, self._before = now - self._before, now  # type: ignore[attr-defined]
        return report

    def pytest_unconfigure(self) -> None:
        self._meter.close()
