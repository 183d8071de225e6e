"""What of a template can't be started as a driver, and which drivers this installation has."""

import subprocess
import sys
from typing import Any

import msgspec
import pytest

from starlink.api.template import Template
from starlink_nodeagent.runtimes.driver.catalogue import installed
from starlink_nodeagent.runtimes.driver.faults import fault

GOOD = {"name": "exec-report", "operation": "run", "spec": {"command": ["true"]}}


def said(driver: dict[str, Any] | None = None, **template: Any) -> str:
    body = {"runtime": "Driver", "driver": GOOD if driver is None else GOOD | driver, **template}
    return fault(msgspec.convert(body, Template), installed())


def test_a_good_one_has_no_fault() -> None:
    assert said() == ""


@pytest.mark.parametrize(
    ("driver", "words"),
    [
        ({"name": "nope"}, "template.driver.name: 'nope' is no driver of this agent; write one of exec-report"),
        ({"operation": "nope"}, "template.driver.operation: 'nope' is no operation of exec-report; write one of "),
        ({"spec": {}}, "template.driver.spec.command: it is missing; write it"),
        ({"spec": {"command": ["true"], "every": "x"}}, "template.driver.spec.every: 'x' can't be used; write a dur"),
    ],
)
def test_what_a_driver_can_not_use_is_told_by_field_value_and_what_would_be_right(
    driver: dict[str, Any], words: str
) -> None:
    assert said(driver).startswith(words)


@pytest.mark.parametrize(
    ("field", "value"), [("command", ["x"]), ("args", ["x"]), ("workingDir", "x"), ("artifact", {"url": "file:x"})]
)
def test_a_driver_has_nothing_of_a_process(field: str, value: Any) -> None:
    assert said(**{field: value}) == f"template.{field}: a driver has none; leave it out"


def test_the_signal_that_tells_of_a_change_stops_nothing() -> None:
    assert said(stop={"signal": "SIGHUP"}).startswith("template.stop.signal: 'SIGHUP' tells a driver of a change")


def test_the_agent_finds_drivers_without_importing_them() -> None:
    script = (
        "import sys; from starlink_nodeagent.runtimes.driver.catalogue import installed; "
        "print(*installed(), any(name.startswith('starlink_drivers') for name in sys.modules))"
    )
    told = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["exec-report", "False"]


def test_each_operation_that_is_declared_is_there() -> None:
    from starlink_drivers.exec_report.driver import OPERATIONS

    assert OPERATIONS.keys() == installed()["exec-report"].operations.keys()
