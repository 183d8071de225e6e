"""The README's first task on two machines, the second joined by the documented commands alone: they are read from the
pages and run as they stand there."""

import subprocess
import sys
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from tests.conftest import ROOT, Starlink, _let_pass, eventually
from tests.machines import Machine, two_machines
from tests.tools import KUBECTL

INSTALLING = ("python3 -m venv .venv && .venv/bin/pip install .", ". .venv/bin/activate")
AGENTS_DIR = "/var/lib/starlink-agent"


def blocks(page: str, heading: str) -> list[list[str]]:
    """The commands of each block below a heading, in order."""
    section = (ROOT / page).read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    found: list[list[str]] = [[]]
    for line in section.splitlines():
        if line.startswith("    ") or (not line and found[-1]):
            found[-1].append(line)
        elif found[-1]:
            found.append([])
    dedented = (textwrap.dedent("\n".join(lines)).strip().splitlines() for lines in found)
    return [lines for lines in dedented if lines]


class Person:
    """Somebody at a machine, whose data directories are in a folder of the test's."""

    def __init__(self, machine: Machine, home: Path, other: Path) -> None:
        self.machine, self.home = machine, home
        self._before = f"""
            set -e
            cd {home}
            export HOME={home}
            starlink() {{ {sys.executable} -m starlink.cli --data-dir {home}/starlink "$@"; }}
            elsewhere() {{ {sys.executable} -m starlink.cli "$@"; }}
            scp() {{ cp "$1" {other}/; }}
        """

    def types(self, lines: Sequence[str]) -> str:
        done = subprocess.run(
            [*self.machine.within, "bash", "-c", "\n".join((textwrap.dedent(self._before), *lines))],
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{lines}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr


@pytest.fixture(scope="module")
def machines() -> Iterator[tuple[Machine, Machine]]:
    KUBECTL.path()
    with two_machines() as found:
        yield found


def test_the_first_task_runs_on_two_machines(
    machines: tuple[Machine, Machine], tmp_path_factory: pytest.TempPathFactory
) -> None:
    first_task = blocks("README.md", "A first task")
    assert len(first_task) == 1 and first_task[0][0] == INSTALLING[1]
    here, there = blocks("docs/servers-and-pools.md", "A further server")
    assert there[:2] == [*INSTALLING], "what the test does not run"
    (agent,) = there[2:]
    folder = tmp_path_factory.mktemp("two-machines")
    _let_pass(folder)
    homes = folder / "one", folder / "two"
    for home in homes:
        home.mkdir()
        _let_pass(home)
    one, two = Person(machines[0], *homes), Person(machines[1], homes[1], homes[0])
    starlink = Starlink(homes[0], machines[0], data="starlink")
    try:
        *before, follow = first_task[0][1:]
        assert follow == "starlink logs -f hello"
        assert "task.starlink.dev/hello created" in one.types(before)
        eventually(lambda: starlink.condition("task", "hello", "Ready") == "True", "the first task runs")
        assert one.types([follow.replace("-f ", "")]), "it has said something"
        assert "starlink agent --kubeconfig s2.kubeconfig" in one.types(here)
        run = agent.replace("starlink agent", f"exec {sys.executable} -m starlink.cli agent")
        run = run.replace(AGENTS_DIR, str(homes[1] / "agent"))
        assert AGENTS_DIR in agent
        with two.machine.running(homes[1] / "agent.log", "env", f"HOME={homes[1]}", "bash", "-c", run):
            eventually(lambda: starlink.condition("server", "s2", "Ready") == "True", "the second machine joins")
            scaled = [line.replace("replicas: 2", "replicas: 4") for line in before if "starlink up" not in line]
            assert "task.starlink.dev/hello configured" in one.types(scaled)
            eventually(lambda: on_both(starlink), "it runs on both")
        one.types(["starlink down --tasks"])
        two.types([f"elsewhere down --tasks --data-dir {homes[1] / 'agent'}"])
    finally:
        starlink.remove()


def on_both(starlink: Starlink) -> bool:
    ready = {one["spec"]["server"] for one in starlink.items("assignments") if one.get("status", {}).get("ready")}
    return len(ready) == 2
