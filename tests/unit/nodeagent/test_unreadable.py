"""What an agent makes of Assignments that it can't read, of a newer operator's, and of those that a newer agent left."""

from typing import Any, get_args

import msgspec
import pytest

from starlink.api.assignment import Assignment, Phase
from starlink.api.meta import ObjectKey
from starlink.api.reading import read
from starlink_nodeagent.decisions import unreadable
from starlink_nodeagent.decisions.plan import Declared, Held, Plan, diff
from starlink_nodeagent.decisions.unreadable import foreign_end, has_foreign_phase, of_template, trouble
from starlink_nodeagent.journal.record import record_of
from starlink_nodeagent.reporting.report import status_of, status_of_unread

Obj = dict[str, Any]
UID = "0d9ba4e5-5c2a-4a0c-9f0e-0000000000f2"


def assignment(spec: Obj | None = None, status: Obj | None = None, **meta: Any) -> Assignment:
    metadata = {"name": "a", "namespace": "ns", "uid": UID, "resourceVersion": "5", **meta}
    body = {"server": "s", "slot": "0", "attempt": 1, "template": {"command": ["run"]}, **(spec or {})}
    obj = {"metadata": metadata, "spec": body, **({"status": status} if status is not None else {})}
    return read(msgspec.json.Decoder(Assignment), Assignment, msgspec.json.encode(obj))


def planned(one: Assignment, *, held: bool, finished: bool = False) -> Plan:
    why = trouble(one) or ("" if held else foreign_end(one))
    declared = Declared("c", 9, {UID: one}, {UID: why} if why else {})
    return diff(declared, [Held(UID, ObjectKey("ns", "a"), "c", 5, finished)] if held else [])


UNREAD = [
    ({"template": {"runtime": "Container"}}, "spec.template.runtime: 'Container' is no value"),
    ({"template": {"restart": {"policy": "Sometimes"}}}, "spec.template.restart.policy: 'Sometimes' is no value"),
    ({"desired": "Paused"}, "spec.desired: 'Paused' is no value that this version knows (Running, Stopped)"),
    ({"template": {"command": 7}}, "spec.template.command: "),
    ({"template": 7}, "spec.template: "),
    ({"waitFor": {}}, "spec.waitFor: "),
]


@pytest.mark.parametrize(("spec", "why"), UNREAD)
def test_what_can_not_be_read_is_neither_begun_nor_ended(spec: Obj, why: str) -> None:
    one = assignment(spec)
    assert trouble(one).startswith(why)
    assert planned(one, held=True) == Plan()
    plan = planned(one, held=False)
    assert plan == Plan(leave=((one, trouble(one)),))


@pytest.mark.parametrize("spec", [spec for spec, why in UNREAD if not why.startswith("spec.desired")])
@pytest.mark.parametrize("told", ["deleted", "stopped"])
def test_what_is_clearly_told_to_stop_stops(spec: Obj, told: str) -> None:
    """It is not stopped for being unreadable, but because somebody who can read it says so."""
    meta: Obj = {"deletionTimestamp": "2026-01-01T00:00:00Z"} if told == "deleted" else {}
    one = assignment({**spec, **({"desired": "Stopped"} if told == "stopped" else {})}, **meta)
    assert planned(one, held=True).stop == (UID,)
    assert planned(one, held=False).disown == (one,)


@pytest.mark.parametrize("status", [{"phase": 7}, {"conditions": "well"}, {"restarts": "many"}])
def test_a_status_that_can_not_be_read_stops_nothing(status: Obj) -> None:
    one = assignment(status=status)
    assert trouble(one).startswith("status.")
    assert planned(one, held=True) == Plan()


# Phases of other versions


@pytest.mark.parametrize("phase", ["Lost", "Warming", "Evicted"])
def test_a_phase_that_another_version_wrote_does_not_matter(phase: str) -> None:
    """A newer operator says in a word of its own that a server is not heard; whoever runs or is to start goes on."""
    one = assignment(status={"phase": phase})
    assert has_foreign_phase(one.status) and trouble(one) == foreign_end(one) == ""
    assert planned(one, held=True) == Plan()
    assert planned(one, held=False).start == (one,)
    stopped = assignment({"desired": "Stopped"}, status={"phase": phase})
    assert planned(stopped, held=True).stop == (UID,)


def test_what_a_newer_agent_ended_is_not_started_again() -> None:
    ended = {"phase": "Evicted", "startedAt": "2026-01-01T00:00:00Z", "finishedAt": "2026-01-01T00:00:05Z"}
    one = assignment(status=ended)
    assert planned(one, held=False) == Plan(leave=((one, foreign_end(one)),))
    again = assignment(status={**ended, "startedAt": "2026-01-01T00:00:09Z"})
    assert planned(again, held=False).start == (again,), "it was started since, and its record was lost"


@pytest.mark.parametrize("phase", get_args(Phase))
def test_an_older_agent_goes_on_under_an_operator_of_this_version(phase: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if this agent knew neither the phase nor Unknown, which was added last."""
    monkeypatch.setattr(unreadable, "_PHASES", unreadable._PHASES - {phase, "Unknown"})
    one = assignment(status={"phase": phase, "startedAt": "2026-01-01T00:00:00Z"})
    assert trouble(one) == "" and planned(one, held=True) == Plan()
    assert planned(one, held=False) == (Plan() if one.finished else Plan(start=(one,)))


def test_the_phases_of_this_version_are_known_to_an_agent_of_it() -> None:
    for phase in ("Pending", "Running", "Unknown", "Stopped"):
        assert not has_foreign_phase(assignment(status={"phase": phase}).status)


# What is told


def test_what_runs_says_so_beside_how_it_is() -> None:
    one = assignment({"desired": "Paused"})
    record = record_of(one, "c")
    record.phase, record.ready = "Running", True
    status = status_of(record, "127.0.0.1", 0.0, trouble(one))
    told = {c["type"]: (c["status"], c["reason"]) for c in status["conditions"]}
    assert told == {
        "Ready": ("True", "Running"),
        "Reconciling": ("False", "Settled"),
        "Stalled": ("True", "Unreadable"),
    }
    assert (status["phase"], status["reason"]) == ("Running", "Unreadable")
    assert status["message"].startswith("spec.desired: 'Paused'") and "upgrade the agent" in status["message"]
    record.reason, record.message = "ProbeFailed", "no answer"
    assert status_of(record, "127.0.0.1", 0.0, trouble(one))["reason"] == "ProbeFailed"
    assert status_of(record, "127.0.0.1", 0.0)["conditions"][2]["status"] == "False"


def test_what_does_not_run_here_keeps_what_its_status_says() -> None:
    one = assignment({"template": {"runtime": "Container"}}, status={"phase": "Warming", "restarts": 3})
    status = status_of_unread(one, trouble(one), 0.0)
    assert {*status} == {"ready", "reason", "message", "conditions"}
    fresh = status_of_unread(assignment({"desired": "Paused"}), "why", 0.0)
    assert fresh["phase"] == "Pending" and fresh["reason"] == "Unreadable"


def test_a_template_of_a_newer_agent_is_told_from_one_of_this() -> None:
    assert of_template(assignment({"template": {"runtime": "Container"}}).spec.template, ["Process"]).startswith(
        "template.runtime: "
    )
    assert of_template(assignment().spec.template, ["Process"]) == ""
    assert of_template(assignment().spec.template, []) == "template.runtime: this agent has no Process"
