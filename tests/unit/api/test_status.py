"""Of a status only what changes is written, and what is written makes it say what was declared."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from starlink.api.merge_patch import merge, replacing
from starlink.api.meta import Condition
from starlink.api.pool import Pool
from starlink.api.status import changes, field_changes
from starlink.api.task import TaskStatus

NOW = 1_700_000_000.0
READY = Condition(type="Ready", status="True", reason="Well")

members = st.text("ab", max_size=2)
values = st.recursive(
    st.integers() | st.text(max_size=3) | st.booleans(),
    lambda inner: st.dictionaries(members, inner, max_size=3) | st.lists(st.integers(), max_size=2),
)


@given(st.dictionaries(members, values), st.dictionaries(members, values))
def test_a_replacement_makes_the_new_of_the_old(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert merge(old, replacing(old, new)) == new


def pool(**status: Any) -> Pool:
    return msgspec.convert({"metadata": {"name": "p", "generation": 2}, "status": status}, Pool)


def test_what_the_status_says_already_is_not_written() -> None:
    old = pool(servers=2, capacity={"cpu": "4"}, quota="cpu 1/4")
    assert field_changes(old.status, {"servers": 2, "capacity": {"cpu": "4"}, "quota": "cpu 1/4"}) == {}
    assert field_changes(old.status, {"servers": 3, "quota": "cpu 1/4"}) == {"servers": 3}
    assert field_changes(old.status, {"servers": 2, "assignments": 0}, always=("assignments",)) == {"assignments": 0}


def test_a_map_is_replaced_whole() -> None:
    old = pool(capacity={"cpu": "4", "gpu": "1"})
    assert field_changes(old.status, {"capacity": {"cpu": "8"}}) == {"capacity": {"cpu": "8", "gpu": None}}


@pytest.mark.parametrize("artifact", [{"source": "could not be read"}, {"digest": "b" * 64, "source": "ELF headers"}])
def test_a_finding_takes_the_place_of_an_earlier_one(artifact: dict[str, Any]) -> None:
    before = {"digest": "a" * 64, "architectures": ["arm64"], "source": "ELF headers"}
    status = msgspec.convert({"artifact": before}, TaskStatus)
    written = merge({"artifact": before}, field_changes(status, {"artifact": artifact}))
    assert written == {"artifact": artifact}
    assert field_changes(msgspec.convert(written, TaskStatus), {"artifact": artifact}) == {}


def test_a_field_that_is_not_to_be_there_is_taken_away_once() -> None:
    status = TaskStatus(started_at="2026-01-01T00:00:00Z")
    assert field_changes(status, {"startedAt": None, "finishedAt": None}) == {"startedAt": None}


def test_conditions_are_of_the_generation_and_others_stay() -> None:
    theirs = {"type": "Theirs", "status": "True", "reason": "Theirs", "lastTransitionTime": "2020-01-01T00:00:00Z"}
    changed = changes(pool(conditions=[theirs]), {}, [READY], NOW)
    assert [(c["type"], c["observedGeneration"], c["lastTransitionTime"][:4]) for c in changed["conditions"]] == [
        ("Ready", 2, "2023"),
        ("Theirs", 0, "2020"),
    ]
    assert changes(pool(conditions=changed["conditions"]), {}, [READY], NOW + 60) == {}
