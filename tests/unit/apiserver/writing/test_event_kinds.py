"""What Events must say."""

from typing import Any

import pytest

from starlink.apiserver.kinds import event_kinds
from starlink.apiserver.kinds.builtin import builtin_resources

CORE, NEW = (
    next(r for r in builtin_resources() if (r.kind, r.group) == ("Event", group)) for group in ("", "events.k8s.io")
)
REPORT = {
    "eventTime": "2030-01-02T03:04:05.000000Z", "reportingController": "example.com/c", "reportingInstance": "c-1",
    "action": "Trying", "reason": "Tried", "type": "Normal",
}  # fmt: skip


def event(about: str, namespace: str = "ns", **fields: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "metadata": {"namespace": namespace}, "regarding": {"namespace": about}, **fields}


def told(obj: dict[str, Any], old: dict[str, Any] | None = None) -> dict[str, str]:
    return {cause.field: cause.message for cause in event_kinds.check(NEW, obj, old)}


@pytest.mark.parametrize(
    ("about", "namespace", "fits"), [("ns", "ns", True), ("", "default", True), ("", "ns", False), ("a", "ns", False)]
)
def test_core_events_lie_beside_what_they_are_about(about: str, namespace: str, fits: bool) -> None:
    obj = {"apiVersion": "v1", "metadata": {"namespace": namespace}, "involvedObject": {"namespace": about}}
    causes = [cause.field for cause in event_kinds.check(CORE, obj, None)]
    assert causes == ([] if fits else ["involvedObject.namespace"])


def test_a_whole_report() -> None:
    assert told(event("ns", **REPORT)) == {}
    assert told(event("", "kube-system", **REPORT)) == {}


def test_what_is_missing_or_too_long() -> None:
    assert told(event("ns"))["eventTime"] == "Required value"
    assert told(event("ns", **{**REPORT, "reason": ""})) == {"reason": "Required value"}
    long = told(event("ns", **{**REPORT, "note": "x" * 1025}))
    assert long == {"message": 'Invalid value: "": can have at most 1024 characters'}
    assert told(event("ns", **REPORT, deprecatedCount=1)) == {"count": 'Invalid value: "": needs to be unset'}


def test_what_changes() -> None:
    old = event("ns", **REPORT)
    assert told({**old, "series": {"count": 2, "lastObservedTime": "2030-01-02T03:04:05.000000Z"}}, old) == {}
    assert set(told({**old, "series": {"count": 1}}, old)) == {"series.count", "series.lastObservedTime"}
    assert told({**old, "reason": "Other"}, old) == {"reason": 'Invalid value: "Other": field is immutable'}
