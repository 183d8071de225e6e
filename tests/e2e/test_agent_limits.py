"""What an agent starts only later, and what it refuses: with a real agent, API server and processes.

The operator is held meanwhile, as one that knows too little would be: assignments are written by hand.
"""

import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.conftest import Starlink, _let_pass, eventually
from tests.ports import free_ports

from starlink.api import quantity

DONGLE = "example.com/dongle"


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Starlink]:
    """A StarLink whose server has a declared resource."""
    folder = tmp_path_factory.mktemp("limited")
    _let_pass(folder)
    found = Starlink(folder)
    try:
        found.cli("up", "--detach", "--name", "s1", "--resource", f"{DONGLE}=2")
        yield found
    finally:
        found.remove()


@pytest.fixture
def by_hand(limited: Starlink) -> Iterator[Starlink]:
    """With the operator held; its assignments go in the end."""
    operator = limited.state["children"]["operator"]
    os.kill(operator, signal.SIGSTOP)
    try:
        yield limited
        names = [a["metadata"]["name"] for a in limited.items("assignments")]
        if names:
            limited.cli("delete", "assignment", *names)
        eventually(lambda: not limited.processes(), "nothing runs any more")
    finally:
        os.kill(operator, signal.SIGCONT)


def assignment(
    name: str, script: str, *, desired: str = "Running", wait_for: list[str] | None = None, **template: Any
) -> dict[str, Any]:
    spec = {"server": "s1", "slot": "0", "attempt": 1, "desired": desired}
    body = {"command": ["sh", "-c", script], "restart": {"policy": "Never"}, "stop": {"gracePeriod": "3s"}, **template}
    return {
        "apiVersion": "starlink.dev/v1alpha1",
        "kind": "Assignment",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {**spec, "template": body, **({"waitFor": wait_for} if wait_for else {})},
    }


def status(starlink: Starlink, name: str) -> dict[str, Any]:
    found: dict[str, Any] = starlink.get("assignment", name).get("status", {})
    return found


def in_phase(starlink: Starlink, name: str, phase: str) -> dict[str, Any]:
    def there() -> dict[str, Any] | None:
        found = status(starlink, name)
        return found if found.get("phase") == phase else None

    found: dict[str, Any] = eventually(there, f"{name} is {phase}: {status(starlink, name)}")
    return found


def is_running(starlink: Starlink, name: str) -> Callable[[], bool]:
    return lambda: status(starlink, name).get("phase") == "Running"


def delete(starlink: Starlink, *names: str) -> None:
    """Deletes assignments until the agent has forgotten them, and so gives what they took to others."""
    uids = [starlink.get("assignment", name)["metadata"]["uid"] for name in names]
    kept = [starlink.data / "agent" / "instances" / uid for uid in uids]
    assert all(folder.exists() for folder in kept)
    starlink.cli("delete", "assignment", *names)
    eventually(lambda: not any(folder.exists() for folder in kept), f"the agent has forgotten {', '.join(names)}")


def test_the_server_tells_what_it_has(limited: Starlink) -> None:
    told = limited.get("server", "s1")["status"]
    for amounts in (told["capacity"], told["allocatable"]):
        assert {"cpu", "memory", "ephemeral-storage", DONGLE} <= amounts.keys() and amounts[DONGLE] == "2"
    assert told["runtimes"] == ["Process", "Driver"] and told["features"] == sorted(told["features"])
    assert ("root" in told["features"]) is (os.geteuid() == 0)


def test_a_bad_resource_is_refused_at_once(limited: Starlink) -> None:
    done = limited.cli("up", "--resource", "dongle=two", check=False)
    assert done.returncode == 2 and "dongle=two" in done.stderr and "DOMAIN/NAME" in done.stderr
    done = limited.cli("agent", *("--kubeconfig", "k", "--name", "s2"), "--resource", "memory=1", check=False)
    assert done.returncode == 2 and "memory=1" in done.stderr


def test_one_waits_until_the_other_is_really_gone(by_hand: Starlink) -> None:
    shared = by_hand.folder / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    stubborn = f"trap '' TERM; echo $$ > {shared}/pid; while :; do sleep 0.1; done"
    by_hand.apply(assignment("first", stubborn))
    eventually(is_running(by_hand, "first"), "the first runs")
    eventually(lambda: (shared / "pid").exists() and (shared / "pid").read_text().strip(), "it ignores TERM")
    uid = by_hand.get("assignment", "first")["metadata"]["uid"]
    look = f"grep -s ^State: /proc/$(cat {shared}/pid)/status > {shared}/verdict; exec sleep 100000"
    by_hand.apply(assignment("second", look, wait_for=[uid, "0d9ba4e5-5c2a-4a0c-9f0e-000000000000"]))
    waiting = in_phase(by_hand, "second", "Pending")
    eventually(lambda: status(by_hand, "second").get("reason") == "WaitingFor", "the second waits")
    assert "default/first" in status(by_hand, "second")["message"] and not waiting.get("ready")

    by_hand.apply(assignment("first", stubborn, desired="Stopped"))
    in_phase(by_hand, "first", "Stopping")
    assert not (shared / "verdict").exists()
    os.kill(by_hand.state["children"]["agent"], signal.SIGKILL)  # what it waits for is not in the agent's memory alone
    second = in_phase(by_hand, "second", "Running")
    first = in_phase(by_hand, "first", "Stopped")
    eventually(lambda: (shared / "verdict").exists() and len(by_hand.processes()) == 2, "the second has looked")
    assert (shared / "verdict").read_text() in ("", "State:\tZ (zombie)\n")
    assert first["finishedAt"] <= second["startedAt"]


def test_what_would_overcommit_is_refused_and_what_runs_stays(by_hand: Starlink) -> None:
    room = quantity.count_bytes(by_hand.get("server", "s1")["status"]["allocatable"]["memory"])
    most: dict[str, Any] = {"resources": {"requests": {"memory": str(room * 6 // 10), DONGLE: 1}}}
    by_hand.apply(assignment("older", "exec sleep 100000", **most))
    eventually(is_running(by_hand, "older"), "the older runs")
    before = by_hand.processes()
    by_hand.apply(
        assignment("larger", "exec sleep 100000", **most),
        assignment("dongles", "exec sleep 100000", resources={"requests": {DONGLE: 2}}),
        assignment("fits", "exec sleep 100000", resources={"requests": {DONGLE: 1, "ephemeral-storage": "1Mi"}}),
    )
    larger, dongles = in_phase(by_hand, "larger", "Failed"), in_phase(by_hand, "dongles", "Failed")
    assert (larger["reason"], dongles["reason"]) == ("OutOfResources", "OutOfResources")
    assert "memory" in larger["message"] and f"{DONGLE} 2, and 1 of 2 is free" in dongles["message"]
    assert larger["finishedAt"] and not larger.get("startedAt")
    eventually(is_running(by_hand, "fits"), "what fits runs")
    assert before.items() <= by_hand.processes().items()

    delete(by_hand, "older", "fits")
    os.kill(by_hand.state["children"]["agent"], signal.SIGKILL)
    by_hand.apply(assignment("later", "exec sleep 100000", **most))
    eventually(is_running(by_hand, "later"), "the later runs")
    assert (status(by_hand, "larger")["phase"], len({*by_hand.processes().values()})) == ("Failed", 1)


def test_a_fixed_port_belongs_to_one(by_hand: Starlink) -> None:
    (number,) = free_ports(1)  # nothing listens there, yet it will have been given away
    port: dict[str, Any] = {"ports": [{"name": "http", "port": number}]}
    by_hand.apply(assignment("owner", "exec sleep 100000", **port))
    eventually(is_running(by_hand, "owner"), "the owner runs")
    by_hand.apply(assignment("other", "exec sleep 100000", **port))
    other = in_phase(by_hand, "other", "Failed")
    assert other["reason"] == "PortTaken" and str(number) in other["message"] and "default/owner" in other["message"]
    assert status(by_hand, "owner")["phase"] == "Running"
    delete(by_hand, "owner")
    by_hand.apply(assignment("third", "exec sleep 100000", **port))
    eventually(is_running(by_hand, "third"), "the port is free again")


def test_an_end_that_the_agent_could_not_tell_is_told_by_the_next(by_hand: Starlink) -> None:
    ended = by_hand.folder / "ended"
    ended.mkdir()
    ended.chmod(0o777)
    by_hand.apply(assignment("brief", f"until [ -e {ended}/now ]; do sleep 0.1; done; exit 7"))
    eventually(is_running(by_hand, "brief"), "it runs")
    apiserver, agent = (by_hand.state["children"][name] for name in ("apiserver", "agent"))
    uid = by_hand.get("assignment", "brief")["metadata"]["uid"]
    record = by_hand.data / "agent" / "instances" / uid / "record.json"
    os.kill(apiserver, signal.SIGSTOP)
    try:
        (ended / "now").write_text("")
        eventually(lambda: b'"phase":"Exited"' in record.read_bytes(), "the journal has the end")
    finally:
        os.kill(agent, signal.SIGKILL)
        os.kill(apiserver, signal.SIGKILL)  # with what it had received and not read
    assert in_phase(by_hand, "brief", "Exited")["exitCode"] == 7
