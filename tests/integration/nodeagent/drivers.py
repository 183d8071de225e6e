"""An agent without an API: real drivers as real processes, and what would be told of them."""

import asyncio
import contextlib
import json
import os
import signal
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from tests.conftest import _let_pass, soon

from starlink_nodeagent.assembly import assembled
from starlink_nodeagent.decisions import changes
from starlink_nodeagent.instances.instance import Instance
from starlink_nodeagent.journal.journal import Journal
from starlink_nodeagent.journal.record import Record, decode
from starlink_nodeagent.layout import KEPT, RESULT, SPEC
from starlink_nodeagent.processes.procfs import all_pids, environment_of, started, user_of
from starlink_nodeagent.runtimes.contract import Finding
from starlink_nodeagent.users.policy import users
from starlink_nodeagent.users.user import oneself


def record(uid: str, operation: str = "run", restart: str = "Always", **spec: Any) -> Record:
    driver = {"name": "exec-report", "operation": operation, "spec": spec}
    restarts = {"policy": restart, "backoff": {"initial": "100ms", "max": "1s"}}
    template = {"runtime": "Driver", "driver": driver, "restart": restarts, "stop": {"gracePeriod": "5s"}}
    return msgspec.convert(
        {
            "uid": uid, "namespace": "default", "name": "d-0", "task": "d", "slot": "0", "cluster": "c",
            "resource_version": 1, "generation": 1, "template": template,
        },
        Record,
    )  # fmt: skip


@dataclass
class Leftovers:
    """What runs of some Assignments."""

    uids: set[str] = field(default_factory=set)

    def processes(self, run: str = "") -> list[int]:
        """The living ones, or those of one run of each."""
        wanted = tuple(f"{uid}/{run}" for uid in self.uids)
        return [
            pid
            for pid in all_pids()
            if user_of(pid) is not None and environment_of(pid).get("STARLINK_RUN", "").startswith(wanted)
        ]

    async def end(self) -> None:
        while pids := self.processes():
            for pid in pids:
                kill(pid)
            await asyncio.sleep(0.01)


class Server:
    """One agent after another on one data directory; at most one at a time."""

    def __init__(self, folder: Path) -> None:
        _let_pass(folder)
        self.folder = folder
        self.uid = str(uuid.uuid4())
        self.directory = folder / "instances" / self.uid
        self.results: list[Any] = []
        self.leftovers = Leftovers({self.uid})
        self.begin_agent()

    def begin_agent(self) -> None:
        journal, cache = Journal(self.folder / "instances"), self.folder / "artifacts"
        self.users = users(None, None, self.folder / "task-uids")
        self.host = assembled("s1", journal, cache, None, self.users, path=os.environ["PATH"])
        self.host.tell = lambda one: self.results.append(self.host.finding(one.uid).result)
        self.instance: Instance | None = None

    @property
    def found(self) -> Finding:
        """What the agent has read of results."""
        return self.host.finding(self.uid)

    def run(self, restart: str = "Always", **spec: Any) -> Instance:
        """A new instance that runs a command."""
        return self.begin(record(self.uid, "run", restart, **spec))

    def begin(self, one: Record, *, fresh: bool = True) -> Instance:
        made = self.instance = Instance(one, self.host, lambda _: None, fresh=fresh)
        self.host.records = lambda: [made.record]
        made.begin()
        return made

    async def restart_agent(self) -> Instance:
        """Another agent goes on with what is in the journal; processes stay."""
        await self.leave()
        self.begin_agent()
        return self.begin(self.stored(), fresh=False)

    def stored(self) -> Record:
        """The record as it lies on the disk."""
        return decode((self.directory / "record.json").read_bytes(), self.uid)

    def wish(self, operation: str = "run", **spec: Any) -> None:
        """As the agent does when a changed Assignment is declared."""
        assert self.instance is not None
        wished = changes.of(record(self.uid, operation, **spec).template, ())
        if not self.instance.changes.has(wished):
            self.instance.changes.wish(wished)

    async def leave(self) -> None:
        if self.instance is not None:
            self.instance.leave()
            await self.instance.over()
        self.host.journal.close()

    async def running(self) -> None:
        assert self.instance is not None
        record = self.instance.record
        await soon(lambda: record.phase == "Running" and self.drivers(), f"it runs: {record.phase} {record.message}")

    async def stopped(self) -> Record:
        assert self.instance is not None
        self.instance.stop()
        await self.instance.over()
        return self.instance.record

    async def finds(self, key: str, value: object) -> None:
        """Waits until the agent has read of such a result."""
        await soon(lambda: (self.found.result or {}).get(key) == value, f"{key} is {value!r}")

    def result(self) -> Any:
        return json.loads((self.directory / RESULT).read_bytes())

    def spec(self) -> Any:
        return json.loads((self.directory / SPEC).read_bytes())

    def kept_journal(self) -> Path:
        return self.directory / KEPT

    def processes(self, run: str = "") -> list[int]:
        """The living ones of the instance, or of one of its runs."""
        return self.leftovers.processes(run)

    def drivers(self) -> list[int]:
        """The driver's own process, without its supervisor."""
        return [
            pid for pid in self.processes() if b"starlink_drivers" in words(pid)[2:5] and words(pid)[1:2] == [b"-I"]
        ]

    async def end(self) -> None:
        """Leaves nothing."""
        await self.leave()
        await self.leftovers.end()


def words(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return []


def kill(pid: int, number: int = signal.SIGKILL) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def owner() -> int:
    return oneself().uid


def kept_of(server: Server) -> list[int]:
    """What an instance keeps, the oldest first."""
    return sorted(server.processes("kept"), key=started)
