"""The options of writes, as the real server reads and refuses them."""

from typing import Any

import msgspec
import pytest

from starlink.api.errors import StatusError
from starlink.apiserver.kinds.builtin import builtin_resources
from starlink.apiserver.objects.options import DeleteOptions
from starlink.apiserver.requests import options
from starlink.apiserver.resources.resource import Registry
from starlink.http.message import Request

REGISTRY = Registry(builtin_resources())


def asked(method: str, body: Any = None, **query: str) -> Request:
    return Request(method, "/", query, {"user-agent": "me/1"}, msgspec.json.encode(body) if body is not None else b"")


def causes(error: StatusError) -> dict[str, str]:
    return {cause.field: cause.message for cause in error.causes}


def test_all_that_is_wrong_is_told() -> None:
    with pytest.raises(StatusError) as refused:
        options.write_options(asked("PATCH", force="", dryRun="all", fieldValidation="x", fieldManager="a" * 129))
    assert (refused.value.code, refused.value.kind) == (422, "PatchOptions")
    assert causes(refused.value) == {
        "force": "Forbidden: may not be specified for non-apply patch",
        "fieldManager": "Too long: may not be more than 128 bytes",
        "dryRun": 'Unsupported value: []string{"all"}: supported values: "All"',
        "fieldValidation": 'Unsupported value: "x": supported values: "", "Ignore", "Strict", "Warn"',
    }


@pytest.mark.parametrize(("method", "kind"), [("POST", "CreateOptions"), ("PUT", "UpdateOptions")])
def test_they_are_refused_by_their_own_name(method: str, kind: str) -> None:
    with pytest.raises(StatusError) as refused:
        options.write_options(asked(method, fieldManager="a\x01"))
    assert refused.value.kind == kind
    assert causes(refused.value) == {
        "fieldManager": 'Invalid value: "a\\x01": invalid character U+0001 (at position 1)'
    }


def test_an_empty_dry_run_is_none_that_there_is() -> None:
    with pytest.raises(StatusError):
        options.write_options(asked("PUT", dryRun=""))
    assert options.write_options(asked("PUT", dryRun="All")).dry_run
    assert not options.write_options(asked("PUT", fieldManager="m")).dry_run


def test_force_is_of_an_apply_alone() -> None:
    assert not options.write_options(asked("POST", force="true")).force
    assert options.write_options(asked("PATCH", force="true", fieldManager="m"), apply=True).force
    with pytest.raises(StatusError):
        options.write_options(asked("PATCH", force="true"), apply=True)


@pytest.mark.parametrize(("text", "is_set"), [("true", True), ("x", True), ("", True), ("False", False), ("0", False)])
def test_what_is_not_false_is_true(text: str, is_set: bool) -> None:
    assert options.flag(asked("GET", watch=text), "watch") is is_set
    assert not options.flag(asked("GET"), "watch")


@pytest.mark.parametrize(
    ("text", "number"), [("-1", -1), ("+7", 7), (str(2**63 - 1), 2**63 - 1), (str(-(2**63)), -(2**63))]
)
def test_whole_numbers(text: str, number: int) -> None:
    assert options.int64(asked("GET", limit=text), "limit") == number


@pytest.mark.parametrize("text", ["", "x", "1.0", "--1", "٣", str(2**63), "9" * 30])
def test_what_is_no_whole_number(text: str) -> None:
    with pytest.raises(StatusError) as refused:
        options.int64(asked("GET", limit=text), "limit")
    assert refused.value.code == 400
    assert refused.value.message.startswith('limit: strconv.ParseInt: parsing "')


@pytest.mark.parametrize(
    "body",
    [
        {"dryRun": "All"}, {"dryRun": [1]}, {"gracePeriodSeconds": "x"}, {"gracePeriodSeconds": 1.5}, {"preconditions": "x"}, {"preconditions": {"uid": 1}},
        {"orphanDependents": "true"}, {"propagationPolicy": 1}, {"kind": "X"}, {"apiVersion": 1},
    ],
)  # fmt: skip
def test_a_delete_that_can_t_be_read_deletes_nothing(body: dict[str, Any]) -> None:
    with pytest.raises(StatusError) as refused:
        options.delete_options(asked("DELETE", body), REGISTRY)
    assert refused.value.code == 400


def test_what_a_delete_says() -> None:
    body = {"dryRun": ["All"], "preconditions": {"uid": "u", "resourceVersion": "5"}, "propagationPolicy": "Orphan"}
    assert options.delete_options(asked("DELETE", body), REGISTRY) == DeleteOptions("u", "5", "Orphan", True)
    assert options.delete_options(asked("DELETE", orphanDependents="false"), REGISTRY).propagation == "Background"
    with pytest.raises(StatusError) as refused:
        options.delete_options(asked("DELETE", {"dryRun": ["All", "x"]}), REGISTRY)
    assert causes(refused.value) == {"dryRun": 'Unsupported value: []string{"All", "x"}: supported values: "All"'}
    with pytest.raises(StatusError):
        options.delete_options(asked("DELETE", gracePeriodSeconds="x"), REGISTRY)
