"""Bulk writes. Pure."""

from collections.abc import Callable, Sequence
from typing import Any

from bench import assignments
from bench.growing.case import Case, Obj, gone, named, send
from starlink.http.message import Request

_HEAD = b'{"apiVersion":"bulk.starlink.dev/v1alpha1","kind":"BulkWrite","items":['


_CREATION = {"verb": "create", "namespace": "default", "object": assignments.assignment(0)}
_WITHOUT_END = b'{"verb":"create","namespace":"a","object":'


def _bulk(items: Sequence[Any], dry_run: str = "") -> Request:
    body = {"apiVersion": "bulk.starlink.dev/v1alpha1", "kind": "BulkWrite", "items": items}
    return send("POST", assignments.BULK, body, dryRun=dry_run)


def _raw(items: Callable[[int], bytes]) -> Callable[[int], Request]:
    return lambda n: send("POST", assignments.BULK, _HEAD + items(n) + b"]}")


def _creation(obj: Obj) -> Obj:
    return {"verb": "create", "namespace": "default", "object": obj}


def _report(status: Any) -> Obj:
    return {"verb": "patch", "namespace": "default", "name": "x", "subresource": "status", "object": {"status": status}}


def _one(_n: int) -> Sequence[Request]:
    """One Assignment, in place of an earlier one."""
    obj = named("Assignment", "starlink.dev/v1alpha1", spec=assignments.assignment(0)["spec"])
    return (*gone(assignments.PATH), send("POST", assignments.PATH, obj))


CASES: tuple[Case, ...] = (
    Case(
        "bulk: n creates",
        lambda n: _bulk([_creation(assignments.assignment(number)) for number in range(n)], "All"),
        60,
    ),
    Case(
        "bulk: n reports of one object",
        lambda n: _bulk([_report({"phase": "Running", "restarts": number}) for number in range(n)]),
        60,
        _one,
    ),
    Case("bulk: n creates of one object", lambda n: _bulk([_CREATION] * n, "All"), 60),
    Case("bulk: n creates that are refused", lambda n: _bulk([_creation({"spec": {"server": 7}})] * n), 60),
    Case("bulk: n items that are none", _raw(lambda n: b"[]," * n + b"1"), 20_000),
    Case("bulk: n items without anything", _raw(lambda n: b"{}," * n + b"{}"), 20_000),
    Case(
        "bulk: n wrong items, the last by its type",
        lambda n: _bulk([*[{"verb": "none"}] * n, {"verb": 1}]),
        60,
    ),
    Case("bulk: an object of n values", lambda n: _bulk([_creation({"list": list(range(n))})]), 12_000),
    Case(
        "bulk: n brackets in an object",
        _raw(lambda n: _WITHOUT_END + b"[" * n),
        50_000,
    ),
    Case("bulk: a namespace n long", lambda n: _bulk([{**_report({}), "namespace": "a" * n}]), 100_000),
    Case("bulk: a verb n long", lambda n: _bulk([{**_report({}), "verb": "a" * n}]), 100_000),
    Case("bulk: n unknown fields", lambda n: _bulk([{**_report({}), **{f"k{i}": 1 for i in range(n)}}]), 4_000),
)
