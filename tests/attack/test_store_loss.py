"""Acknowledged writes that a store has lost: a start tells of each, and goes on without them only when it is told to."""

import itertools
import logging
import os
from pathlib import Path

import pytest
from tests.contract.sqlite_stores import opened, write_and_be_killed
from tests.contract.stores import A

from starlink.store import highwater
from starlink.store.base import REVISION_STEP, Expired, StoreRefused
from starlink.store.highwater import HighWater, Mark
from starlink.store.sqlite import SqliteStore
from starlink.store.sqlite_file import Durability
from starlink.store.tally import Tally


def break_last_frame(path: Path) -> None:
    """One bit in the last frame of the write-ahead log, which holds the last commit or a part of it."""
    wal = path.with_name(path.name + "-wal")
    content = bytearray(wal.read_bytes())
    content[-100] ^= 1
    wal.write_bytes(content)


@pytest.mark.parametrize("durability", list(Durability))
async def test_the_last_commit_is_missed(tmp_path: Path, durability: Durability) -> None:
    path = tmp_path / "s.db"
    write_and_be_killed(path, durability, 20)
    break_last_frame(path)
    for _ in range(2):
        with pytest.raises(StoreRefused, match=r"ends at revision \d+, but \d+ was acknowledged.*echo accept-loss > "):
            await SqliteStore(path, durability=durability).open()


@pytest.mark.parametrize("durability", list(Durability))
async def test_after_an_accepted_loss_nobody_resumes(tmp_path: Path, durability: Durability) -> None:
    path = tmp_path / "s.db"
    told = write_and_be_killed(path, durability, 20)
    break_last_frame(path)
    path.with_name("s.db.open").write_text("accept-loss\n")
    async with opened(path, durability=durability) as store:
        assert store.revision >= told + REVISION_STEP
        with pytest.raises(Expired):
            store.watch(None, None, told)
        record = await store.put(A, b"a", expect=0)
    async with opened(path, durability=durability) as store:
        assert store.get(A) == record and store.revision == record.revision


async def test_an_older_copy_is_not_taken_for_the_newest(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    async with opened(path) as store:
        await store.put(A, b"1", expect=0)
    older = path.read_bytes()
    async with opened(path) as store:
        newest = await store.put(A, b"2", expect=1)
    path.write_bytes(older)
    with pytest.raises(StoreRefused, match=r"ends at revision 1, but 2 was acknowledged.*echo accept-loss > "):
        await SqliteStore(path).open()
    path.with_name("s.db.open").write_text("accept-loss\n")
    async with opened(path) as store:
        assert store.revision == newest.revision + REVISION_STEP


@pytest.mark.parametrize("durability", list(Durability))
async def test_a_lost_mark_hides_no_loss(
    tmp_path: Path, durability: Durability, caplog: pytest.LogCaptureFixture
) -> None:
    """The end of the log is cut off, and with the mark what would tell of it."""
    path = tmp_path / "s.db"
    told = write_and_be_killed(path, durability, 20)
    wal = path.with_name("s.db-wal")
    os.truncate(wal, wal.stat().st_size * 2 // 3)
    path.with_name("s.db.mark").unlink()
    for _ in range(2):
        with pytest.raises(StoreRefused, match=r"s\.db\.mark is gone, and .* was not closed.*echo accept-loss > "):
            await SqliteStore(path, durability=durability).open()
    path.with_name("s.db.open").write_text("accept-loss\n")
    with caplog.at_level(logging.WARNING):
        async with opened(path, durability=durability) as store:
            assert store.revision > told
    assert "is accepted: it ends at revision" in caplog.text and f"after revision {store.revision}" in caplog.text


async def test_a_closed_store_without_a_mark_starts_and_gets_one(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    async with opened(path) as store:
        record = await store.put(A, b"1", expect=0)
    path.with_name("s.db.mark").unlink()
    async with opened(path) as store:
        assert store.get(A) == record and store.revision == record.revision
    assert path.with_name("s.db.mark").exists()


async def test_a_power_cut_under_normal_goes_on_and_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What --durability normal gives up is no damage: the machine has been off since."""
    path = tmp_path / "s.db"
    told = write_and_be_killed(path, Durability.NORMAL, 20)
    break_last_frame(path)
    monkeypatch.setattr(highwater, "_BOOT", tmp_path / "another")
    with caplog.at_level(logging.WARNING):
        async with opened(path, durability=Durability.NORMAL) as store:
            assert store.revision >= told + REVISION_STEP - 100
    assert "which a power cut may take under --durability normal" in caplog.text


def test_a_mark_that_is_cut_off_while_it_is_written_leaves_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "s.db.mark"
    marks = [Mark(revision, Tally(revision, revision), b"b" * 16) for revision in range(1, 6)]
    file = HighWater(path, clock=lambda: 0.0)
    file.begin(marks[0])
    for before, mark in itertools.pairwise(marks):
        content = path.read_bytes()
        file.raise_to(mark)
        written = path.read_bytes()
        assert highwater.read(path) == mark
        changed = [at for at in range(len(content)) if content[at] != written[at]]
        for at in changed[:-1]:
            path.with_name("torn").write_bytes(written[: at + 1] + content[at + 1 :])
            assert highwater.read(path.with_name("torn")) == before
    file.close()
