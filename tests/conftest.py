"""What the tests share: a real standalone StarLink, and a real kubectl."""

import asyncio
import contextlib
import gc
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests import command, durations, profiles, warm
from tests.durations import Durations
from tests.kube.control_plane import ControlPlane
from tests.kube.installed import install
from tests.machines import Machine
from tests.meter import Metered
from tests.reader import Reader
from tests.shared import Shared
from tests.tools import IN_CI, KUBE_APISERVER, KUBE_CONTROLLER_MANAGER, KUBECTL
from tests.turns import Turns, asks_kubernetes
from xdist.remote import Producer
from xdist.scheduler import Scheduling

ROOT = Path(__file__).resolve().parents[1]
DEADLINE = 60.0
PAUSE = 0.1
"""Seconds between two looks at what becomes so late."""
QUICK = ("conformance", "golden", "properties", "unit")
"""Folders whose tests wait for little."""
UNKNOWN = 5.0
"""The seconds that a file of another folder is taken for, where none are kept."""

profiles.register()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--keep-durations", action="store_true", help="write how long it took: bench/results/tests.json")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("keep_durations", default=False):
        is_worker = hasattr(config, "workerinput")
        if not is_worker:
            config.pluginmanager.register(Durations())
        if is_worker or not config.getoption("numprocesses", default=None):
            config.pluginmanager.register(Metered())


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Iterator[None]:
    """All that is collected stays: the garbage collector neither looks at it while it comes to be nor, by each test,
    later."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What asks Kubernetes comes first, then what takes longest, so that no worker is left alone with it in the end: by
    the durations that are kept, and files that have none before the quick ones. What asks a Kubernetes that is not
    there is left out, unless nothing may be missing."""
    if _without_kubernetes():
        config.hook.pytest_deselected(items=[item for item in items if asks_kubernetes(item.nodeid)])
        items[:] = [item for item in items if not asks_kubernetes(item.nodeid)]
    took = durations.kept()

    def turn(item: pytest.Item) -> tuple[bool, float]:
        file = item.path.relative_to(ROOT)
        seconds = took.get(str(file), 0.0 if file.parts[1] in QUICK else UNKNOWN)
        return not asks_kubernetes(item.nodeid), -seconds

    items.sort(key=turn)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _without_kubernetes():
        wanted = KUBE_APISERVER.wanted
        terminalreporter.write_line(f"tests that ask a real Kubernetes are left out: it must be {wanted}")


def _without_kubernetes() -> bool:
    return not IN_CI and not (KUBE_APISERVER.find() and KUBE_CONTROLLER_MANAGER.find())


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling | None:
    return Turns(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.fixture(scope="session", autouse=True)
def temporary_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What tests and the programs that they start leave behind goes with pytest's own folders."""
    folder = tmp_path_factory.mktemp("tmp")
    _let_pass(folder)
    folder.chmod(0o1777)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("TMPDIR", str(folder))
        patched.setattr(tempfile, "tempdir", str(folder))
        yield


@pytest.fixture(scope="session", autouse=True)
def forks() -> Iterator[None]:
    """What processes are forked from ends with the tests."""
    yield
    warm.end()


@pytest.fixture(scope="session")
def kubernetes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A real Kubernetes. Its logs stay with pytest's own folders where a test fails."""
    with ControlPlane(tmp_path_factory.mktemp("kubernetes")) as found:
        yield found


@pytest.fixture(scope="session")
def starlink_on_kubernetes(kubernetes: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> ControlPlane:
    """One that has StarLink's kinds; what they hold goes with the test that made it."""
    install(Kubectl(KUBECTL.path(), kubernetes.kubeconfig(), tmp_path_factory.mktemp("home")))
    return kubernetes


def eventually(check: Callable[[], Any], what: str, seconds: float = DEADLINE, pause: float = PAUSE) -> Any:
    """Waits until `check` gives something true, and gives it; fails with `what` and the last answer. It looks often at
    first, then each `pause`: a look takes CPU, of the server too."""
    began = time.monotonic()
    while True:
        last = check()
        if last:
            return last
        waited = time.monotonic() - began
        if waited > seconds:
            pytest.fail(f"{what} did not become so within {seconds:g} s; last: {last!r}")
        time.sleep(min(pause, 0.02 + waited / 5))


async def soon(check: Callable[[], Any], what: str, seconds: float = DEADLINE) -> Any:
    """The same, while an event loop runs."""
    end = time.monotonic() + seconds
    while True:
        last = check()
        if last:
            return last
        if time.monotonic() > end:
            pytest.fail(f"{what} did not become so within {seconds:g} s; last: {last!r}")
        await asyncio.sleep(0.02)


class Starlink:
    """A standalone StarLink in a folder of the test's own."""

    def __init__(
        self, folder: Path, machine: Machine | None = None, python: str = sys.executable, data: str = "data"
    ) -> None:
        """`machine` is another than this one."""
        self.folder = folder
        self.python = python
        self.within = machine.within if machine else ()
        self._there = machine.entered if machine else contextlib.nullcontext
        self.data = folder / data
        self.artifacts = folder / "artifacts"
        self.artifacts.mkdir(exist_ok=True)
        self._reader = Reader(self.kubeconfig)

    def cli(self, *words: str, check: bool = True, stdin: str | None = None) -> "subprocess.CompletedProcess[str]":
        """Runs `starlink` on this data dir: in this process where nothing is lost by it."""
        words = ("--data-dir", str(self.data), *words)
        whole_machine = bool(self.within) and "up" in words  # its parts see no other devices than that machine's
        if self.python == sys.executable and not whole_machine and command.can_run_here(words):
            with self._there():
                done = command.run(words, stdin)
        else:
            done = self.process(*words, stdin=stdin)
        if check and done.returncode:
            pytest.fail(f"starlink {' '.join(words)} ended with {done.returncode}: {done.stdout}{done.stderr}")
        return done

    def process(self, *words: str, stdin: str | None = None) -> "subprocess.CompletedProcess[str]":
        """`starlink WORDS` as a process of its own."""
        env = {name: value for name, value in os.environ.items() if name != "KUBECONFIG"}
        return subprocess.run(
            [*self.within, self.python, "-m", "starlink.cli", *words],
            capture_output=True, text=True, input=stdin, timeout=90, env=env, check=False,
        )  # fmt: skip

    def up(self, name: str = "s1", *options: str) -> None:
        self.cli("up", "--detach", "--name", name, "--artifact-dir", str(self.artifacts), *options)

    def add_server(self, name: str) -> str:
        """The kubeconfig of a further server's agent on this machine."""
        return self.cli("server", "add", name, "--server", self.state["url"]).stdout

    @property
    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = json.loads((self.data / "run.json").read_text())
        return state

    @property
    def settings(self) -> dict[str, Any]:
        """The options that `up` keeps."""
        settings: dict[str, Any] = json.loads((self.data / "settings.json").read_text())
        return settings

    @property
    def kubeconfig(self) -> Path:
        return self.data / "admin.kubeconfig"

    def get(self, *words: str) -> dict[str, Any]:
        """What `starlink get … -o json` prints, {} when it is not there or the API is away; a status is {} until it is
        told."""
        with self._there():
            found = self._reader.get(*words)
        for one in found.get("items", [found] if found else []):
            one.setdefault("status", {})
        return found

    def items(self, *words: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.get(*words).get("items", [])
        return found

    def apply(self, *objects: dict[str, Any]) -> None:
        self.cli("apply", "-f", "-", stdin="\n---\n".join(map(json.dumps, objects)))

    def condition(self, kind: str, name: str, type_: str) -> str:
        conditions = self.get(kind, name).get("status", {}).get("conditions", [])
        return next((c["status"] for c in conditions if c["type"] == type_), "")

    def processes(self) -> dict[int, str]:
        """The living processes of instances below this folder, with their STARLINK_RUN."""
        return instances_below(self.folder)

    def remove(self) -> None:
        """Ends everything by pid."""
        self._reader.close()
        with contextlib.suppress(OSError, ValueError, KeyError):
            state = self.state
            self.cli("down", check=False)
            for pid in (state["pid"], *state["children"].values()):
                if pid and str(self.folder).encode() in _read(f"/proc/{pid}/cmdline"):
                    os.kill(pid, signal.SIGKILL)
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""


def instances_below(folder: Path) -> dict[int, str]:
    """Living processes with STARLINK_RUN whose HOME is below `folder`."""
    below = f"{folder}/".encode()
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        environ = _environ(pid)
        if b"STARLINK_RUN=" not in environ:
            continue
        parts = dict(part.split(b"=", 1) for part in environ.split(b"\0") if b"=" in part)
        if b"STARLINK_RUN" in parts and parts.get(b"HOME", b"").startswith(below):
            found[int(pid)] = parts[b"STARLINK_RUN"].decode()
    return found


def _environ(pid: str) -> bytes:
    """That of a process, b"" where it has ended; its main thread may have, while others live."""
    environ = _read(f"/proc/{pid}/environ")
    if environ or _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()[:1] != [b"Z"]:
        return environ
    with contextlib.suppress(OSError):
        threads = os.listdir(f"/proc/{pid}/task")
        return next(filter(None, (_read(f"/proc/{pid}/task/{thread}/environ") for thread in threads)), b"")
    return b""


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    """The StarLink that modules of this worker share."""
    lender = Shared(lambda: standing(tmp_path_factory.mktemp("starlink")))
    yield lender
    lender.stop()


@pytest.fixture(scope="module")
def starlink(shared: Shared) -> Iterator[Starlink]:
    """A StarLink that is up, with nothing of other modules; a module that changes more than its objects costs a start."""
    yield shared.lend()
    shared.take_back()


@contextlib.contextmanager
def standing(folder: Path, *options: str) -> Iterator[Starlink]:
    """A StarLink that was started with these options."""
    _let_pass(folder)
    found = Starlink(folder)
    try:
        found.up("s1", *options)
        yield found
    finally:
        found.remove()


def _let_pass(folder: Path) -> None:
    """Tasks run as another user when the tests run as root: let it pass through pytest's folders."""
    for part in (folder, *folder.parents):
        if part.owner() == folder.owner() and part != Path("/tmp"):
            with contextlib.suppress(PermissionError):
                part.chmod(part.stat().st_mode | 0o011)
        if part.name.startswith("pytest-of-"):
            return


class Kubectl:
    """A real kubectl with a home of its own."""

    def __init__(self, binary: str, kubeconfig: Path, home: Path) -> None:
        self._binary = binary
        self._env = {
            **os.environ,
            "KUBECONFIG": str(kubeconfig),
            "HOME": str(home),
            "KUBECACHEDIR": str(home / "cache"),
        }

    def __call__(
        self, *words: str, check: bool = True, stdin: str | None = None, env: dict[str, str] | None = None
    ) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            [self._binary, *words], capture_output=True, text=True, input=stdin, timeout=180,
            env={**self._env, **(env or {})}, check=False,
        )  # fmt: skip
        if check and done.returncode:
            pytest.fail(f"kubectl {' '.join(words)} ended with {done.returncode}: {done.stdout}{done.stderr}")
        return done

    def popen(self, *words: str) -> "subprocess.Popen[str]":
        return subprocess.Popen([self._binary, *words], stdout=subprocess.PIPE, text=True, env=self._env)


@pytest.fixture(scope="module")
def kubectl(starlink: Starlink, tmp_path_factory: pytest.TempPathFactory) -> Kubectl:
    """kubectl against the module's StarLink."""
    return Kubectl(KUBECTL.path(), starlink.kubeconfig, tmp_path_factory.mktemp("home"))
