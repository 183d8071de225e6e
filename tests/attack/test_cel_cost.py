"""No rule and no policy holds the API server, whatever it is asked to look at."""

import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from bench.core import core
from bench.growing.case import CRDS, MERGE, named, send
from tests.attack.prepared import ask

from starlink.api.errors import Cause
from starlink.apiserver.cel import library
from starlink.apiserver.definitions import crd_checks
from starlink.apiserver.handler import Api
from starlink.apiserver.policies.program import Compiler, Run

DEAR = "self.a.all(x, x in self.b)"
THINGS = "/apis/dear.example.com/v1/things"
NUMBERS = {"type": "array", "items": {"type": "integer"}}
SPEC: dict[str, Any] = {
    "type": "object",
    "properties": {"a": {**NUMBERS, "maxItems": 9_000}, "b": {**NUMBERS, "maxItems": 60_000}},
    "x-kubernetes-validations": [{"rule": DEAR}, {"rule": "self.a.size() > 0"}],
}
LARGE = {"a": list(range(9_000)), "b": list(range(60_000))[::-1]}


def definition(spec: Any) -> Any:
    schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}
    names = {"plural": "things", "singular": "thing", "kind": "Thing", "listKind": "ThingList"}
    version = {"name": "v1", "served": True, "storage": True, "schema": schema}
    held = {"group": "dear.example.com", "scope": "Cluster", "names": names, "versions": [version]}
    name = "things.dear.example.com"
    return named("CustomResourceDefinition", "apiextensions.k8s.io/v1", name, spec=held)


def thing(spec: Any) -> Any:
    return named("Thing", "dear.example.com/v1", spec=spec)


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with core(tmp_path) as made:
        yield made


@pytest.fixture
async def old(api: Api, monkeypatch: pytest.MonkeyPatch) -> Api:
    """A server whose store has such a CRD from a version that estimated nothing."""
    with estimating_nothing(monkeypatch):
        status, told = await ask(api, send("POST", CRDS, definition(SPEC)))
    assert status == 201, told
    return api


@contextlib.contextmanager
def estimating_nothing(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As versions did that let rules cost what they may."""
    known = crd_checks.schema_causes

    def look(schema: Any, path: str, *, status: bool, costs: bool) -> list[Cause]:
        return known(schema, path, status=status, costs=False)

    with monkeypatch.context() as before:
        before.setattr(crd_checks, "schema_causes", look)
        yield


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """The expressions that are run."""
    ran: list[Any] = []
    evaluate = library.evaluate

    def watched(expression: Any, *asked: Any) -> library.Outcome:
        ran.append(expression)
        return evaluate(expression, *asked)

    monkeypatch.setattr(library, "evaluate", watched)
    yield ran


async def test_a_crd_whose_rule_may_look_up_9_000_entries_among_60_000_is_refused(api: Api) -> None:
    status, told = await ask(api, send("POST", CRDS, definition(SPEC)))
    assert status == 422 and "estimated rule cost exceeds budget by factor of 54.0x" in told["message"]
    assert {cause["reason"] for cause in told["details"]["causes"]} == {"FieldValueForbidden"}
    small = {**SPEC, "properties": {"a": {**NUMBERS, "maxItems": 900}, "b": {**NUMBERS, "maxItems": 6_000}}}
    status, told = await ask(api, send("POST", CRDS, definition(small)))
    assert status == 201, told


async def test_a_stored_one_refuses_what_would_take_long_and_runs_nothing(old: Api, run: list[Any]) -> None:
    status, told = await ask(old, send("POST", THINGS, thing(LARGE)))
    assert status == 422 and not run
    why = "no further validation rules will be run due to call cost exceeds limit"
    assert f"'operation cancelled: actual cost limit exceeded': {why} for rule: {DEAR}" in told["message"]
    assert len(told["details"]["causes"]) == 1


async def test_a_stored_one_still_takes_what_is_small(old: Api, run: list[Any]) -> None:
    status, told = await ask(old, send("POST", THINGS, thing({"a": [1, 2], "b": [2, 1]})))
    assert status == 201 and run, told
    status, told = await ask(old, send("PATCH", f"{THINGS}/x", {"spec": {"a": [3]}}, MERGE))
    assert status == 422 and f"failed rule: {DEAR}" in told["message"]


async def test_a_stored_one_can_be_changed_but_for_its_rules(old: Api) -> None:
    crd = f"{CRDS}/things.dear.example.com"
    status, told = await ask(old, send("PATCH", crd, {"spec": {"names": {"shortNames": ["th"]}}}, MERGE))
    assert status == 200, told
    wider = definition({**SPEC, "properties": {"a": NUMBERS, "b": NUMBERS}})["spec"]["versions"]
    status, told = await ask(old, send("PATCH", crd, {"spec": {"versions": wider}}, MERGE))
    assert status == 422 and "estimated rule cost exceeds budget" in told["message"]


async def test_many_small_parts_do_not_add_up_to_a_long_time(
    api: Api, monkeypatch: pytest.MonkeyPatch, run: list[Any]
) -> None:
    """Each part may be looked at by itself, and not all of them."""
    part = {**SPEC, "x-kubernetes-validations": [{"rule": DEAR}]}
    with estimating_nothing(monkeypatch):
        parts = {"type": "object", "properties": {"parts": {"type": "array", "items": part}}}
        assert (await ask(api, send("POST", CRDS, definition(parts))))[0] == 201
    each = {"a": list(range(400)), "b": list(range(1_000, -1, -1))}
    status, told = await ask(api, send("POST", THINGS, thing({"parts": [each] * 60})))
    assert status == 422 and "validation failed due to running out of cost budget" in told["message"]
    assert 10 < len(run) < 60


def test_a_policy_refuses_what_would_take_long_and_runs_nothing(run: list[Any]) -> None:
    text = "object.spec.a.all(x, x in object.spec.b)"
    spec = {
        "variables": [{"name": "long", "expression": text}],
        "validations": [
            {"expression": text},
            {"expression": "variables.long"},
            {"expression": "object.kind == 'Thing'"},
        ],
    }
    program = Compiler(lambda _question: (False, "")).program(spec)
    known = {"object": thing(LARGE), "oldObject": None, "request": {}, "namespaceObject": None}
    one = Run(program, {**known, "authorizer": {}, "authorizer.requestResource": {}})
    direct, by_variable, other = (one.evaluate(validation.expression) for validation in program.validations)
    assert direct.error == f"expression '{text}' resulted in error: operation cancelled: actual cost limit exceeded"
    assert "actual cost limit exceeded" in by_variable.error
    assert other.value is True and other.error == ""
    assert run == [program.validations[1].expression.program, program.validations[2].expression.program]
