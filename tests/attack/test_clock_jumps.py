"""The machine's clock is set nine days forward, and back: the agent goes on being heard, and nothing is restarted."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.attack.clock import DAY, WallClock
from tests.conftest import Starlink, _let_pass, eventually

NINE_DAYS = 9 * DAY


@pytest.fixture
def clock(tmp_path: Path) -> WallClock:
    _let_pass(tmp_path)
    return WallClock(tmp_path)


@pytest.fixture
def starlink(tmp_path: Path, clock: WallClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Starlink]:
    """A StarLink; all its processes have the test's clock."""
    found = Starlink(tmp_path)
    try:
        with monkeypatch.context() as patched:
            for name, value in clock.environment.items():
                patched.setenv(name, value)
            found.up()
        yield found
    finally:
        found.remove()


def task(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "starlink.dev/v1alpha1",
        "kind": "Task",
        "metadata": {"name": name},
        "spec": {"template": {"command": ["sleep", "1000"]}},
    }


def renewed(starlink: Starlink) -> datetime:
    """The server's time at its last heartbeat."""
    lease = starlink.get("lease", "s1", "-n", "starlink-servers")
    return datetime.fromisoformat(lease["spec"]["renewTime"].replace("Z", "+00:00"))


def heard(starlink: Starlink, shift: int) -> bool:
    """Whether its last heartbeat came with the clock set so."""
    return abs(renewed(starlink) - datetime.now(UTC) - timedelta(seconds=shift)) < timedelta(hours=1)


def ready(starlink: Starlink, name: str) -> bool:
    return starlink.condition("task", name, "Ready") == "True"


def test_the_clock_jumps_nine_days_forward_and_back(starlink: Starlink, clock: WallClock) -> None:
    starlink.apply(task("before"))
    eventually(lambda: ready(starlink, "before"), "the task is ready")
    children, processes = starlink.state["children"], starlink.processes()
    for shift, name in ((NINE_DAYS, "after-nine-days"), (0, "back-again"), (-NINE_DAYS, "nine-days-before")):
        clock.jump(shift)
        eventually(partial(heard, starlink, shift), f"a heartbeat with the clock at {shift} s")
        starlink.apply(task(name))
        eventually(partial(ready, starlink, name), f"{name} is ready")
        assert starlink.condition("server", "s1", "Ready") == "True"
    assert starlink.state["children"] == children, "no part was started again"
    assert processes.items() <= starlink.processes().items(), "no process was started again"
