"""What the CRDs let be changed of a driver."""

from typing import Any

import pytest
from tests.crds import schema_of
from tests.unit.api.test_crds import SCHEMAS, refusals

Obj = dict[str, Any]
DRIVER = {"name": "restic", "operation": "backup", "spec": {"paths": ["/a"]}}
TEMPLATE: Obj = {"runtime": "Driver", "driver": DRIVER}
TOLD = {"spec": {"paths": ["/a", "/b"], "keep": 3}}
OTHERS: Obj = {
    "driver": {**DRIVER, "operation": "check"},
    "env": [{"name": "A", "value": "b"}],
    "resources": {"requests": {"cpu": "1"}},
    "ports": [{"name": "admin", "port": 80}],
    "probes": {"readiness": {"tcpSocket": {"port": 80}}},
    "restart": {"policy": "OnFailure"},
    "stop": {"gracePeriod": "1m"},
    "logs": {"maxFiles": 5},
}
OF_PROCESSES = {"command", "args", "workingDir", "artifact"}


def told(template: Obj) -> Obj:
    return {**template, "driver": {**template["driver"], **TOLD}}


def of_begun_batch(new: Obj, old: Obj) -> list[str]:
    """The fields that are refused of a Batch that has begun, whose template becomes another."""
    status = {"startedAt": "2026-01-01T00:00:00Z"}
    made = [
        SCHEMAS["tasks"].conform(
            {"metadata": {"name": "x"}, "spec": {"type": "Batch", "template": one}, "status": status}, defaults=True
        )[0]
        for one in (new, old)
    ]
    return [cause.field for cause in SCHEMAS["tasks"].validate(*made)]


def of_assignment(new: Obj, old: Obj) -> list[str]:
    spec = {"server": "s1", "slot": "0", "attempt": 1}
    return list(refusals("assignments", {**spec, "template": new}, {**spec, "template": old}))


@pytest.mark.parametrize("refused", [of_begun_batch, of_assignment])
def test_of_what_runs_a_drivers_spec_alone_may_change(refused: Any) -> None:
    whole = {**TEMPLATE, **{name: value for name, value in OTHERS.items() if name != "driver"}}
    assert refused(told(TEMPLATE), TEMPLATE) == [] == refused(told(whole), whole)
    assert refused({**TEMPLATE, "driver": {**DRIVER, "spec": {}}}, TEMPLATE) == []
    for name, value in OTHERS.items():
        other = {**TEMPLATE, name: value}
        assert refused(other, TEMPLATE) == ["spec.template"] == refused(TEMPLATE, other), name
        assert refused({**other, "driver": {**other["driver"], **TOLD}}, TEMPLATE) == ["spec.template"], name


def test_all_fields_of_a_template_are_looked_at() -> None:
    for kind in ("tasks", "assignments"):
        schema = schema_of(kind)
        fields = set(schema["properties"]["spec"]["properties"]["template"]["properties"])
        assert fields == {"runtime", *OF_PROCESSES, *OTHERS}
        rules = str(schema)
        assert all(f"template.{name} == oldSelf" in rules.replace("\n", " ") for name in fields - {"driver"})


def test_the_replicas_of_a_driver_do_not_change() -> None:
    servers = {"template": TEMPLATE, "servers": [{"name": "s1"}]}
    assert refusals("tasks", {**servers, "servers": [{"name": "s1", "replicas": 2}]}, servers) == {}
    counted, other = {"template": TEMPLATE, "replicas": 2}, {"template": TEMPLATE, "replicas": 3}
    assert refusals("tasks", counted, counted) == {}
    for new in (other, {"template": TEMPLATE}):
        assert list(refusals("tasks", new, counted)) == ["spec.replicas"]
    assert list(refusals("tasks", counted, {"template": TEMPLATE})) == ["spec.replicas"]
    run = {"command": ["run"]}
    assert refusals("tasks", {"template": run, "replicas": 3}, {"template": run, "replicas": 2}) == {}
