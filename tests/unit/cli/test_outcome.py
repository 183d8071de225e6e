"""What an applied object's status says became of it, and the line that tells it."""

import io
from typing import Any

import msgspec
import pytest

from starlink.api.assignment import Assignment
from starlink.api.kinds import POOL, SERVER, TASK, Kind
from starlink.cli.live import LiveLine
from starlink.cli.outcome import may_be_failing, outcome
from starlink.cli.screen import Screen, Tone

CONFIG_MAP = Kind("", "v1", "ConfigMap", "configmaps", True)
GADGET = Kind("example.com", "v1", "Gadget", "gadgets", True)


def condition(type_: str, status: str, reason: str, message: str = "", generation: int = 2) -> dict[str, Any]:
    return {"type": type_, "status": status, "reason": reason, "message": message, "observedGeneration": generation}


def task(*conditions: dict[str, Any], spec: dict[str, Any] | None = None, **status: Any) -> dict[str, Any]:
    counts = {"observedGeneration": 2, "desired": 2, "available": 2, "replicas": 2, "revision": "new"}
    return {
        "metadata": {"name": "web", "generation": 2},
        "spec": {"template": {"command": ["run"]}, **(spec or {})},
        "status": {**counts, **status, "conditions": list(conditions)},
    }


def attempt(revision: str, **status: Any) -> Assignment:
    obj = {
        "metadata": {"name": "a", "labels": {"starlink.dev/revision": revision}},
        "spec": {"server": "s1", "slot": "0", "attempt": 1, "template": {}},
        "status": {"phase": "Running", **status},
    }
    return msgspec.convert(obj, Assignment)


READY = condition("Ready", "True", "AllReady", "2 of 2 instances are ready")
STARTING = condition("Ready", "False", "Starting", "1 of 2 instances is ready")
CRASHES = condition("Stalled", "True", "CrashLoop", "web-0 was started again 3 times")
BATCH = {"type": "Batch"}


@pytest.mark.parametrize(
    ("obj", "state", "words"),
    [
        (task(READY), "ready", "2 of 2 instances are ready"),
        (task(READY, observedGeneration=1), "going", "the operator has not looked at it yet"),
        (task(), "going", "the operator has not looked at it yet"),
        (task(READY, available=1), "going", "2 of 2 instances are ready, 1 of them not yet for 5 s"),
        (task(STARTING), "going", "1 of 2 instances is ready"),
        (task(condition("Ready", "False", "Suspended"), spec={"suspend": True}), "going", "Suspended"),
        (
            task(condition("Ready", "False", "Suspended"), spec={"suspend": True}, replicas=0),
            "ready",
            "suspended, so nothing of it runs",
        ),
        (
            task(
                STARTING,
                condition("Stalled", "True", "Unplaceable"),
                condition("Scheduled", "False", "Unplaceable", "no room"),
            ),
            "unplaced",
            "no room",
        ),
        (task(STARTING, condition("Scheduled", "False", "Waiting", "soon")), "going", "1 of 2 instances is ready"),
        (
            task(STARTING, condition("Stalled", "True", "InvalidSpec", "spec.x: no")),
            "failed",
            "InvalidSpec: spec.x: no",
        ),
        (task(STARTING, CRASHES), "failed", "CrashLoop: web-0 was started again 3 times"),
        (
            task(STARTING, CRASHES, condition("InstanceFailure", "True", "ProcessExited", "exit\x1b[2Jcode\n3")),
            "failed",
            "CrashLoop: exit [2Jcode 3",
        ),
        (
            task(STARTING, condition("Stalled", "True", "AttemptsFail", "exit code 3"), spec=BATCH),
            "going",
            "1 of 2 instances is ready",
        ),
        (
            task(
                STARTING,
                condition("Stalled", "True", "RetriesExceeded", "slot 0 failed 2 times"),
                condition("Failed", "True", "RetriesExceeded"),
                spec=BATCH,
            ),
            "failed",
            "RetriesExceeded: slot 0 failed 2 times",
        ),
        (task(condition("Ready", "True", "Complete", "2 of 2 done"), spec=BATCH, available=0), "ready", "2 of 2 done"),
    ],
)
def test_a_task(obj: dict[str, Any], state: str, words: str) -> None:
    found = outcome(TASK, obj)
    assert (found.state, found.words) == (state, words)


def test_a_task_is_not_to_blame_for_its_former_template() -> None:
    obj = task(STARTING, CRASHES)
    assert may_be_failing(obj) and not may_be_failing(task(READY))
    assert outcome(TASK, obj, [attempt("old", restarts=3), attempt("new")]).state == "going"
    assert outcome(TASK, obj, [attempt("old"), attempt("new", restarts=2)]).state == "failed"
    assert outcome(TASK, obj, [attempt("new", phase="Failed")]).state == "failed"


def test_a_task_that_a_later_version_wrote_is_judged_by_what_can_be_read() -> None:
    obj = task(READY, spec={"type": "Daemon"})
    assert outcome(TASK, obj).state == "ready"
    obj["status"]["conditions"].append("nonsense")
    assert outcome(TASK, obj).state == "ready"


@pytest.mark.parametrize(
    ("kind", "status", "state"),
    [
        (CONFIG_MAP, {}, "ready"),
        (GADGET, {"conditions": [condition("Ready", "False", "Busy")]}, "going"),
        (GADGET, {"conditions": [condition("Ready", "True", "Done")]}, "ready"),
        (GADGET, {"observedGeneration": 1, "conditions": [condition("Ready", "True", "Done", generation=1)]}, "going"),
        (GADGET, {"conditions": [condition("Ready", "False", "x"), condition("Stalled", "True", "x")]}, "failed"),
        (POOL, {}, "going"),
        (POOL, {"observedGeneration": 2, "conditions": [condition("Ready", "False", "NoReadyServers")]}, "ready"),
        (SERVER, {"conditions": [condition("Ready", "Unknown", "Registering", generation=1)]}, "going"),
        (SERVER, {"conditions": [condition("Ready", "Unknown", "Registering")]}, "ready"),
        (
            SERVER,
            {"conditions": [condition("Ready", "True", "PoolNotFound"), condition("Stalled", "True", "PoolNotFound")]},
            "failed",
        ),
    ],
)
def test_what_is_no_task(kind: Kind, status: dict[str, Any], state: str) -> None:
    assert outcome(kind, {"metadata": {"name": "x", "generation": 2}, "status": status}).state == state


def test_what_is_being_deleted_has_failed() -> None:
    obj = {"metadata": {"name": "x", "deletionTimestamp": "2026-11-30T00:00:00Z", "finalizers": ["a/b"]}}
    found = outcome(CONFIG_MAP, obj)
    assert found.state == "failed" and found.words.startswith("it is being deleted: held by a/b; applying it does not")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_a_line_is_rewritten_and_no_wider_than_it() -> None:
    line = LiveLine(out := Terminal(), lambda _: Screen(width=13))
    line.say("one")
    line.say("one")
    line.say("a line that is wide")
    line.leave("done: it stays whole", Tone.GOOD)
    line.clear()
    assert out.getvalue() == "\r\x1b[K… one\r\x1b[K… a line th…\r\x1b[K✓ done: it stays whole\n"


def test_elsewhere_each_change_is_a_line_of_its_own() -> None:
    line = LiveLine(out := io.StringIO())
    for text in ("one", "one", "another"):
        line.say(text)
    line.leave("done", Tone.GOOD)
    line.clear()
    assert out.getvalue() == "one\nanother\ndone\n"
