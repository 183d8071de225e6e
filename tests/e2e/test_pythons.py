"""The messages of a day on other Pythons: each is a message, and none a traceback."""

import asyncio
import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import Starlink, _let_pass, eventually
from tests.pythons import NotPrepared, Python, prepared
from tests.tools import DEBIAN_PYTHON, NEW_PYTHON, Tool

from starlink.api.kinds import LEASE
from starlink.client.config import load
from starlink.client.kube import Client
from starlink_operator.leadership import NAME, NAMESPACE

NAME_TAKEN = 3


@pytest.fixture(scope="module", params=[DEBIAN_PYTHON, NEW_PYTHON], ids=lambda tool: tool.name)
def python(request: pytest.FixtureRequest) -> Iterator[Python]:
    tool: Tool = request.param
    path = tool.path()
    try:
        found = prepared(path)
    except NotPrepared as error:
        pytest.skip(str(error))
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PYTHONPATH", found.path)
        yield found


@pytest.fixture
def starlink(python: Python, tmp_path: Path) -> Iterator[Starlink]:
    _let_pass(tmp_path)
    found = Starlink(tmp_path, python=python.executable)
    try:
        found.up()
        yield found
    finally:
        found.remove()


class Agent:
    """A further server's agent on this machine."""

    def __init__(self, starlink: Starlink, kubeconfig: Path, name: str) -> None:
        self.log = starlink.folder / f"{name}.log"
        words = ["agent", "--kubeconfig", str(kubeconfig), "--data-dir", str(starlink.folder / name)]
        with self.log.open("wb") as file:
            self.process = subprocess.Popen([starlink.python, "-m", "starlink.cli", *words], stdout=file, stderr=file)

    def ended(self) -> tuple[int, str]:
        """With what it has ended, and what it has said."""
        return self.process.wait(60), self.log.read_text()


@contextlib.contextmanager
def agent(starlink: Starlink, kubeconfig: Path, name: str) -> Iterator[Agent]:
    made = Agent(starlink, kubeconfig, name)
    try:
        yield made
    finally:
        if made.process.poll() is None:
            made.process.kill()
            made.process.wait()


async def take_leadership(kubeconfig: Path) -> None:
    async with Client(load(kubeconfig)) as client:
        await client.patch(LEASE, NAME, {"spec": {"holderIdentity": "another"}}, NAMESPACE)


def test_what_ends_a_part_is_said_without_a_traceback(starlink: Starlink) -> None:
    starlink.apply({
        "apiVersion": "starlink.dev/v1alpha1", "kind": "Task", "metadata": {"name": "web"},
        "spec": {"template": {"command": ["sleep", "100000"]}},
    })  # fmt: skip
    eventually(lambda: starlink.condition("task", "web", "Ready") == "True", "a task runs")
    kubeconfig = starlink.folder / "s2.kubeconfig"
    kubeconfig.write_text(starlink.add_server("s2"))
    with agent(starlink, kubeconfig, "s2") as second:
        eventually(lambda: starlink.condition("server", "s2", "Ready") == "True", "a second server joins")
        with agent(starlink, kubeconfig, "twin") as twin:
            code, said = twin.ended()
            assert code == NAME_TAKEN and "server 's2' is another machine" in said
        starlink.cli("delete", "server", "s2")
        code, said = second.ended()
        assert code == 0 and "Server s2 was deleted" in said
    operator = starlink.data / "logs" / "operator.log"
    asyncio.run(take_leadership(starlink.kubeconfig))
    eventually(lambda: "the leadership is lost: the Lease was taken by another" in operator.read_text(), "it is told")
    starlink.cli("down", "--tasks")
    logs = [*starlink.folder.glob("*.log"), *(starlink.data / "logs").glob("*.log")]
    assert len(logs) >= 5
    assert [log.name for log in logs if "Traceback" in log.read_text()] == []
