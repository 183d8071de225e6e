"""Policies look at large objects beside the event loop, and what changes meanwhile is caught."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.integration.apiserver.test_policies import MAP_RULE, MAPS, binding, config, policy, put_in_force
from tests.integration.conftest import ADMIN, Core

from starlink.apiserver.handler import Api
from starlink.apiserver.policies import checks
from starlink.apiserver.policies.program import Compiler, Run
from starlink.apiserver.requests import audit
from starlink.apiserver.security.authorization.authorizer import Authorizer

KEYS = {f"k{number}": "v" for number in range(9_000)}
GUARD_SECONDS = 30.0
"""How long a thread waits for what surely comes."""

Noted = Callable[[Any, str], list[int]]


@pytest.fixture
def noted(monkeypatch: pytest.MonkeyPatch) -> Noted:
    """Has a function's calls note the threads that they are on."""

    def of(owner: Any, name: str) -> list[int]:
        threads: list[int] = []
        original = getattr(owner, name)

        def call(*arguments: Any) -> Any:
            threads.append(threading.get_ident())
            return original(*arguments)

        monkeypatch.setattr(owner, name, call)
        return threads

    return of


async def test_a_large_object_is_looked_at_beside_the_loop(core: Core, noted: Noted) -> None:
    may = "authorizer.group('').resource('configmaps').namespace('default').check('get').allowed()"
    await put_in_force(core, policy("(object == null ? oldObject : object).data.all(k, k != 'x')", may, rule=MAP_RULE))
    evaluated, authorized = noted(Run, "evaluate"), noted(Authorizer, "authorize")
    assert (await core("POST", MAPS, config("large", **KEYS))).status == 201
    assert (await core.merge(f"{MAPS}/large", {"data": {"k1": "w"}})).status == 200
    assert (await core("DELETE", f"{MAPS}/large")).status == 200
    assert len(evaluated) == 6 and threading.get_ident() not in evaluated
    assert authorized and set(authorized) == {threading.get_ident()}, "the store is the loop's"


async def test_a_small_object_is_looked_at_at_once(core: Core, noted: Noted) -> None:
    await put_in_force(core, policy("size(object.data) > 0", rule=MAP_RULE))
    evaluated = noted(Run, "evaluate")
    assert (await core("POST", MAPS, config("small", a="b"))).status == 201
    assert evaluated == [threading.get_ident()]


async def test_large_parameters_are_read_beside_the_loop(core: Core, noted: Noted) -> None:
    assert (await core("POST", MAPS, config("given", **KEYS))).status == 201
    kind = {"apiVersion": "v1", "kind": "ConfigMap"}
    ref = {"name": "given", "namespace": "default", "parameterNotFoundAction": "Deny"}
    rule = {**MAP_RULE, "resources": ["secrets"]}
    await put_in_force(core, policy("'k1' in params.data", rule=rule, paramKind=kind), binding(paramRef=ref))
    evaluated = noted(Run, "evaluate")
    path = "/api/v1/namespaces/default/secrets"
    assert (await core("POST", path, {"metadata": {"name": "s"}})).status == 201
    assert len(evaluated) == 1 and threading.get_ident() not in evaluated


async def test_a_policy_is_compiled_beside_the_loop_and_once(core: Core, noted: Noted) -> None:
    checked, compiled = noted(checks, "policy"), noted(Compiler, "program")
    await put_in_force(core, policy("size(object.data) > 0", rule=MAP_RULE))
    assert (await core("POST", MAPS, config("small", a="b"))).status == 201
    assert checked and compiled and threading.get_ident() not in {*checked, *compiled}
    assert len(compiled) == 1


async def test_what_is_told_of_a_large_object(api: Api, core: Core, tmp_path: Path) -> None:
    """Refusals, warnings and annotations are those of a small one."""
    api._audit = audit.AuditLog(tmp_path / "audit.log", lambda: 0.0)
    told = {"key": "keys", "valueExpression": "string(size(object.data))"}
    await put_in_force(
        core, policy("!('k1' in object.data)", rule=MAP_RULE, auditAnnotations=[told]), binding(("Warn", "Audit"))
    )
    made = await core("POST", MAPS, config("large", **KEYS))
    assert made.status == 201 and "failed expression" in made.headers["warning"]
    api._audit.close()
    lines = [msgspec.json.decode(line) for line in (tmp_path / "audit.log").read_bytes().splitlines()]
    annotations = next(one["annotations"] for one in lines if "annotations" in one)
    assert annotations["p/keys"] == str(len(KEYS))
    assert "validation.policy.admission.k8s.io/validation_failure" in annotations


class Held:
    """The first look at an object of so many keys waits, beside the loop, until it is let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.looks = 0
        self._let_go, self._begun, self._evaluate = threading.Event(), threading.Event(), Run.evaluate
        monkeypatch.setattr(Run, "evaluate", lambda run, expression: self._look(run, expression))

    def _look(self, run: Run, expression: Any) -> Any:
        if len(run.known["object"].get("data") or ()) >= len(KEYS):
            self.looks += 1
            self._begun.set()
            assert self._let_go.wait(GUARD_SECONDS)
        return self._evaluate(run, expression)

    async def begun(self) -> None:
        assert await asyncio.to_thread(self._begun.wait, GUARD_SECONDS)

    def let_go(self) -> None:
        self._let_go.set()


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    made = Held(monkeypatch)
    yield made
    made.let_go()


async def test_a_change_that_comes_between_is_not_lost(core: Core, held: Held) -> None:
    assert (await core("POST", MAPS, config("x", a="b"))).status == 201
    await put_in_force(core, policy("size(object.data) > 0", rule=MAP_RULE))
    writing = asyncio.create_task(core.merge(f"{MAPS}/x", {"data": KEYS}))
    await held.begun()
    assert (await core.merge(f"{MAPS}/x", {"data": {"between": "kept"}})).status == 200
    held.let_go()
    assert (await writing).status == 200
    data = (await core("GET", f"{MAPS}/x")).body["data"]
    assert data == {"a": "b", "between": "kept", **KEYS}
    assert held.looks == 2, "what is written was looked at"


async def test_a_namespace_that_goes_meanwhile_gets_nothing_new(core: Core, held: Held) -> None:
    assert (await core("POST", "/api/v1/namespaces", {"metadata": {"name": "ns"}})).status == 201
    await put_in_force(core, policy("size(object.data) > 0", rule=MAP_RULE))
    writing = asyncio.create_task(core("POST", "/api/v1/namespaces/ns/configmaps", config("x", **KEYS), user=ADMIN))
    await held.begun()
    assert (await core("DELETE", "/api/v1/namespaces/ns")).status == 200
    held.let_go()
    assert (await writing).status in (403, 404)
