"""Times with six digits of a second."""

import copy
from typing import Any

import pytest

from starlink.apiserver.kinds.micro_times import prepare_event, prepare_lease


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000000Z"),
        ("2026-01-02T03:04:05.12+02:00", "2026-01-02T01:04:05.120000Z"),
        ("2026-01-02T03:04:05.123456789Z", "2026-01-02T03:04:05.123456Z"),
        ("2026-01-02T03:04:05.123456Z", "2026-01-02T03:04:05.123456Z"),
        ("no", "no"), ("", ""), (None, None), (5, 5),
    ],
)  # fmt: skip
def test_times_of_leases_and_events(given: object, written: object) -> None:
    lease = {"spec": {"renewTime": given, "acquireTime": given, "holderIdentity": "2026-01-02T03:04:05Z"}}
    prepare_lease(lease, None)
    told = {"renewTime": written, "acquireTime": written, "holderIdentity": "2026-01-02T03:04:05Z"}
    assert lease == {"spec": told}
    event = {"eventTime": given, "series": {"lastObservedTime": given}, "firstTimestamp": "2026-01-02T03:04:05Z"}
    prepare_event(event, None)
    assert event == {
        "eventTime": written, "series": {"lastObservedTime": written}, "firstTimestamp": "2026-01-02T03:04:05Z",
    }  # fmt: skip


@pytest.mark.parametrize("obj", [{}, {"spec": None}, {"spec": []}, {"series": 1}])
def test_what_is_of_another_shape_is_left(obj: dict[str, Any]) -> None:
    made = copy.deepcopy(obj)
    prepare_lease(made, None)
    prepare_event(made, None)
    assert made == obj


def test_what_is_given_is_not_changed() -> None:
    spec = {"renewTime": "2026-01-02T03:04:05Z"}
    prepare_lease({"spec": spec}, None)
    assert spec == {"renewTime": "2026-01-02T03:04:05Z"}
