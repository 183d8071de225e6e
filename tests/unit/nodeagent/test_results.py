"""A result as it is told: a merge patch that replaces, read again by the next agent, and never what can't be meant."""

from pathlib import Path
from typing import Any

import pytest
from tests.unit.nodeagent.fakes import record

from starlink.api.assignment import LARGEST_RESULT, AssignmentStatus
from starlink_nodeagent.reporting.report import is_news, replacing, status_of
from starlink_nodeagent.runtimes.contract import Finding
from starlink_nodeagent.runtimes.driver.result import INVALID, read

ANY = {"type": "object"}


def merged(target: Any, patch: Any) -> Any:
    """As RFC 7386 has it."""
    if not isinstance(patch, dict):
        return patch
    found = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            found.pop(name, None)
        else:
            found[name] = merged(found.get(name), value)
    return found


RESULTS: list[dict[str, Any]] = [
    {},
    {"a": 1},
    {"a": {"b": 1, "c": {"d": 1}}},
    {"a": {"c": {"e": 2}}, "f": [1, {"g": 1}]},
    {"a": [1]},
    {"h": "x", "f": {"g": 1}},
]


@pytest.mark.parametrize("old", [None, *RESULTS])
@pytest.mark.parametrize("new", RESULTS)
def test_a_result_replaces_the_one_that_is_there(old: dict[str, Any] | None, new: dict[str, Any]) -> None:
    there = {"phase": "Running", **({} if old is None else {"result": old})}
    assert merged(there, replacing({"phase": "Running", "result": new}, old))["result"] == new


def test_a_status_without_a_result_leaves_the_one_that_is_there() -> None:
    assert "result" not in replacing(status_of(record(), "", 0.0), {"a": 1})


def test_what_is_wrong_with_a_result_is_the_reason_where_the_record_has_none() -> None:
    one, bad = record(), Finding(None, INVALID, "it is too large")
    status = status_of(one, "", 0.0, finding=bad)
    assert (status["reason"], status["message"]) == (INVALID, "it is too large") and "result" not in status
    one.reason, one.message = "ProbeFailed", "of its own"
    assert status_of(one, "", 0.0, finding=bad)["reason"] == "ProbeFailed"


def test_a_result_that_was_not_heard_is_news() -> None:
    one = record()
    heard = AssignmentStatus(phase="Pending", result={"a": 1})
    assert is_news(one, heard, "", Finding({"a": 2})) and not is_news(one, heard, "", Finding({"a": 1}))
    assert not is_news(one, heard, "", Finding())


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no JSON object"),
        (b"[1]", "no JSON object"),
        (b'"text"', "no JSON object"),
        (b'{"a":"\xff"}', "no JSON object"),
        (b'{"a":1e999}', "no JSON object"),
        (b'{"a":' + b"[" * 8000 + b"]" * 8000 + b"}", "too deep"),
        (b'{"a":' * 40 + b"1" + b"}" * 40, "more than 32 levels"),
        (b'{"a":"' + b"x" * LARGEST_RESULT + b'"}', "more than 16384 bytes"),
    ],
)
def test_what_is_no_result(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "result.json"
    path.write_bytes(content)
    found = read(path, ANY)
    assert (found.result, found.reason) == (None, INVALID) and words in found.message


def test_a_result_is_as_an_api_server_keeps_it(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    assert read(path, ANY) == Finding()
    path.write_bytes(b'{"a":null,"b":{"c":null},"d":[null,1],"e":123456789012345678901234567890}')
    assert read(path, ANY) == Finding({"b": {}, "d": [1], "e": 1.2345678901234568e29})


def test_a_result_of_the_largest_size_is_one(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_bytes(b'{"a":"' + b"x" * (LARGEST_RESULT - 8) + b'"}')
    assert read(path, ANY).reason == ""
