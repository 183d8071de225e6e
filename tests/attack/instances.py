"""What attacks on the agent share: instances with real processes, each Task with a user of its own, without an API."""

import contextlib
import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.conftest import _let_pass, soon

from starlink_nodeagent.assembly import assembled
from starlink_nodeagent.instances.instance import Instance
from starlink_nodeagent.journal.journal import Journal
from starlink_nodeagent.journal.record import Record
from starlink_nodeagent.processes.processes import Marker
from starlink_nodeagent.users.policy import Users
from starlink_nodeagent.users.uids import Range

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give tasks users of their own")
NUMBERS = Range(first := 1_917_000_000 + 50 * os.getpid(), first + 31)
"""Of this process's tests alone, so that what they end is theirs; 4,194,304 is the largest pid that a system gives. The 18
after them are for numbers outside of the range."""
PYTHON = "/usr/bin/python3"


class Bench:
    """Instances of one server, held as an agent holds them."""

    def __init__(self, folder: Path, numbers: Range = NUMBERS) -> None:
        folder.mkdir(exist_ok=True)
        _let_pass(folder)
        self.folder = folder
        self.held: dict[str, Instance] = {}
        self.host = assembled(
            "s1", Journal(folder / "instances"), folder / "artifacts", folder, Users(numbers), path=os.environ["PATH"]
        )
        self.host.undecided = lambda: {
            uid: user for uid, instance in self.held.items() if (user := instance.unseen) is not None
        }
        self.host.records = lambda: [instance.record for instance in self.held.values()]

    def record(self, task: str, number: int = 0, *, task_uid: str = "", **template: Any) -> Record:
        uid = f"0d9ba4e5-5c2a-4a0c-9f0e-{task[:5].encode().hex():0>10}{number:02}"
        return msgspec.convert(
            {
                "uid": uid, "namespace": "default", "name": f"{task}-{number}", "task": task,
                "task_uid": task_uid, "slot": str(number),
                "cluster": "c", "resource_version": 1, "generation": 1, "template": template,
            },
            Record,
        )  # fmt: skip

    def begin(self, record: Record) -> Instance:
        instance = self.held[record.uid] = Instance(record, self.host, lambda _: None)
        instance.begin()
        return instance

    async def run(self, task: str, script: str, number: int = 0, *, task_uid: str = "", **template: Any) -> Instance:
        """An instance of a shell script, once it runs."""
        instance = self.begin(self.record(task, number, task_uid=task_uid, command=["sh", "-c", script], **template))
        await soon(lambda: instance.record.phase not in ("Pending", "Preparing", "Starting"), "it runs")
        assert instance.record.phase == "Running", instance.record.message
        return instance

    def work(self, instance: Instance) -> Path:
        return self.host.journal.directory(instance.record.uid) / "work"

    def uid(self, instance: Instance) -> int:
        assert instance.record.user is not None
        return instance.record.user.uid

    def marker(self, instance: Instance) -> Marker:
        return Marker(f"{instance.record.uid}/{instance.record.run}", self.uid(instance))

    async def end(self, instance: Instance) -> None:
        """Stops an instance and forgets it, as the agent does."""
        instance.stop()
        await instance.over()
        await self.host.release_user(instance.record.uid, instance.record.user)
        del self.held[instance.record.uid]


def as_task(uid: int, *command: str, env: dict[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
    """What a process of a task's user gets to see."""
    return subprocess.run(
        command, user=uid, group=uid, extra_groups=[], env=env or {"PATH": os.environ["PATH"]}, cwd="/",
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip


@contextlib.asynccontextmanager
async def bench(folder: Path, numbers: Range = NUMBERS) -> AsyncIterator[Bench]:
    """A bench of which nothing outlives the test."""
    made = Bench(folder, numbers)
    try:
        yield made
    finally:
        for instance in made.held.values():
            instance.leave()
            await instance.over()
        for user in {instance.record.user for instance in made.held.values()}:
            if user is not None and user.alone:
                await made.host.clearing.clear(user.uid)
