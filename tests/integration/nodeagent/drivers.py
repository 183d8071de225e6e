"""An agent without an API: real drivers as real processes, and what would be told of them."""

import asyncio
import contextlib
import json
import os
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from tests.conftest import _let_pass, soon

from starlink_nodeagent.assembly import assembled
from starlink_nodeagent.instances.instance import Instance
from starlink_nodeagent.journal.journal import Journal
from starlink_nodeagent.journal.record import Record
from starlink_nodeagent.layout import KEPT, RESULT, SPEC
from starlink_nodeagent.processes.procfs import all_pids, environment_of, user_of
from starlink_nodeagent.users.policy import users
from starlink_nodeagent.users.user import oneself

UID = "0d9ba4e5-5c2a-4a0c-9f0e-0000000000d1"


def record(operation: str = "run", restart: str = "Always", **spec: Any) -> Record:
    driver = {"name": "exec-report", "operation": operation, "spec": spec}
    restarts = {"policy": restart, "backoff": {"initial": "100ms", "max": "1s"}}
    template = {"runtime": "Driver", "driver": driver, "restart": restarts, "stop": {"gracePeriod": "5s"}}
    return msgspec.convert(
        {
            "uid": UID, "namespace": "default", "name": "d-0", "task": "d", "slot": "0", "cluster": "c",
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
        self.directory = folder / "instances" / UID
        self.results: list[Any] = []
        self.leftovers = Leftovers({UID})
        self._begin_agent()

    def _begin_agent(self) -> None:
        journal, cache = Journal(self.folder / "instances"), self.folder / "artifacts"
        self.users = users(None, None, self.folder / "task-uids")
        self.host = assembled("s1", journal, cache, None, self.users, path=os.environ["PATH"])
        self.host.tell = lambda one: self.results.append(self.host.finding(one.uid).result)
        self.instance: Instance | None = None

    def begin(self, one: Record, *, fresh: bool = True) -> Instance:
        made = self.instance = Instance(one, self.host, lambda _: None, fresh=fresh)
        self.host.records = lambda: [made.record]
        made.begin()
        return made

    async def restart_agent(self) -> Instance:
        """Another agent goes on with what is in the journal; processes stay."""
        await self.leave()
        self._begin_agent()
        (found,) = self.host.journal.load().records
        return self.begin(found, fresh=False)

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
        await soon(lambda: (self.host.finding(UID).result or {}).get(key) == value, f"{key} is {value!r}")

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
