"""For how long instances have been ready, whatever the clocks of their servers say."""

from typing import Any

import msgspec

from starlink.api.assignment import Assignment
from starlink.api.change import Change
from starlink.api.meta import ObjectKey
from starlink.api.task import Task
from starlink.api.timestamp import format_time
from starlink_operator.readiness import Readiness

WALL = 1_750_000_000.0
KEY = ObjectKey("default", "web-0")


class Watched:
    def __init__(self) -> None:
        self.now = 1000.0
        self.readiness = Readiness(lambda: self.now, lambda: WALL)
        self.old: Assignment | None = None

    def hears(self, uid: str = "u", since: float | None = None, **status: Any) -> None:
        if since is not None:
            status["conditions"] = [
                {"type": "Ready", "status": "True", "reason": "Running", "lastTransitionTime": format_time(since)}
            ]
        spec = {"server": "s1", "slot": "0", "attempt": 1, "template": {}}
        new = msgspec.convert({"metadata": {"name": "web-0", "uid": uid}, "spec": spec, "status": status}, Assignment)
        self.readiness.assignment_changed(Change(KEY, self.old, new))
        self.old = new

    def age(self) -> float | None:
        return self.readiness.ready_for().get("u")


def test_it_counts_from_when_it_is_seen_to_become_ready() -> None:
    watched = Watched()
    watched.hears(phase="Starting")
    assert watched.age() is None
    watched.now += 3
    watched.hears(phase="Running", ready=True, since=WALL + 9999)
    watched.now += 2
    watched.hears(phase="Running", ready=True, message="news")
    assert watched.age() == 2.0


def test_a_restart_counts_anew_also_where_nobody_saw_it_down() -> None:
    watched = Watched()
    watched.hears(phase="Starting")
    watched.hears(phase="Running", ready=True)
    watched.now += 5
    watched.hears(phase="Running", ready=True, restarts=1)
    assert watched.age() == 0.0


def test_of_what_is_there_at_first_the_agent_is_believed_but_for_the_future() -> None:
    for since, age in ((WALL - 4, 4.0), (WALL + 4000, 0.0), (WALL - 4000, None)):
        watched = Watched()
        watched.hears(phase="Running", ready=True, since=since)
        assert watched.age() == age


def test_what_has_been_ready_for_long_and_what_is_gone_is_not_kept() -> None:
    watched = Watched()
    watched.hears(phase="Starting")
    watched.hears(phase="Running", ready=True)
    watched.now += 61
    assert watched.age() is None and len(watched.readiness) == 0
    watched.hears(phase="Running", ready=True, restarts=1)
    watched.readiness.assignment_changed(Change(KEY, watched.old, None))
    assert len(watched.readiness) == 0


def test_it_is_kept_for_as_long_as_a_task_asks() -> None:
    watched = Watched()
    spec = {"template": {}, "update": {"minReadyTime": "10m"}}
    task = msgspec.convert({"metadata": {"name": "web"}, "spec": spec}, Task)
    watched.readiness.task_changed(Change(KEY, None, task))
    watched.hears(phase="Starting")
    watched.hears(phase="Running", ready=True)
    watched.now += 599
    assert watched.age() == 599.0
