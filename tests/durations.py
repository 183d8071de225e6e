"""`--keep-durations`: how long each file of tests takes, in bench/results/tests.json for people to read.

Nothing decides by it.
"""

import time
from collections import defaultdict

import pytest
from bench.report import publish, result

LEAST = 1.0
"""Seconds below which a file is counted among the others."""


class Durations:
    """Adds up what the tests of each file take, on whichever worker they run."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._seconds: dict[str, float] = defaultdict(float)
        self._tests = 0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._seconds[report.nodeid.partition("::")[0]] += report.duration
        self._tests += report.when == "call"

    def pytest_sessionfinish(self) -> None:
        slow = sorted((item for item in self._seconds.items() if item[1] >= LEAST), key=lambda item: -item[1])
        others = sum(seconds for seconds in self._seconds.values() if seconds < LEAST)
        publish("tests", [
            result("all, as one waits for them", "s", [time.monotonic() - self._began]),
            result("tests", "", [self._tests]),
            *(result(file, "s", [seconds]) for file, seconds in slow),
            result(f"the other {len(self._seconds) - len(slow)} files", "s", [others]),
        ])  # fmt: skip
