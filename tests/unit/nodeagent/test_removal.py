"""An agent that is killed while it removes an instance: the next one goes on with it, and nothing was lost."""

import asyncio
import logging
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.unit.nodeagent.test_journal import UID, record

from starlink_nodeagent.journal.journal import Journal

STEPS = ("rename", "unlink", "rmdir")


async def made(folder: Path) -> Journal:
    """A journal with an instance of some files."""
    journal = Journal(folder)
    await journal.save(record())
    for name in ("work/a/b", "work/c", "runs/1"):
        path = folder / UID / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return journal


def killed_at(step: int, folder: Path) -> bool:
    """Removes the instance in a process that is killed before its n-th change of the disk; whether it was."""
    child = os.fork()
    if not child:
        try:
            for name in STEPS:
                setattr(os, name, _counted(getattr(os, name), step))
            asyncio.run(Journal(folder).forget(UID))
            os._exit(0)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert status in (0, signal.SIGKILL), "nothing else went wrong"
    return status == signal.SIGKILL


_done: list[str] = []


def _counted(act: Callable[..., Any], step: int) -> Callable[..., Any]:
    def counted(*arguments: Any, **options: Any) -> Any:
        if len(_done) == step:
            os.kill(os.getpid(), signal.SIGKILL)
        result = act(*arguments, **options)
        _done.append(act.__name__)
        return result

    return counted


def test_a_removal_that_was_cut_off_goes_on_without_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """At each step: the record is there as it was, or nothing is left that anybody has to be told of."""
    caplog.set_level(logging.INFO)
    steps = 0
    while True:
        folder = tmp_path / str(steps)
        asyncio.run(made(folder))
        cut = killed_at(steps, folder)
        journal = Journal(folder)
        loaded = journal.load()
        if loaded.records:
            assert (loaded.records, loaded.unknown, steps) == ([record()], [], 0)
        for uid in loaded.unknown:
            assert journal.is_half_removed(uid)
        asyncio.run(journal.forget(UID))
        assert [*folder.iterdir()] == []
        if not cut:
            break
        steps += 1
    assert steps > 7, "each file and folder is a step"
    assert caplog.messages == []


def test_a_lost_record_is_told_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What lies there without a record or a mark was not removed by an agent."""
    journal = asyncio.run(made(tmp_path))
    (tmp_path / UID / "record.json").unlink()
    assert journal.load().unknown == [UID] and not journal.is_half_removed(UID)
    assert caplog.messages == ["the record of an instance can't be read; it is kept until that is known"]
