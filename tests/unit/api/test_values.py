"""Quantities, durations, slots, timestamps, conditions, names, revisions."""

import json
import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.crds import schema_of

from starlink.api import conditions, duration, labels, names, quantity, slots, timestamp
from starlink.api.meta import Condition
from starlink.api.revision import compact, revision
from starlink.api.task import Task
from starlink.api.template import Backoff, HttpGetAction, Logs, Port, Probe, Stop, Template
from starlink.manifest import BadManifest, load_all


@pytest.mark.parametrize(("text", "millicores"), [("2", 2000), ("500m", 500), ("0.5", 500), (1, 1000), ("0.0001", 1)])
def test_cpu(text: str, millicores: int) -> None:
    assert quantity.millicores(text) == millicores


@pytest.mark.parametrize(
    ("text", "count"), [("1Ki", 1024), ("256Mi", 268435456), ("1G", 10**9), (7, 7), ("1.5Ki", 1536)]
)
def test_memory(text: str, count: int) -> None:
    assert quantity.count_bytes(text) == count


@pytest.mark.parametrize("text", ["", "x", "-1", "1 Mi", "1mi", "0x10"])
def test_bad_quantities_name_the_value(text: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(repr(text))} is not a quantity; write "):
        quantity.count_bytes(text)


@given(st.integers(0, 10**15))
def test_quantities_read_back(value: int) -> None:
    assert quantity.count_bytes(quantity.format_bytes(value)) == value
    assert quantity.millicores(quantity.format_millicores(value)) == value


@pytest.mark.parametrize(("text", "seconds"), [("30s", 30), ("1m30s", 90), ("500ms", 0.5), ("1.5h", 5400), ("0s", 0)])
def test_durations(text: str, seconds: float) -> None:
    assert duration.seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "30", "s", "1d", "-1s", "1s "])
def test_bad_durations(text: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(repr(text))} is not a duration; write "):
        duration.seconds(text)


@given(st.sets(st.integers(0, 200)))
def test_slot_ranges_read_back(chosen: set[int]) -> None:
    assert slots.parse_ranges(slots.format_ranges(chosen)) == chosen


def test_slot_ranges() -> None:
    assert slots.format_ranges([7, 0, 1, 2, 3]) == "0-3,7"


def test_timestamps() -> None:
    assert timestamp.format_time(0) == "1970-01-01T00:00:00Z"
    assert timestamp.parse_time("2026-01-02T03:04:05.5Z") - timestamp.parse_time("2026-01-02T03:04:05Z") == 0.5
    with pytest.raises(ValueError, match="2026-01-02T03:04:05Z"):
        timestamp.parse_time("yesterday")


def test_conditions_keep_their_time_until_they_change() -> None:
    old = (
        Condition(type="Ready", status="True", reason="A", last_transition_time="t1"),
        Condition(type="Other", status="True", reason="X"),
    )
    same = conditions.merge(old, [Condition(type="Ready", status="True", reason="B")], now="t2")
    assert [(c.type, c.reason, c.last_transition_time) for c in same] == [("Ready", "B", "t1"), ("Other", "X", "")]
    changed = conditions.merge(old, [Condition(type="Ready", status="False", reason="B")], now="t2")
    assert changed[0].last_transition_time == "t2"


@pytest.mark.parametrize(("resource", "value", "counted", "told"), [
    ("cpu", "1.5", 1500, "1500m"), ("memory", "1Ki", 1024, "1Ki"), ("ephemeral-storage", 2 * 1024**3, 2 * 1024**3, "2Gi"),
    ("gpu", 2, 2, "2"), ("nvidia.com/gpu", "500m", 1, "1"), ("example.com/dongle", 1024, 1024, "1024"),
])  # fmt: skip
def test_amounts_by_resource(resource: str, value: quantity.Quantity, counted: int, told: str) -> None:
    assert quantity.amount(resource, value) == counted
    assert quantity.format_amount(resource, counted) == told


def test_fixed_slots_are_those_of_the_counts() -> None:
    fixed = slots.FixedSlots([("s2", 1), ("s1", 2), ("idle", 0)])
    s1, s2 = names.server_hash("s1"), names.server_hash("s2")
    assert s1 == "e8bc163c"
    assert dict(fixed) == {f"{s2}-0": "s2", f"{s1}-0": "s1", f"{s1}-1": "s1"}
    assert len(fixed) == 3 and f"{s1}-1" in fixed
    for stranger in (f"{s1}-2", f"{s1}-01", f"{s1}--1", f"{s1}-", s1, "0", "", f"{names.server_hash('idle')}-0"):
        assert stranger not in fixed
    assert sorted(["10", "2", f"{s1}-10", f"{s1}-9"], key=slots.order) == ["2", "10", f"{s1}-9", f"{s1}-10"]


def test_huge_fixed_counts_cost_nothing() -> None:
    fixed = slots.FixedSlots([("s1", 10**9)])
    assert len(fixed) == 10**9 and f"{names.server_hash('s1')}-999999999" in fixed


@pytest.mark.parametrize(("given", "desired", "number"), [
    (1, 10, 1), (0, 10, 0), (7, 3, 7), ("25%", 10, 2), ("25%", 3, 1), ("0%", 10, 0), ("100%", 4, 4), ("50%", 0, 1),
])  # fmt: skip
def test_max_unavailable(given: int | str, desired: int, number: int) -> None:
    assert task(update={"maxUnavailable": given}).max_unavailable(desired) == number


def test_max_unavailable_by_default_and_when_it_is_none() -> None:
    assert task().max_unavailable(100) == 1
    for wrong in ("many", "-1", "%"):
        with pytest.raises(ValueError, match="is neither a number nor a percent"):
            task(update={"maxUnavailable": wrong}).max_unavailable(1)


def task(status: dict[str, Any] | None = None, **spec: Any) -> Task:
    spec = {"template": {"command": ["run"]}, **spec}
    return msgspec.convert({"metadata": {"name": "web"}, "spec": spec, "status": status or {}}, Task)


def test_fixed_counts_are_the_replicas() -> None:
    assert task(servers=[{"name": "s1", "replicas": 2}, {"name": "s2"}]).replicas == 3
    assert task(replicas=4).replicas == 4 and not task(replicas=4).fixed_slots


def test_architectures_are_declared_or_found() -> None:
    digest = "a" * 64
    artifact: dict[str, Any] = {"command": ["run"], "artifact": {"url": "http://x/y.zip", "sha256": digest}}
    found: dict[str, Any] = {
        "artifact": {"digest": digest, "architectures": ["arm64"], "source": "ELF headers of 1 executable"}
    }
    assert task(found, template=artifact).architectures == ("arm64",)
    assert task(found, template=artifact, placement={"architectures": ["amd64"]}).architectures == ("amd64",)
    older = {"artifact": {**found["artifact"], "digest": "b" * 64}}
    assert task(older, template=artifact).architectures == ()
    assert task(found).architectures == ()


def test_names_and_selectors() -> None:
    assert names.assignment_name("web", "abc", "0", 2) == "web-abc-0-2"
    assert (
        names.event_name("web", "u", "R", "m")
        == names.event_name("web", "u", "R", "m")
        != names.event_name("web", "v", "R", "m")
    )
    assert labels.selects({"a": "b"}, {"a": "b", "c": "d"}) and not labels.selects({"a": "b"}, {"a": "x"})


def test_revisions_are_golden() -> None:
    """A change here restarts every instance of every user: it must be meant."""
    assert revision(Template(command=("run",))) == "1e0b285e"
    full = Template(
        command=("a",), args=("b",), ports=(Port(name="http", port=80),), stop=Stop(signal="SIGINT"),
        probes=msgspec.convert({"readiness": {"httpGet": {"path": "/x"}}}, type(Template().probes)),
    )  # fmt: skip
    assert revision(full) == "3b85872f"


@pytest.mark.parametrize(("requests", "expected"), [
    ({"cpu": "500m", "memory": "256Mi"}, "12411c46"), ({"memory": 1024, "cpu": 2}, "82e6225a"), ({"cpu": 0}, "1e0b285e"),
    ({"cpu": 0, "memory": "1Gi"}, "1fa58cbe"), ({}, "1e0b285e"),
])  # fmt: skip
def test_revisions_with_requests_are_golden(requests: dict[str, object], expected: str) -> None:
    asked = msgspec.convert({"command": ["run"], "resources": {"requests": requests}}, Template)
    assert revision(asked) == expected


def test_written_out_defaults_are_no_change() -> None:
    short = msgspec.convert({"command": ["x"], "probes": {"readiness": {"httpGet": {}}}}, Template)
    long = {
        "command": ["x"], "runtime": "Process", "stop": {"signal": "SIGTERM", "gracePeriod": "10s"},
        "logs": {"maxSize": "10Mi", "maxFiles": 3}, "restart": {"backoff": {"initial": "500ms", "factor": 2, "max": "30s"}},
        "probes": {"readiness": {"httpGet": {"path": "/"}, "period": "10s", "timeout": "1s", "initialDelay": "0s", "successThreshold": 1, "failureThreshold": 3}},
    }  # fmt: skip
    assert revision(short) == revision(msgspec.convert(long, Template))
    assert compact(short) == {"command": ["x"], "probes": {"readiness": {"httpGet": {}}}}


def template_of(crd: str) -> dict[str, object]:
    schema = schema_of(crd)
    template = schema["properties"]["spec"]["properties"]["template"]
    return {key: value for key, value in template.items() if key not in ("description", "x-kubernetes-validations")}


def test_tasks_and_assignments_share_one_template() -> None:
    assert template_of("tasks") == template_of("assignments")


def defaults(schema: object, path: str = "") -> dict[str, object]:
    found = {}
    if isinstance(schema, dict):
        for name, part in (schema.get("properties") or {}).items():
            if "default" in part:
                found[f"{path}.{name}"] = part["default"]
            found |= defaults(part, f"{path}.{name}")
        if "items" in schema:
            found |= defaults(schema["items"], f"{path}[]")
    return found


def test_the_views_have_the_defaults_of_the_crd() -> None:
    probe = Probe()
    wanted: dict[str, object] = {
        ".runtime": "Process", ".env[].value": "", ".ports[].port": Port(name="x").port,
        ".restart.backoff.initial": Backoff().initial, ".restart.backoff.factor": Backoff().factor, ".restart.backoff.max": Backoff().max,
        ".stop.signal": Stop().signal, ".stop.gracePeriod": Stop().grace_period,
        ".logs.maxSize": Logs().max_size, ".logs.maxFiles": Logs().max_files,
    }  # fmt: skip
    for kind in ("startup", "liveness", "readiness"):
        wanted |= {
            f".probes.{kind}.httpGet.path": HttpGetAction().path, f".probes.{kind}.initialDelay": probe.initial_delay,
            f".probes.{kind}.period": probe.period, f".probes.{kind}.timeout": probe.timeout,
            f".probes.{kind}.successThreshold": probe.success_threshold, f".probes.{kind}.failureThreshold": probe.failure_threshold,
        }  # fmt: skip
    assert defaults(template_of("tasks")) == wanted


def test_every_field_is_explained() -> None:
    def unexplained(schema: object, path: str) -> list[str]:
        found = []
        if isinstance(schema, dict):
            for name, part in (schema.get("properties") or {}).items():
                if "description" not in part and path + name != "metadata":
                    found.append(f"{path}{name}")
                found += unexplained(part, f"{path}{name}.")
            found += unexplained(schema.get("items"), path)
        return found

    for crd in ("tasks", "assignments", "pools", "servers"):
        assert unexplained(schema_of(crd), "") == []


@pytest.mark.parametrize(("text", "why"), [
    ("a: 1\na: 2", "stands twice"),
    ("a: [", "not valid YAML"),
    ("a: &x [1]\n" + "".join(f"b{n}: *x\n" for n in range(1100)), "aliases"),
    ("!!python/object/apply:os.system [ls]", "not valid YAML"),
    ("a: !!binary aGk=", "its tag is not known here in line 1"),
    ("a: !!timestamp 2001-01-01", "its tag is not known here in line 1"),
    ("a: !!set {x}", "its tag is not known here in line 1"),
    ("a: !!int x", "tagged as a whole number, and is none"),
    ("a: !!float x", "tagged as a number, and is none"),
    ("a: !!bool x", "neither true nor false"),
    ("a: !!map [b]", "expected a mapping node, but found sequence"),
    ("a: " + "1" * 5000, "more than 64 bits"),
    ("a: -9223372036854775809", "more than 64 bits"),
    ("a: 1e999", "too large"),
    ("? [a]\n: b", "a sequence can't be a key"),
    ("null: b", "null can't be a key"),
    ("1: a\n'1': b", "the key '1' stands twice"),
    ("a: &a [*a]", "nested too deeply"),
    ("[" * 400 + "]" * 400, "nested too deeply"),
    ("\n".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}' if n else 'x'] * 9)}]" for n in range(9)), "aliases repeat"),
])  # fmt: skip
def test_bad_yaml_is_refused(text: str, why: str) -> None:
    with pytest.raises(BadManifest, match=why) as caught:
        load_all(text, "some.yaml")
    assert "some.yaml" in str(caught.value)
    assert json.dumps(str(caught.value))


def test_keys_are_text_as_kubectl_makes_it() -> None:
    assert load_all("1: a\ntrue: b\n2.5: c\n", "some.yaml") == [{"1": "a", "true": "b", "2.5": "c"}]
