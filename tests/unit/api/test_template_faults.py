"""What of a template nobody can use is named, and nothing else: the operator and the agent find the same."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from starlink.api.meta import Metadata
from starlink.api.task import Task, TaskSpec
from starlink.api.template import Template
from starlink.api.template_faults import fault
from starlink.planning.faults import task_fault


def template(**fields: Any) -> Template:
    return msgspec.convert(fields, Template)


def probe(**fields: Any) -> dict[str, Any]:
    return {"probes": {"liveness": {"exec": {"command": ["true"]}, **fields}}}


def test_what_is_as_it_should_be_has_no_fault() -> None:
    usual = {"requests": {"cpu": "500m", "memory": "1Gi", "example.com/dongle": 1}}
    ports = [{"name": "http"}, {"name": "fixed", "port": 80}]
    assert fault(Template()) == "" == fault(template(resources=usual, ports=ports, **probe(period="1m30s")))


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"logs": {"maxSize": 1e30}}, "template.logs.maxSize: 1e+30 is not a quantity; write a number with an optional unit"),
    ({"logs": {"maxFiles": 10**9}}, "template.logs.maxFiles: 1000000000 is out of range; write a number from 1 to 100"),
    ({"resources": {"requests": {"cpu": "lots"}}}, "template.resources.requests.cpu: 'lots' is not a quantity"),
    ({"stop": {"gracePeriod": "soon"}}, "template.stop.gracePeriod: 'soon' is not a duration; write it as 30s"),
    ({"stop": {"gracePeriod": "9" * 400 + "h"}}, "is too long a duration"),
    ({"stop": {"signal": "SIGNIFICANT"}}, "template.stop.signal: 'SIGNIFICANT' is no signal; write SIGTERM"),
    ({"restart": {"backoff": {"initial": "1"}}}, "template.restart.backoff.initial: '1' is not a duration"),
    ({"restart": {"backoff": {"max": ""}}}, "template.restart.backoff.max: '' is not a duration"),
    ({"restart": {"backoff": {"factor": 1e300}}}, "template.restart.backoff.factor: 1e+300 is out of range"),
    ({"ports": [{"name": "http", "port": 70_000}]}, "template.ports[http].port: 70000 is out of range"),
    ({"restart": {"limit": -1}}, "template.restart.limit: -1 is out of range; write a number from 0 to 2147483647"),
    (probe(failureThreshold=0), "template.probes.liveness.failureThreshold: 0 is out of range; write a number from 1"),
    (probe(period="x"), "template.probes.liveness.period: 'x' is not a duration"),
    (probe(timeout="x"), "template.probes.liveness.timeout: 'x' is not a duration"),
    (probe(initialDelay="x"), "template.probes.liveness.initialDelay: 'x' is not a duration"),
    ({"command": ["sh", "a\0b"]}, "template.command[1]: there is a NUL at character 2, where a program's text ends"),
    ({"args": ["\0"]}, "template.args[0]: there is a NUL at character 1"),
    ({"args": ["x" * 131_072]}, "template.args[0]: 131072 bytes are more than the system gives to a program in one piece"),
    ({"args": ["é" * 65_536]}, "template.args[0]: 131072 bytes"),
    ({"env": [{"name": "A", "value": "secret\0"}]}, "template.env.A: there is a NUL at character 7"),
    ({"env": [{"name": "A", "value": "x" * 131_070}]}, "template.env.A: 131072 bytes"),
    ({"env": [{"name": "A=B", "value": ""}]}, "template.env.A=B: 'A=B' can't be the name of a variable"),
    ({"env": [{"name": "", "value": ""}]}, "template.env.: '' can't be the name of a variable"),
    ({"env": [{"name": "A\0", "value": ""}]}, "can't be the name of a variable; write one without = and NUL"),
    ({"workingDir": "a\0"}, "template.workingDir: there is a NUL at character 2"),
    ({"probes": {"startup": {"exec": {"command": ["a\0"]}}}}, "template.probes.startup.exec.command[0]: there is a NUL"),
    ({"probes": {"startup": {"httpGet": {"path": "/a\r\nX: y"}}}}, "has a space or a control character; write them as"),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "told"), WRONG)
def test_a_fault_names_field_value_and_what_would_be_right(fields: dict[str, Any], told: str) -> None:
    assert told in fault(template(**fields))


@pytest.mark.parametrize(("fields", "told"), WRONG)
def test_the_operator_finds_what_the_agent_finds(fields: dict[str, Any], told: str) -> None:
    task = Task(metadata=Metadata(name="web"), spec=TaskSpec(template=template(**fields)))
    assert task_fault(task) == f"spec.{fault(task.spec.template)}"
    assert told in task_fault(task)


anything = st.one_of(st.integers(), st.floats(allow_nan=False), st.text(max_size=20))


@given(anything, anything, st.text(max_size=20), st.text(max_size=20))
def test_whatever_comes_is_told_and_not_raised(size: Any, cpu: Any, grace: str, signal: str) -> None:
    made = template(
        logs={"maxSize": size}, resources={"requests": {"cpu": cpu}}, stop={"gracePeriod": grace, "signal": signal}
    )
    assert fault(made).startswith(("template.", ""))
