"""The policy that keeps drivers for the operator, in StarLink's own API server. `tests/conformance/test_drivers.py`
holds it against Kubernetes."""

from typing import Any

import click
import pytest
from tests.integration.apiserver.test_bootstrap import start_again
from tests.integration.apiserver.test_policies import BINDINGS, POLICIES
from tests.integration.conftest import TASKS, Core, task

from starlink.apiserver.handler import Api
from starlink.apiserver.policies.program import Compiler, Program
from starlink.cli.intended import intend
from starlink.cli.manifests import Manifest
from starlink.cli.namespace import Namespace
from starlink.client.kube import Client
from starlink.http.message import OPERATOR, User

NAME = "drivers.starlink.dev"
DRIVER = {"runtime": "Driver", "driver": {"name": "restic", "operation": "backup"}}
BY_OPERATOR = User(OPERATOR, ("system:authenticated",))
Obj = dict[str, Any]


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[Obj]:
    """The policies that are compiled, which takes the CEL library."""
    found: list[Obj] = []
    original = Compiler.program

    def noted(self: Compiler, spec: Obj) -> Program:
        found.append(spec)
        return original(self, spec)

    monkeypatch.setattr(Compiler, "program", noted)
    return found


async def test_what_is_no_driver_and_what_the_operator_writes_needs_no_cel(core: Core, compiled: list[Obj]) -> None:
    assert (await core("POST", TASKS, task("web", replicas=2))).status == 201
    assert (await core.merge(f"{TASKS}/web", {"spec": {"replicas": 3}})).status == 200
    assert (await core("POST", TASKS, task("backup", template=DRIVER), user=BY_OPERATOR)).status == 201
    told = {"spec": {"template": {"driver": {"spec": {"keep": 3}}}}}
    assert (await core.merge(f"{TASKS}/backup", told, user=BY_OPERATOR)).status == 200
    assert (await core.merge(f"{TASKS}/backup", {"metadata": {"labels": {"a": "b"}}})).status == 200
    assert compiled == []
    assert (await core.merge(f"{TASKS}/backup", told | {"spec": {"suspend": True}})).status == 403
    assert len(compiled) == 1


async def test_a_start_brings_it_back_as_it_ships(api: Api, core: Core) -> None:
    shipped = [(await core("GET", f"{path}/{NAME}")).body["spec"] for path in (POLICIES, BINDINGS)]
    assert (await core.merge(f"{POLICIES}/{NAME}", {"spec": {"failurePolicy": "Ignore"}})).status == 200
    assert (await core("DELETE", f"{BINDINGS}/{NAME}")).status == 200
    assert (await core("POST", TASKS, task("backup", template=DRIVER))).status == 201
    await start_again(api)
    assert [(await core("GET", f"{path}/{NAME}")).body["spec"] for path in (POLICIES, BINDINGS)] == shipped
    assert (await core("POST", TASKS, task("other", template=DRIVER))).status == 403


async def test_a_plan_says_who_may_and_does_not_judge_it_as_written(client: Client) -> None:
    one = Manifest("backup.yaml, document 1", task("backup", template=DRIVER))
    said = (
        "backup.yaml, document 1: policy drivers.starlink.dev: only StarLink's operator may create what is of runtime"
    )
    with pytest.raises(click.ClickException) as refused:
        await intend(client, [one], Namespace("default"))
    assert str(refused.value).startswith(said)


@pytest.mark.parametrize(
    "spec", [{}, {"template": []}, {"template": "odd"}, {"template": {}}, {"template": {"runtime": 7}}]
)
async def test_what_a_looser_schema_lets_in_is_no_driver(core: Core, spec: Obj) -> None:
    crd = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/tasks.starlink.dev"
    versions = (await core("GET", crd)).body["spec"]["versions"]
    schema = versions[0]["schema"]["openAPIV3Schema"]
    schema.pop("x-kubernetes-validations")
    schema["properties"]["spec"] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    assert (await core.merge(crd, {"spec": {"versions": versions}})).status == 200
    assert (await core("POST", TASKS, {**task("odd"), "spec": spec})).status == 201
    assert (await core.merge(f"{TASKS}/odd", {"spec": {"suspend": True}})).status == 200
    refused = await core.merge(f"{TASKS}/odd", {"spec": {"template": DRIVER}})
    assert refused.status == 403 and "only StarLink's operator" in refused.body["message"]
