"""A cable is pulled for longer than a task waits, and put back: a server that is heard again acts."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Starlink, _let_pass, eventually, instances_below
from tests.machines import FIRST, SECOND, Machine, two_machines

PORT = 6443
Machines = tuple[Machine, Machine]
Cut = Callable[[Machine, Machine], AbstractContextManager[None]]

CUTS: dict[str, Cut] = {
    "its cable is pulled": lambda first, second: second.unplugged(),
    "what it sends is lost": lambda first, second: second.unheard_by(FIRST),
    "what it is sent is lost": lambda first, second: first.unheard_by(SECOND),
}
HEARS = {"what it sends is lost"}
AGAIN = "the heartbeat gets through again"


@pytest.fixture(scope="module")
def machines() -> Iterator[Machines]:
    with two_machines() as found:
        yield found


@pytest.fixture(scope="module")
def starlink(machines: Machines, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Starlink]:
    """A StarLink on the first machine, and an agent of it on the second."""
    folder = tmp_path_factory.mktemp("cable")
    _let_pass(folder)
    found = Starlink(folder, machines[0])
    try:
        found.up("s1", "--listen", f"0.0.0.0:{PORT}")
        found.cli("server", "add", "s2", "-o", str(folder / "s2.kubeconfig"))
        options = ("--kubeconfig", str(folder / "s2.kubeconfig"), "--data-dir", str(folder / "s2"))
        with machines[1].running_agent(folder / "s2.log", *options):
            eventually(lambda: found.condition("server", "s2", "Ready") == "True", "s2 is ready")
            yield found
    finally:
        found.remove()


def cordon(starlink: Starlink, name: str, *, keep_away: bool) -> None:
    starlink.apply({
        "apiVersion": "starlink.dev/v1alpha1", "kind": "Server", "metadata": {"name": name},
        "spec": {"unschedulable": keep_away},
    })  # fmt: skip


def on(starlink: Starlink, server: str) -> dict[str, Any]:
    """The task's Assignment on a server, {} when there is none."""
    found = (one for one in starlink.items("assignments") if one["spec"]["server"] == server)
    return next(found, {})


def told(log: Path, since: int) -> str:
    """What an agent has said since then; nothing before its heartbeat gets through again."""
    said = log.read_text()[since:]
    return said if AGAIN in said else ""


def running(folder: Path) -> bool:
    return bool(instances_below(folder))


@pytest.mark.parametrize("way", CUTS)
def test_what_was_replaced_meanwhile_stops_and_is_told(starlink: Starlink, machines: Machines, way: str) -> None:
    cordon(starlink, "s1", keep_away=True)
    starlink.apply({
        "apiVersion": "starlink.dev/v1alpha1", "kind": "Task", "metadata": {"name": "one"},
        "spec": {"placement": {"lostAfter": "12s"}, "template": {"command": ["sleep", "100000"]}},
    })  # fmt: skip
    eventually(lambda: on(starlink, "s2").get("status", {}).get("ready"), "it runs on the second machine")
    cordon(starlink, "s1", keep_away=False)
    said = (starlink.folder / "s2.log").stat().st_size
    with CUTS[way](*machines):
        eventually(lambda: on(starlink, "s1").get("status", {}).get("ready"), "it is replaced on the first")
        if way in HEARS:
            eventually(lambda: not running(starlink.folder / "s2"), "who has heard of it has stopped it")
        else:
            assert running(starlink.folder / "s2"), "only who has heard of it stops it"
    eventually(lambda: starlink.condition("server", "s2", "Ready") == "True", "the second is heard again")
    eventually(lambda: not running(starlink.folder / "s2"), "the one that was replaced has stopped")
    eventually(lambda: on(starlink, "s2") == {}, "it has been told")
    log = eventually(lambda: told(starlink.folder / "s2.log", said), "the heartbeat gets through again")
    assert 0 <= log.find("what is declared is heard again") < log.find(AGAIN)
    starlink.cli("delete", "task", "one")
    eventually(lambda: not starlink.items("assignments"), "the task is gone")
