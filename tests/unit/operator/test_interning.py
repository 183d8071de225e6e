"""Assignments that share what they have in common are read as any others are."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from starlink.api.assignment import Assignment, AssignmentSpec, AssignmentStatus
from starlink_operator.interning import AssignmentDecoder, Memo

words = st.text(max_size=8)
phases = st.sampled_from(["Pending", "Running", "Exited", "Failed"])
bodies = st.fixed_dictionaries({
    "metadata": st.fixed_dictionaries(
        {"name": words},
        optional={
            "namespace": words, "uid": words, "resourceVersion": words, "generation": st.integers(0, 9),
            "labels": st.dictionaries(words, words, max_size=2), "deletionTimestamp": words,
            "annotations": st.dictionaries(words, words, max_size=2), "finalizers": st.lists(words, max_size=2),
            "ownerReferences": st.lists(
                st.fixed_dictionaries({"apiVersion": words, "kind": words, "name": words, "uid": words}), max_size=2
            ),
        },
    ),
    "spec": st.fixed_dictionaries(
        {
            "server": words, "slot": words, "attempt": st.integers(1, 9),
            "template": st.fixed_dictionaries({}, optional={"command": st.lists(words), "workingDir": words}),
        },
        optional={"desired": st.sampled_from(["Running", "Stopped"]), "reason": words, "waitFor": st.lists(words)},
    ),
    "status": st.fixed_dictionaries(
        {},
        optional={
            "phase": phases, "ready": st.booleans(), "exitCode": st.integers(0, 255), "startedAt": words,
            "finishedAt": words, "message": words, "restarts": st.integers(0, 9), "signal": words,
            "endpoints": st.lists(st.fixed_dictionaries({"name": words, "address": words, "port": st.integers(1, 9)})),
            "conditions": st.lists(
                st.fixed_dictionaries({"type": words, "status": st.just("True"), "reason": words}), max_size=2
            ),
        },
    ),
})  # fmt: skip


@given(st.lists(bodies, min_size=1, max_size=5))
def test_they_are_the_same_values(read: list[dict[str, Any]]) -> None:
    lean, plain = AssignmentDecoder(), msgspec.json.Decoder(Assignment)
    for body in map(msgspec.json.encode, (*read, *read)):
        assert lean.decode(body) == plain.decode(body)


WHOLE: dict[str, Any] = {
    "spec": {
        "server": "s", "slot": "0", "attempt": 2, "template": {"command": ["run"]}, "desired": "Stopped", "reason": "r",
        "waitFor": ["u"], "hostPorts": [80],
    },
    "status": {
        "observedGeneration": 1, "phase": "Failed", "ready": True, "reason": "r", "message": "m", "exitCode": 1,
        "signal": "SIGTERM", "restarts": 1, "startedAt": "a", "finishedAt": "b", "result": {"found": [1]},
        "endpoints": [{"name": "a", "address": "b", "port": 1}], "conditions": [{"type": "Ready", "status": "True", "reason": "r"}],
    },
}  # fmt: skip


def test_no_field_is_left_out() -> None:
    body = {"metadata": {"name": "a"}, **WHOLE}
    read = AssignmentDecoder().decode(msgspec.json.encode(body))
    assert read == msgspec.convert(body, Assignment)
    for part, view in (("spec", AssignmentSpec), ("status", AssignmentStatus)):
        assert WHOLE[part].keys() == set(view.__struct_encode_fields__), "a field is not looked at"


def test_equal_templates_are_one_object() -> None:
    lean = AssignmentDecoder()
    spec = {"server": "s", "slot": "0", "attempt": 1, "template": {"command": ["run"]}}
    one, two = (
        lean.decode(msgspec.json.encode({"metadata": {"name": name, "labels": {"a": "b"}}, "spec": spec}))
        for name in ("one", "two")
    )
    assert one.spec.template is two.spec.template and one.metadata.labels is two.metadata.labels


@pytest.mark.parametrize("body", [
    b"{", b"{}", b'{"metadata":{"name":1},"spec":{}}',
    b'{"metadata":{},"spec":{"server":"s","slot":"0","attempt":1,"template":{"command":1}}}',
    b'{"metadata":{},"spec":{"server":"s","slot":"0","attempt":1,"template":{},"desired":7}}',
])  # fmt: skip
def test_what_cannot_be_read_is_told_so(body: bytes) -> None:
    with pytest.raises(msgspec.MsgspecError):
        AssignmentDecoder().decode(body)


@given(st.lists(st.text("abc", max_size=4), max_size=200), st.integers(4, 30))
def test_a_memo_is_bounded_and_gives_what_is_made(texts: list[str], most: int) -> None:
    memo = Memo[str, str](str.upper, most)
    for text in texts:
        assert memo.of(text) == text.upper()
        assert sum(len(known) for known in (*memo._young, *memo._old)) <= 2 * most


def test_what_is_asked_for_stays_in_a_memo_and_the_rest_goes() -> None:
    made: list[str] = []

    def make(text: str) -> str:
        made.append(text)
        return text

    memo = Memo[str, str](make, 40)
    for number in range(1_000):
        memo.of("used")
        memo.of(f"{number:04}")
    assert made.count("used") == 1
    assert len(memo) <= 20
