"""`--keep-durations`: how long each file of tests takes and how much CPU, in bench/results/tests.json. Who has the file
starts what takes longest first.
"""

import json
import time
from collections import defaultdict
from collections.abc import Mapping

import pytest
from bench.report import RESULTS, publish, result

LEAST = 1.0
"""Seconds below which a file is counted among the others."""
_WALL, _CPU = "s", "s of CPU"


class Durations:
    """Adds up what the tests of each file take, on whichever worker they run."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._seconds: dict[str, float] = defaultdict(float)
        self._cpu: dict[str, float] = defaultdict(float)
        self._tests = 0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        file = report.nodeid.partition("::")[0]
        self._seconds[file] += report.duration
        self._cpu[file] += getattr(report, "cpu", 0.0)
        self._tests += report.when == "call"

    def pytest_sessionfinish(self) -> None:
        slow = sorted((item for item in self._seconds.items() if item[1] >= LEAST), key=lambda item: -item[1])
        others = [file for file, seconds in self._seconds.items() if seconds < LEAST]
        publish("tests", [
            result("all, as one waits for them", _WALL, [time.monotonic() - self._began]),
            result("all, with what they start", _CPU, [sum(self._cpu.values())]),
            result("tests", "", [self._tests]),
            *(result(file, unit, [of[file]]) for file, _ in slow for unit, of in self._both),
            *(result(f"the other {len(others)} files", unit, [sum(of[file] for file in others)]) for unit, of in self._both),
        ])  # fmt: skip

    @property
    def _both(self) -> tuple[tuple[str, Mapping[str, float]], ...]:
        return (_WALL, self._seconds), (_CPU, self._cpu)


def kept() -> Mapping[str, float]:
    """The seconds of each file that was slow when durations were kept last."""
    try:
        told = json.loads((RESULTS / "tests.json").read_text())["results"]
    except FileNotFoundError:
        return {}
    return {one["measure"]: one["median"] for one in told if one["unit"] == _WALL}
