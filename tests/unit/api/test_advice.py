"""What is told of fields and values that a kind of StarLink's refuses."""

from typing import Any

import pytest
from tests.crds import schema_of

from starlink.api import advice
from starlink.api.kinds import GROUP
from starlink.api.places import descend, fields, schema_at, value_at

NAMED = {"type": "object", "properties": {name: {"type": "string"} for name in ("name", "namespace", "labels")}}


def schema(plural: str) -> dict[str, Any]:
    found = schema_of(plural)
    return {**found, "properties": {**found["properties"], "metadata": NAMED}}


TASKS, POOLS = schema("tasks"), schema("pools")


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("spec.replica", "did you mean replicas?"),
        ("spec.Replicas", "did you mean replicas?"),
        ("spec.placement.lost_after", "did you mean lostAfter?"),
        ("spec.template.enviroment", "did you mean env?"),
        ("spec.template.cmd", "did you mean command?"),
        ("spec.template.ports[0].nam", "did you mean name?"),
        ("spec.template.resources.request", "did you mean requests?"),
        ("metadata.lables", "did you mean labels?"),
        ("spec.restart", "restart belongs under spec.template"),
        ("replicas", "replicas belongs under spec"),
        ("spec.name", "name belongs under metadata"),
        ("spec.template.metadata", "metadata belongs at the top, beside spec"),
        ("spec.port", "port belongs under spec.template.ports[]"),
        ("spec.weight", "weight belongs under spec.placement.affinity[] or spec.placement.antiAffinity[]"),
        ("spec.template.resources.cpu", "cpu belongs under spec.template.resources.requests"),
        ("spec.template.cpus", "did you mean cpu, under spec.template.resources.requests?"),
        ("spec.enviroment", "did you mean env, under spec.template?"),
        ("spec.strategy", "write spec.update.maxUnavailable, such as 1 or 25%"),
        ("spec.frob", ""),
        ("spec.template.frob", ""),
        ("spec.template.volumes", ""),
        ("spec.template.foo.bar", ""),
        (f"spec.{'replicas' * 10}", ""),
    ],
)
def test_an_unknown_field_of_a_task(path: str, said: str) -> None:
    assert advice.of_field("Task", TASKS, path) == said


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("spec.quot", "did you mean quota?"),
        ("spec.quota.cpus", "did you mean cpu?"),
        ("spec.cpu", "cpu belongs under spec.quota or spec.lend or spec.borrow"),
        ("spec.tolerations", ""),
        ("spec.image", ""),
    ],
)
def test_another_kind_has_its_own_fields_and_no_habits_of_a_task(path: str, said: str) -> None:
    assert advice.of_field("Pool", POOLS, path) == said


def test_without_a_schema_habits_are_left() -> None:
    assert advice.of_field("Task", {}, "spec.template.image").startswith("a Task runs a program")
    assert advice.of_field("Task", {}, "spec.replica") == "" == advice.of_value("Task", {}, "spec.replicas", "3")


SIZES = (
    "must be a size in bytes: a number with at most three decimals and, right behind it, a unit or none, such as 10Mi, "
    "at most 999999999Gi"
)
WORDS = 'must be a list of words, such as [python3, server.py]; for a shell line write [sh, -c, "…"]'


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("spec.template.command", "sleep 1000", WORDS),
        ("spec.template.probes.readiness.exec.command", "true", WORDS),
        ("spec.template.ports", 8080, "must be a list, such as [{name: http, port: 8080}]"),
        ("spec.placement.architectures", "amd64", 'must be a list: write ["amd64"]'),
        ("spec.placement.tolerations", {"key": "a"}, "must be a list"),
        ("spec.template.env[0].value", 1, 'must be text: write "1", in quotes'),
        ("spec.template.env[0].value", True, "must be text: write it in quotes"),
        ("spec.replicas", "3", "must be a whole number: write 3, without quotes"),
        ("spec.suspend", "True", "must be true or false: write true, without quotes"),
        ("spec.placement.lostAfter", "5 minutes", "must be a duration: write 5m"),
        ("spec.placement.lostAfter", 30, "must be a duration: write 30s"),
        ("spec.template.resources.requests.memory", "12 GB", "must be a quantity: write 12Gi or 12G"),
        ("spec.template.resources.requests.nvidia.com/gpu", "1 gpu", "must be a quantity: write 1"),
        ("spec.template.resources.requests.cpu", 0.5, 'must be a quantity: write "0.5"'),
        ("spec.template.logs.maxSize", "10 MB", "must be a size in bytes: write 10Mi or 10M"),
        ("spec.template.logs.maxSize", "9999999999Gi", SIZES),
        ("spec.template.resources.requests", {"cpus": 1, "gpus": 1, "x.io/y": 1}, "write cpu for cpus, gpu for gpus"),
        ("spec.template.resources.requests", {"frob": 1}, ""),
        ("spec.replicas", -1, ""),
        ("spec.replicas", "three", ""),
        ("spec.template.command", ["sleep"], ""),
        ("spec.placement.lostAfter", "1s", ""),
        ("spec.template.resources.requests.cpu", -1, ""),
        ("spec.nothing", "x", ""),
        ("<nil>", None, ""),
    ],
)
def test_a_value_that_is_refused(path: str, value: Any, said: str) -> None:
    assert advice.of_value("Task", TASKS, path, value) == said


def test_advice_is_for_starlinks_kinds() -> None:
    assert advice.is_given(GROUP) and not advice.is_given("") and not advice.is_given("cert-manager.io")


def test_a_path_leads_through_lists_and_names_with_dots() -> None:
    task = {"spec": {"ports": [{"port": 1}], "requests": {"a.b/c": 2, "a": {"x": 3}}}}
    assert value_at(task, "spec.ports[0].port") == 1 and value_at(task, "spec.requests.a.b/c") == 2
    assert value_at(task, "spec.requests.a.x") == 3 and value_at(task, "") is task
    for nowhere in ("spec.ports[1]", "spec.ports[x]", "spec.ports.port", "spec.port", "spec[0]", "<nil>"):
        assert value_at(task, nowhere) is None


def test_a_path_leads_through_a_schema_as_far_as_it_goes() -> None:
    assert schema_at(TASKS, "spec.template.resources.requests.nvidia.com/gpu")["x-kubernetes-int-or-string"] is True
    assert schema_at(TASKS, "spec.template.env[12].name")["type"] == "string" and schema_at(TASKS, "spec.x") == {}
    part, rest = descend(TASKS, "spec.template.frob.x[1]")
    assert rest == "frob.x[1]" and "command" in part["properties"]


def test_fields_are_those_that_users_write() -> None:
    found = list(fields(TASKS))
    assert ("command", "spec.template") in found and ("port", "spec.template.ports[]") in found
    assert not {"apiVersion", "kind", "phase", "conditions"} & {name for name, _ in found}
    depths = [place.count(".") for _, place in found]
    assert depths == sorted(depths)
