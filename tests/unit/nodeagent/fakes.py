"""A server without processes: its runtime keeps runs in a table, and a test moves its clock.

The table outlives the agent, as processes do, and an agent can be made to die at any of its steps.
"""

import asyncio
import errno
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from starlink.api.template import Template
from starlink.files import durable
from starlink_nodeagent.artifacts.artifacts import Artifacts
from starlink_nodeagent.artifacts.eviction import Limits
from starlink_nodeagent.clock import Clock
from starlink_nodeagent.instances.host import Host
from starlink_nodeagent.instances.instance import Instance
from starlink_nodeagent.journal.journal import Journal
from starlink_nodeagent.journal.record import Record, decode
from starlink_nodeagent.runtimes.contract import Exit, Finding, Offer, RunContext, Stop
from starlink_nodeagent.users.policy import Users
from starlink_nodeagent.users.user import TaskUser

UID = "0d9ba4e5-5c2a-4a0c-9f0e-000000000001"
NEIGHBOUR = "0d9ba4e5-5c2a-4a0c-9f0e-000000000002"
NOBODY = TaskUser("nobody", 65534, 65534)


class Time:
    """Stands still but for `pass_`."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    @property
    def clock(self) -> Clock:
        return Clock(lambda: self.now, lambda: self.now, self._sleep)

    @property
    def pauses(self) -> list[float]:
        """How long each that sleeps has to go."""
        return sorted(due - self.now for due, _ in self._sleepers)

    def pass_(self, seconds: float) -> None:
        self.now += seconds
        for due, sleeper in self._sleepers:
            if due <= self.now and not sleeper.done():
                sleeper.set_result(None)

    async def _sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        sleeper = self.now + seconds, asyncio.get_running_loop().create_future()
        self._sleepers.append(sleeper)
        try:
            await sleeper[1]
        finally:
            self._sleepers.remove(sleeper)


@dataclass(eq=False)
class FakeRun:
    """A run in the table; `alive` is what the agent has seen of it."""

    uid: str
    number: int
    over: asyncio.Event = field(default_factory=asyncio.Event)
    exit: Exit | None = None
    alive: bool = True
    ports: Mapping[str, int] = field(default_factory=dict)

    def end(self, exit_: Exit) -> None:
        self.exit = self.exit or exit_
        self.over.set()


class World:
    """The server. `steps` are all that agents did; at the step with the number `dies_at` the agent that does it dies,
    and does nothing any more."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.time = folder, Time()
        self.runs: list[FakeRun] = []
        self.steps: list[str] = []
        self.dies_at: int | None = None
        self.told: dict[str, list[Any]] = defaultdict(list)
        """The specs that drivers were told, by UID."""
        self.kept: set[str] = set()
        """The UIDs of instances whose drivers keep something."""
        self.wrong: list[str] = []
        """What no agent may do."""

    @property
    def dead(self) -> bool:
        return self.dies_at is not None and len(self.steps) > self.dies_at

    def step(self, what: str) -> None:
        """Raises OSError in the agent that is dead, which gets no further."""
        self.steps.append(what)
        if self.dead:
            raise OSError(errno.EIO, "the agent is dead")

    def living(self, uid: str = UID) -> list[FakeRun]:
        return [run for run in self.runs if run.uid == uid and run.exit is None]

    def runtime(self) -> "FakeRuntime":
        return FakeRuntime(self)

    def record_on_disk(self, uid: str) -> Record:
        return decode((self.folder / uid / "record.json").read_bytes(), uid)


class FakeRuntime:
    """A runtime of a world. `trouble` is raised by the methods that it names; `held` ones wait until they are let go;
    `verdicts` answer commands of probes."""

    name = "Process"
    as_agent = finds = False

    def __init__(self, world: World) -> None:
        self.world = world
        self.trouble: dict[tuple[str, str], Exception] = {}
        self.held: dict[str, asyncio.Event] = {}
        self.verdicts: dict[str, str] = {}

    def offer(self) -> Offer | None:
        return Offer()

    def fault(self, template: Template) -> str:
        return "template.command: it is bad" if template.command == ("bad",) else ""

    async def prepare(self, run: RunContext) -> None:
        await self._enter("prepare", run.uid)

    def check(self, run: RunContext) -> None:
        self._raise("check", run.uid)

    def start(self, run: RunContext) -> FakeRun:
        self.world.step("start")
        self._raise("start", run.uid)
        if self.world.living(run.uid):
            self.world.wrong.append(f"{run.id} was started beside another")
        if any((one.uid, one.number) == (run.uid, run.number) for one in self.world.runs):
            self.world.wrong.append(f"{run.id} was started twice")
        if self.world.record_on_disk(run.uid).run != run.number:
            self.world.wrong.append(f"{run.id} was started before it was journaled")
        made = FakeRun(run.uid, run.number)
        self.world.runs.append(made)
        self.world.step("started")
        return made

    async def adopt(self, run: RunContext) -> FakeRun | None:
        await self._enter("adopt", run.uid)
        latest = max((one for one in self.world.runs if one.uid == run.uid), key=lambda one: one.number, default=None)
        if latest is None or (latest.exit is not None and latest.number < run.number + run.counted):
            return None
        return FakeRun(latest.uid, latest.number, latest.over, latest.exit, alive=latest.exit is None)

    async def lives(self, run: RunContext) -> bool:
        await self._enter("lives", run.uid)
        return bool(self.world.living(run.uid))

    async def ended(self, handle: FakeRun) -> Exit:
        await handle.over.wait()
        await self._enter("ended", handle.uid)
        (run,) = [one for one in self.world.runs if (one.uid, one.number) == (handle.uid, handle.number)]
        assert run.exit is not None
        return run.exit

    async def stop(self, handle: FakeRun, how: Stop) -> None:
        await self._enter("stop", handle.uid)
        for run in self.world.living(handle.uid):
            run.end(Exit(None, how.signal.name))
        self.world.step("stopped")

    async def sweep(self, run: RunContext, keep: FakeRun | None = None) -> None:
        await self._enter("sweep", run.uid)
        for one in self.world.living(run.uid):
            if keep is None or one.number != keep.number:
                one.end(Exit(None, "SIGKILL"))

    async def reload(self, run: RunContext, handle: FakeRun) -> None:
        pass

    async def release(self, run: RunContext, how: Stop) -> None:
        pass

    def finding(self, run: RunContext) -> Finding:
        return Finding()

    async def execute(self, run: RunContext, command: Sequence[str], seconds: float) -> str:
        return self.verdicts.get(command[0], "")

    async def _enter(self, method: str, uid: str) -> None:
        self.world.step(method)
        if method in self.held:
            await self.held[method].wait()
        self._raise(method, uid)

    def _raise(self, method: str, uid: str) -> None:
        if (error := self.trouble.get((method, uid))) is not None:
            raise error


class FakeDriver(FakeRuntime):
    """A runtime of drivers, which are told what they are to do when they start and when it changes."""

    name = "Driver"
    as_agent = True
    faults: tuple[object, ...] = ()
    """Values of a spec that it can't use."""

    def fault(self, template: Template) -> str:
        assert template.driver is not None
        return next((f"it is {value}" for value in template.driver.spec.values() if value in self.faults), "")

    def start(self, run: RunContext) -> FakeRun:
        made = super().start(run)
        self._tell(run)
        self.world.kept.add(run.uid)
        return made

    async def reload(self, run: RunContext, handle: FakeRun) -> None:
        await self._enter("reload", run.uid)
        self._tell(run)
        self.world.step("reloaded")

    async def release(self, run: RunContext, how: Stop) -> None:
        await self._enter("release", run.uid)
        if self.world.living(run.uid):
            self.world.wrong.append(f"what {run.id} keeps was ended before it")
        self.world.kept.discard(run.uid)
        self.world.step("released")

    def _tell(self, run: RunContext) -> None:
        assert run.template.driver is not None
        self.world.told[run.uid].append(run.template.driver.spec)


class FakeAgent:
    """What an agent holds, without an API: instances of what is in the journal or begun."""

    def __init__(self, world: World) -> None:
        self.world, self.runtime = world, world.runtime()
        self.told: list[tuple[str, str]] = []
        self.instances: dict[str, Instance] = {}
        folder, clock = world.folder, world.time.clock
        artifacts = Artifacts(folder / "artifacts", None, Limits(), tuple, clock.now)
        self.journal = Journal(folder, self._write)
        self.host = Host("s1", self.journal, artifacts, Users(shared=NOBODY), clock)
        self.driver = FakeDriver(world)
        self.host.runtimes.update(Process=self.runtime, Driver=self.driver)
        self.host.records = lambda: [instance.record for instance in self.instances.values()]

    def adopt(self) -> "FakeAgent":
        """Goes on with what is in the journal."""
        for record in self.journal.load().records:
            self.begin(record, fresh=False)
        return self

    def begin(self, record: Record, *, fresh: bool = True) -> Instance:
        made = self.instances[record.uid] = Instance(record, self.host, self._changed, fresh=fresh)
        made.begin()
        return made

    async def die(self) -> None:
        """As by kill -9: nothing of it is written any more."""
        self.world.dies_at = min(len(self.world.steps), self.world.dies_at or len(self.world.steps))
        self.world.steps.append("died")
        for instance in self.instances.values():
            instance.leave()
        await asyncio.gather(*(instance.over() for instance in self.instances.values()))
        self.journal.close()
        self.world.dies_at = None

    def _changed(self, instance: Instance) -> None:
        self.told.append((instance.record.phase, instance.record.reason))

    def _write(self, path: Path, content: bytes) -> None:
        self.world.step("write")
        durable.replace(path, content)
        self.world.step("written")


def record(uid: str = UID, **template: Any) -> Record:
    body = {"command": ["run"], "restart": {"policy": "Always"}, **template}
    return msgspec.convert(
        {
            "uid": uid, "namespace": "default", "name": f"a-{uid[-1]}", "task": "a", "slot": "0", "cluster": "c",
            "resource_version": 1, "generation": 1, "template": body,
        },
        Record,
    )  # fmt: skip


def phases(told: Iterable[tuple[str, str]]) -> list[str]:
    """The phases, each once where it follows itself."""
    found: list[str] = []
    for phase, _ in told:
        if found[-1:] != [phase]:
            found.append(phase)
    return found
