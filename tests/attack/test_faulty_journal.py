"""Writes of the journal that fail at random, while instances start, end, are stopped and forgotten, and the agent is
killed: when the disk is well again what is declared runs once, and nothing runs that nobody knows."""

import asyncio
import contextlib
import errno
import os
import random
import signal
import tempfile
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import instances_below, soon
from tests.profiles import examples

from starlink.api.template import Backoff, Restart, Stop, Template
from starlink.backoff import Pauses
from starlink.files import durable
from starlink_nodeagent.assembly import assembled
from starlink_nodeagent.instances import instance as instances
from starlink_nodeagent.instances.instance import Instance
from starlink_nodeagent.journal import journal as journals
from starlink_nodeagent.journal.journal import Journal
from starlink_nodeagent.journal.record import Record
from starlink_nodeagent.users.policy import Users
from starlink_nodeagent.users.user import TaskUser, name_of

ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EMFILE, errno.ENOMEM, errno.EAGAIN)
SLOTS = 3
WAIT = 60.0
EVENTS = st.sampled_from(["declare", "stop", "forget", "exit", "kill the agent", "break", "mend", "wait"])


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is waited out in seconds is waited out in hundredths."""
    for module in (instances, journals):
        monkeypatch.setattr(module, "PAUSES", Pauses(0.01, 0.1))


class World:
    """A server: its disk, its agent's instances, and what the API declares by UID: whether it is to run."""

    def __init__(self, folder: Path, rng: random.Random) -> None:
        self.folder, self.rng = folder, rng
        self.declared: dict[str, bool] = {}
        self.broken = False
        self.instances: dict[str, Instance] = {}
        self._forgetting: set[asyncio.Task[None]] = set()
        self._begin()

    def _write(self, path: Path, content: bytes) -> None:
        if self.broken and self.rng.random() < 0.7:
            raise OSError(self.rng.choice(ERRORS), "as the test says")
        durable.replace(path, content)

    def _begin(self) -> None:
        uid = 65534 if os.geteuid() == 0 else os.geteuid()
        shared = TaskUser(name_of(uid), uid, uid if os.geteuid() == 0 else os.getegid())
        self.journal = Journal(self.folder / "instances", self._write)
        path = os.environ["PATH"]
        self.host = assembled("s1", self.journal, self.folder / "cache", None, Users(shared=shared), path=path)
        loaded = self.journal.load()
        for record in loaded.records:
            self._hold(record, fresh=False)
        for uid_ in self.declared.keys() - self.instances.keys():
            self._hold(_record(uid_), fresh=False)
        self._follow()

    def _hold(self, record: Record, fresh: bool) -> None:
        made = self.instances[record.uid] = Instance(record, self.host, lambda _: None, fresh=fresh)
        made.begin()

    def _follow(self) -> None:
        """As the agent does it: stops what is to stop, and forgets what nobody declares."""
        for uid, instance in self.instances.items():
            if not self.declared.get(uid, False):
                instance.stop()
            if uid not in self.declared:
                task = asyncio.create_task(self._forget(uid, instance))
                self._forgetting.add(task)

    async def _forget(self, uid: str, instance: Instance) -> None:
        await instance.over()
        if instance.record.finished:
            await self.journal.forget(uid)
            self.instances.pop(uid, None)

    async def happen(self, event: str) -> None:
        one = self.rng.choice(sorted(self.declared)) if self.declared else ""
        if event == "declare" and len(self.declared) < SLOTS:
            uid = str(uuid.UUID(int=self.rng.getrandbits(128)))
            self.declared[uid] = True
            self._hold(_record(uid), fresh=True)
        elif event == "stop" and one:
            self.declared[one] = False
            self._follow()
        elif event == "forget" and one:
            del self.declared[one]
            self._follow()
        elif event == "exit":
            for pid in self.rng.sample(found := sorted(instances_below(self.folder)), min(1, len(found))):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        elif event == "kill the agent":
            await self._kill()
            self._begin()
        elif event in ("break", "mend"):
            self.broken = event == "break"
        await asyncio.sleep(self.rng.random() * 0.05)

    async def _kill(self) -> None:
        """What is unwritten is lost."""
        for task in self._forgetting:
            task.cancel()
        for instance in self.instances.values():
            instance.leave()
        await asyncio.gather(*(instance.over() for instance in self.instances.values()), return_exceptions=True)
        await asyncio.gather(*self._forgetting, return_exceptions=True)
        self._forgetting.clear()
        self.instances.clear()
        self.journal._unwritten.clear()
        self.journal.close()

    def settled(self) -> bool:
        runs = Counter(run.partition("/")[0] for run in set(instances_below(self.folder).values()))
        wanted = Counter(uid for uid, running in self.declared.items() if running)
        return runs == wanted and self.instances.keys() == self.declared.keys()

    async def end(self) -> None:
        await self._kill()
        for pid in instances_below(self.folder):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _record(uid: str) -> Record:
    restart = Restart(policy="Always", backoff=Backoff(initial="10ms", max="50ms"))
    template = Template(command=("sleep", "100000"), restart=restart, stop=Stop(grace_period="1s"))
    return Record(
        uid=uid, namespace="default", name=uid, task="t", slot="0", cluster="c", resource_version=1, generation=1,
        template=template,
    )  # fmt: skip


@contextlib.contextmanager
def passable_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="starlink-faults-") as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


@examples(8)
@given(st.lists(EVENTS, min_size=5, max_size=25), st.integers(0, 2**32))
def test_with_a_well_disk_all_is_as_declared(events: list[str], chosen: int) -> None:
    async def play(folder: Path) -> None:
        world = World(folder, random.Random(chosen))
        try:
            await world.happen("declare")
            for event in events:
                await world.happen(event)
            await world.happen("mend")
            await soon(world.settled, "what runs is what is declared", WAIT)
            await soon(lambda: written(world), "the journal says so, too", WAIT)
        finally:
            await world.end()

    with passable_folder() as folder:
        asyncio.run(play(folder))


def written(world: World) -> bool:
    loaded = world.journal.load()
    stopped = {record.uid: record.finished for record in loaded.records}
    return loaded.unknown == [] and stopped == {uid: not running for uid, running in world.declared.items()}
