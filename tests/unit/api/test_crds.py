"""What the CRDs refuse, and that what is right passes: field, and the way out in the message."""

from typing import Any

import pytest
from tests.crds import PLURALS, schema_of

from starlink.apiserver.validation.compiled import StructuralSchema

Obj = dict[str, Any]
RUN = {"command": ["run"]}
DOMAIN = ".".join(["d" * 63] * 3 + ["d" * 61])
"""As long as the domain in the key of a label may be."""
BAD_KEYS = [
    ("bad key!", "match"), ("a/b/c", "match"), ("/a", "match"), ("A.com/a", "match"), ("a..com/a", "match"),
    ("n" * 64, "match"), ("-a", "match"), (f"{DOMAIN}d/a", "253"),
]  # fmt: skip
SCHEMAS = {kind: StructuralSchema(schema_of(kind)) for kind in PLURALS}


def refusals(kind: str, spec: Obj, old: Obj | None = None) -> dict[str, str]:
    schema = SCHEMAS[kind]
    made, unknown = schema.conform({"metadata": {"name": "x"}, "spec": spec}, defaults=True)
    assert unknown == []
    before = schema.conform({"metadata": {"name": "x"}, "spec": old}, defaults=True)[0] if old is not None else None
    found = {cause.field: cause.message for cause in schema.validate(made, before)}
    found.pop("<nil>", None)  # says that rules wait for the schema to be satisfied
    return found


def asking(requests: Obj) -> Obj:
    return {"template": {**RUN, "resources": {"requests": requests}}}


def placed(**placement: Any) -> Obj:
    return {"template": RUN, "placement": placement}


def packed(*variants: str, architectures: list[str] | None = None) -> Obj:
    """A task with an archive for each of the variants."""
    found = [{"architecture": one, "url": "file:a", "sha256": "0" * 64} for one in variants]
    placement = {} if architectures is None else {"architectures": architectures}
    return {"template": {**RUN, "artifact": {"variants": found}}, "placement": placement}


def unavailable(value: float | str) -> Obj:
    return {"template": RUN, "update": {"maxUnavailable": value}}


LARGE = [{"name": f"A{number}", "value": "x" * 100_000} for number in range(16)]
RIGHT: list[tuple[str, Obj]] = [
    ("tasks", {"template": {**RUN, "env": [{"name": "A", "value": "x" * 131_069}]}}),
    ("tasks", {"template": {**RUN, "args": ["x" * 19_000] * 20, "env": LARGE}}),
    ("tasks", {"template": RUN, "servers": [{"name": "s1", "replicas": 0}, {"name": "s2"}]}),
    ("tasks", asking({"cpu": 2, "memory": "512Mi", "ephemeral-storage": "1.5Gi", "gpu": "1", "nvidia.com/gpu": 1})),
    ("tasks", asking({"cpu": "0.5"})),
    ("tasks", {"template": RUN, "replicas": 10**9}),
    ("tasks", {"template": {**RUN, "logs": {"maxSize": "1.5Gi"}}}),
    ("tasks", placed(lostAfter="8760h", pool="edge.eu", serverSelector={"topology.kubernetes.io/zone": "a", "b": ""})),
    ("tasks", placed(tolerations=[{"operator": "Exists"}, {"key": "a", "value": "b"}])),
    ("tasks", packed("arm64", architectures=["arm64", "riscv64"])),
    ("tasks", packed("arm64", architectures=[])),
    ("tasks", packed("arm64")),
    ("tasks", unavailable(0)),
    ("tasks", unavailable("100%")),
    ("tasks", {"template": RUN, "update": {"minReadyTime": "1h"}}),
    ("tasks", {"type": "Batch", "template": RUN, "completions": 2, "update": {"maxUnavailable": "5%"}}),
    ("tasks", placed(affinity=[{"task": "db"}], antiAffinity=[{"taskSelector": {"a": "b"}, "weight": 100}])),
    ("tasks", placed(spread=[{"topologyKey": "topology.kubernetes.io/zone"}], gang=True, priority=-5)),
    ("tasks", placed(preferredArchitectures=["riscv64", "amd64"], features=["kvm"])),
    ("tasks", placed(tolerations=[{"key": "a", "operator": "Exists", "effect": "PreferNoSchedule"}])),
    ("servers", {"taints": [{"key": "a", "effect": "PreferNoSchedule"}]}),
    ("servers", {"taints": [{"key": "a.b-c.example.com/Lab_1.x", "value": "B-2", "effect": "NoSchedule"}]}),
    ("servers", {"taints": [{"key": f"{DOMAIN}/{'n' * 63}", "value": "v" * 63, "effect": "NoSchedule"}]}),
    ("tasks", placed(tolerations=[{"key": f"{DOMAIN}/{'n' * 63}"}, {"key": "", "operator": "Exists"}])),
    ("pools", {"quota": {"cpu": 64, "memory": "2Pi", "assignments": 5}, "cohort": "lab", "lend": {"cpu": "64000m"}}),
    ("pools", {"quota": {"gpu": 8}, "cohort": "lab", "borrow": {"gpu": 100}}),
    ("pools", {"watermarks": {"cpu": {"high": 80, "low": 80}}, "overcommit": {"cpu": 400}, "weights": {"own": 0}}),
    ("pools", {"namespaces": ["team-a"]}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "spec"), RIGHT)
def test_what_is_right_passes(kind: str, spec: Obj) -> None:
    assert refusals(kind, spec) == {}


WRONG: list[tuple[str, Obj, str, str]] = [
    ("tasks", {"template": {**RUN, "env": [{"name": "A"}, {"name": "B", "value": "x" * 131_070}]}}, "spec.template.env[1]",
     "a variable and its value may have at most 131070 characters together"),
    ("tasks", {"template": {**RUN, "env": [{"name": "A=B"}]}}, "spec.template.env[0].name", "^[A-Za-z_][A-Za-z0-9_]*$"),
    ("tasks", {"template": {**RUN, "args": ["x" * 20_000] * 20, "env": LARGE}}, "spec.template",
     "command, args and env may have 2000000 characters together"),
    ("tasks", {"template": RUN, "replicas": 2, "servers": [{"name": "s1"}]}, "spec.servers", "take replicas away"),
    ("tasks", {"template": RUN, "type": "Batch", "servers": [{"name": "s1"}]}, "spec.servers", "completions"),
    ("tasks", {"template": RUN, "servers": []}, "spec.servers", "at least 1"),
    ("tasks", {"template": RUN, "servers": [{"name": "a", "replicas": -1}]}, "spec.servers[0].replicas", "0"),
    ("tasks", {"template": RUN, "servers": [{"name": "a"}, {"name": "a"}]}, "spec.servers[1]", "Duplicate"),
    ("tasks", asking({"cpus": 1}), "spec.template.resources.requests", "nvidia.com/gpu"),
    ("tasks", asking({"example.com/": 1}), "spec.template.resources.requests", "DOMAIN/NAME"),
    ("tasks", asking({f"example.com/{'x' * 310}": 1}), "spec.template.resources.requests", "DOMAIN/NAME"),
    ("tasks", asking({"cpu": -1}), "spec.template.resources.requests[cpu]", "from 0"),
    ("tasks", asking({"cpu": "lots"}), "spec.template.resources.requests.cpu", '"lots"'),
    ("tasks", asking({"memory": "9999999Ti"}), "spec.template.resources.requests.memory", "9999999Ti"),
    ("tasks", asking({f"example.com/r{n}": 1 for n in range(17)}), "spec.template.resources.requests", "16"),
    ("tasks", asking({"cpu": 1e99}), "spec.template.resources.requests.cpu", "integer,string"),
    ("tasks", asking({"cpu": 10**30}), "spec.template.resources.requests.cpu", "integer,string"),
    ("tasks", asking({"cpu": 0.5}), "spec.template.resources.requests.cpu", "integer,string"),
    ("tasks", asking({"cpu": 10**16}), "spec.template.resources.requests[cpu]", "from 0 to 1000000000000000"),
    ("tasks", asking({"dongle": 1, "cpu": 1}), "spec.template.resources.requests", "dongle: a resource is"),
    ("tasks", asking({"example.com/dongle": "500m"}), "spec.template.resources.requests", "whole units"),
    ("tasks", asking({"gpu": "0.5"}), "spec.template.resources.requests", "whole units"),
    ("tasks", {"template": RUN, "replicas": 2**31}, "spec.replicas", "less than or equal to 1000000000"),
    ("tasks", {"template": RUN, "replicas": 1e30}, "spec.replicas", "less than or equal to 1000000000"),
    ("tasks", {"template": {**RUN, "restart": {"limit": 1e30}}}, "spec.template.restart.limit", "less than or equal to 1000000000"),
    ("tasks", {"template": {**RUN, "logs": {"maxSize": 1e30}}}, "spec.template.logs.maxSize", "integer,string"),
    ("tasks", {"template": {**RUN, "logs": {"maxSize": "9999999999Gi"}}}, "spec.template.logs.maxSize", '"9999999999Gi"'),
    ("assignments", {"server": "s1", "slot": "0", "attempt": 1, "template": {**RUN, "logs": {"maxSize": "big"}}}, "spec.template.logs.maxSize", '"big"'),
    ("tasks", placed(spread=[{"topologyKey": "z", "maxSkew": 1e30}]), "spec.placement.spread[0].maxSkew", "less than or equal to 1000000000"),
    ("tasks", placed(lostAfter="1s"), "spec.placement.lostAfter", "at least 12s, not 1s"),
    ("tasks", placed(lostAfter="9999999h"), "spec.placement.lostAfter", "at most 8760h, a year, not 9999999h"),
    ("tasks", placed(pool="Ünïcode"), "spec.placement.pool", "Ünïcode"),
    ("tasks", placed(serverSelector={"a b": "c"}), "spec.placement.serverSelector", '"a b" can be no label'),
    ("tasks", placed(serverSelector={"a": "ü!"}), "spec.placement.serverSelector.a", "ü!"),
    ("tasks", placed(tolerations=[{"operator": "Exists", "value": "b"}]), "spec.placement.tolerations[0].value", "take the value b away"),
    ("tasks", {"template": RUN, "servers": [{"name": "星"}]}, "spec.servers[0].name", "星"),
    ("tasks", packed("arm64", "amd64", architectures=["riscv64"]), "spec.placement.architectures", "add a variant"),
    ("tasks", unavailable(1e30), "spec.update.maxUnavailable", "integer,string"),
    ("tasks", {"template": RUN, "update": {"minReadyTime": "61m"}}, "spec.update.minReadyTime", "at most 1h"),
    ("tasks", unavailable("200%"), "spec.update.maxUnavailable", "200% is neither; write a number"),
    ("tasks", unavailable(-1), "spec.update.maxUnavailable", "0% to 100%"),
    ("tasks", unavailable("101%"), "spec.update.maxUnavailable", "101%"),
    ("tasks", unavailable("2"), "spec.update.maxUnavailable", '"2"'),
    ("tasks", placed(affinity=[{}]), "spec.placement.affinity[0]", "exactly one of task and taskSelector"),
    ("tasks", placed(antiAffinity=[{"task": "a", "taskSelector": {"b": "c"}}]), "spec.placement.antiAffinity[0]", "exactly one"),
    ("tasks", placed(affinity=[{"taskSelector": {}}]), "spec.placement.affinity[0].taskSelector", "at least 1"),
    ("tasks", placed(affinity=[{"task": "a", "weight": 101}]), "spec.placement.affinity[0].weight", "100"),
    ("tasks", placed(affinity=[{"task": "a", "topologyKey": "no key"}]), "spec.placement.affinity[0].topologyKey", "no key"),
    ("tasks", placed(spread=[{"topologyKey": "z"}, {"topologyKey": "z"}]), "spec.placement.spread[1]", "Duplicate"),
    ("tasks", placed(spread=[{"topologyKey": "z", "maxSkew": 0}]), "spec.placement.spread[0].maxSkew", "1"),
    ("tasks", placed(priority=1000001), "spec.placement.priority", "1000000"),
    ("tasks", placed(preferredArchitectures=["arm64", "arm64"]), "spec.placement.preferredArchitectures", "given twice"),
    ("pools", {"lend": {"cpu": 1}, "quota": {"cpu": 2}}, "spec.cohort", "give spec.cohort"),
    ("pools", {"borrow": {"cpu": 1}, "cohort": "lab"}, "spec.cohort", "spec.quota"),
    ("pools", {"cohort": "lab", "quota": {"cpu": 2}, "lend": {"cpu": "2001m"}}, "spec.lend.cpu", "at most quota.cpu"),
    ("pools", {"cohort": "lab", "quota": {"cpu": 2}, "lend": {"memory": 1}}, "spec.lend.memory", "raise the quota"),
    ("pools", {"cohort": "lab", "quota": {"storage": "1Gi"}, "lend": {"storage": "1G", "gpu": 1}}, "spec.lend.gpu", "quota.gpu"),
    ("pools", {"cohort": "lab", "quota": {"assignments": 1}, "lend": {"assignments": 2}}, "spec.lend.assignments", "at most"),
    ("pools", {"quota": {"memory": -1}}, "spec.quota.memory", "-1 is out of range; it must be from 0"),
    ("pools", {"quota": {"cpu": 1e99}}, "spec.quota.cpu", "integer,string"),
    ("pools", {"quota": {"assignments": 2**31}}, "spec.quota.assignments", "less than or equal to 1000000000"),
    ("pools", {"selector": {"": "x"}}, "spec.selector", '"" can be no label'),
    ("pools", {"watermarks": {"cpu": {"high": 70, "low": 80}}}, "spec.watermarks.cpu.low", "at most high"),
    ("pools", {"watermarks": {"cpu": {"high": 70}}}, "spec.watermarks.cpu.low", "Required"),
    ("pools", {"watermarks": {"cpu": {"high": 50, "low": 0}}}, "spec.watermarks.cpu.low", "must be at least 1: nothing is below"),
    ("pools", {"watermarks": {"memory": {"high": 0, "low": 0}}}, "spec.watermarks.memory.low", "must be at least 1"),
    ("pools", {"overcommit": {"cpu": 99}}, "spec.overcommit.cpu", "100"),
    ("pools", {"weights": {"use": 1001}}, "spec.weights.use", "1000"),
    ("servers", {"taints": [{"key": "a", "effect": "Prefer"}]}, "spec.taints[0].effect", "PreferNoSchedule"),
    *(("servers", {"taints": [{"key": key, "effect": "NoSchedule"}]}, "spec.taints[0].key", why) for key, why in BAD_KEYS),
    ("servers", {"taints": [{"key": "", "effect": "NoSchedule"}]}, "spec.taints[0].key", "match"),
    ("servers", {"taints": [{"key": "a", "value": "b!", "effect": "NoSchedule"}]}, "spec.taints[0].value", "match"),
    *(("tasks", placed(tolerations=[{"key": key}]), "spec.placement.tolerations[0].key", why) for key, why in BAD_KEYS),
    ("tasks", placed(tolerations=[{"key": ""}]), "spec.placement.tolerations[0]", "operator Exists"),
    ("tasks", placed(tolerations=[{"key": "a", "value": "-b"}]), "spec.placement.tolerations[0].value", "match"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "spec", "field", "way_out"), WRONG)
def test_what_is_wrong_names_field_and_way_out(kind: str, spec: Obj, field: str, way_out: str) -> None:
    told = refusals(kind, spec)
    assert list(told) == [field]
    assert way_out in told[field]


def test_what_an_assignment_waits_for_does_not_change() -> None:
    spec = {"server": "s1", "slot": "0", "attempt": 1, "template": RUN, "waitFor": ["u1"]}
    assert refusals("assignments", spec, spec) == {}
    assert refusals("assignments", {**spec, "desired": "Stopped", "reason": "Preempted"}, spec) == {}
    for other in ({**spec, "waitFor": ["u2"]}, {key: spec[key] for key in spec if key != "waitFor"}):
        assert list(refusals("assignments", other, spec)) == ["spec.waitFor"]
        assert list(refusals("assignments", spec, other)) == ["spec.waitFor"]
