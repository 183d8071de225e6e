"""Restoring: all or nothing, whenever it is cut short; above everything that was told; another identity."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from starlink.api.timestamp import format_time
from starlink.cli import swap
from starlink.cli.archive import Archive, write
from starlink.cli.backup import take
from starlink.cli.datadir import DataDir
from starlink.cli.main import cli
from starlink.cli.rebirth import IDENTITY, reborn
from starlink.cli.restore import NotRestored, restore
from starlink.files import lock
from starlink.store import backup, sqlite_schema
from starlink.store.backup import WRITES_A_SECOND, StoreCopy
from starlink.store.base import REVISION_STEP, Key, Record, StoreRefused
from starlink.store.keyfile import KeyFile
from starlink.store.seal import AesGcmSeal, Plain
from starlink.store.sqlite_file import lock_of

NOW = 1_800_000_000.0
TASK, SECRET = Key("starlink.dev/tasks", "ns", "a"), Key("/secrets", "ns", "a")
NAMESPACE = b'{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"kube-system","uid":"first"},"spec":{}}'
SNAPSHOT = StoreCopy((Record(IDENTITY, 2, NAMESPACE), Record(SECRET, 9, b"s"), Record(TASK, 7, b"t")), 12)
ARCHIVE = Archive(SNAPSHOT, {"pki/ca.crt": b"new"}, format_time(NOW - 60), "0.1.0")


@pytest.fixture
def data(tmp_path: Path) -> DataDir:
    found = DataDir(tmp_path / "data")
    found.create()
    return found


def with_an_old_store(data: DataDir, revision: int = 5) -> None:
    data.pki.mkdir()
    (data.pki / "ca.crt").write_bytes(b"old")
    data.store.mkdir()
    lock_of(data.database).touch()
    sqlite_schema.create(data.database, [Record(TASK, 1, b"old")], revision)


def state(data: DataDir) -> str:
    """Which PKI and which store are in place."""
    pki = (data.pki / "ca.crt").read_text() if (data.pki / "ca.crt").exists() else "none"
    store = "none"
    if data.database.exists():
        bodies = {record.key: record.body for record in backup.of_sqlite(data.database).records}
        store = "old" if bodies == {TASK: b"old"} else "new" if bodies.keys() == {IDENTITY, SECRET, TASK} else "half"
    return f"{pki} {store}"


def test_revisions_rise_in_their_order_above_all_that_was_told() -> None:
    born = reborn(SNAPSHOT, 1000, "second", Plain())
    assert {record.key: record.revision for record in born.records} == {IDENTITY: 1001, TASK: 1002, SECRET: 1003}
    assert born.revision == 1003
    bodies = {record.key: record.body for record in born.records}
    assert bodies == {IDENTITY: NAMESPACE.replace(b"first", b"second"), TASK: b"t", SECRET: b"s"}


def test_a_second_restore_goes_on_above_the_first_and_clocks_that_jump_do_no_harm(data: DataDir) -> None:
    restore(data, ARCHIVE, "u1", NOW, force=False)
    first = backup.of_sqlite(data.database).revision
    assert first == 12 + REVISION_STEP + 60 * WRITES_A_SECOND + 3
    restore(data, ARCHIVE, "u2", NOW - 1e9, force=True)  # the clock went back
    second = backup.of_sqlite(data.database).revision
    assert second == first + REVISION_STEP + 3
    data.database.write_bytes(b"ruined")
    restore(data, ARCHIVE, "u3", NOW + 1e5, force=True)
    assert backup.of_sqlite(data.database).revision > second


def test_what_is_there_is_only_moved_when_asked(data: DataDir) -> None:
    with_an_old_store(data)
    with pytest.raises(NotRestored, match=f"{data.pki} is not empty; give another --data-dir, or --force"):
        restore(data, ARCHIVE, "u", NOW, force=False)
    assert state(data) == "old old"
    aside = restore(data, ARCHIVE, "u", NOW, force=True)
    assert aside is not None and aside.stat().st_mode & 0o777 == 0o700
    assert state(data) == "new new" and state(DataDir(aside)) == "old old"
    assert {entry.name for entry in data.root.iterdir()} == {"logs", "pki", "starlink.lock", "store", aside.name}
    assert data.pki.stat().st_mode & 0o777 == data.store.stat().st_mode & 0o777 == 0o700
    assert (data.pki / "ca.crt").stat().st_mode & 0o777 == data.database.stat().st_mode & 0o777 == 0o600


class Killed(BaseException):
    """Stands for kill -9 at one moment."""


@pytest.fixture
def killed_at(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Lets the nth rename or removal from now on, counted from 0, be the last moment: `[n]`."""
    left = [10**9]

    def count_down(what: str) -> None:
        real = getattr(os, what)

        def step(*args: object, **options: object) -> object:
            left[0] -= 1
            if left[0] < 0:
                raise Killed
            return real(*args, **options)

        monkeypatch.setattr(os, what, step)

    for what in ("rename", "replace", "rmdir", "mkdir", "unlink"):
        count_down(what)
    yield left


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("rerun", ["up", "restore"])
def test_a_restore_that_is_killed_at_any_step_leaves_the_old_or_the_new(
    tmp_path: Path, killed_at: list[int], old: bool, rerun: str
) -> None:
    outcomes = []
    for step in range(40):
        data = DataDir(tmp_path / str(step))
        data.create()
        if old:
            with_an_old_store(data)
        killed_at[0] = step
        try:
            restore(data, ARCHIVE, "u", NOW, force=old)
        except Killed:
            finished = False
        else:
            finished = True
        killed_at[0] = 10**9
        if rerun == "up":
            swap.finish(data.root)  # as the launcher does
            assert state(data) in (("old old" if old else "none none"), "new new")
        else:
            restore(data, ARCHIVE, "u", NOW + 1, force=old or finished)
            assert state(data) == "new new"
        assert not swap.is_unfinished(data.root)
        if old and rerun == "restore":
            assert any(state(DataDir(aside)) == "old old" for aside in data.root.glob("replaced-*"))
        outcomes.append(state(data))
        if finished:
            break
    assert finished and len(outcomes) > 8
    if rerun == "up":
        assert set(outcomes) == {"old old" if old else "none none", "new new"}


def test_backups_wait_for_a_restore_that_was_cut_short(data: DataDir) -> None:
    with_an_old_store(data)
    (data.root / ".restored-x").mkdir()
    with pytest.raises(StoreRefused, match=r"a restore into .* was cut short; run it again"):
        take(data, NOW)


def sealed_archive(folder: Path) -> tuple[Archive, KeyFile]:
    keys = KeyFile.open(folder / "encryption.key")
    sealed = Record(SECRET, 9, AesGcmSeal(keys).seal(SECRET, b'{"data":"hunter2"}'))
    files = {"encryption.key": keys.path.read_bytes()}
    return Archive(StoreCopy((sealed,), 12), files, format_time(NOW), "0.1.0"), keys


def test_what_was_backed_up_comes_back_by_command(
    data: DataDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive, keys = sealed_archive(tmp_path)
    write(tmp_path / "b", archive)
    done = CliRunner().invoke(cli, ["--data-dir", str(data.root), "restore", str(tmp_path / "b")])
    assert done.exit_code == 0 and f"{data.root} holds the 1 objects" in done.output, done.output
    (record,) = backup.of_sqlite(data.database).records
    assert AesGcmSeal(keys).unseal(SECRET, record.body) == b'{"data":"hunter2"}'
    done = CliRunner().invoke(cli, ["--data-dir", str(data.root), "backup", str(tmp_path / "again")])
    assert done.exit_code == 0 and f"{tmp_path}/again holds 1 objects" in done.output, done.output
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    assert CliRunner().invoke(cli, ["--data-dir", str(data.root), "backup"]).exit_code == 0
    assert [entry.name[:10] + entry.name[-8:] for entry in here.iterdir()] == ["starlink-2Z.tar.gz"]


def test_keys_that_do_not_open_their_objects_are_told_before_it_is_too_late(data: DataDir, tmp_path: Path) -> None:
    archive, _ = sealed_archive(tmp_path)
    write(tmp_path / "b", Archive(archive.snapshot, {}, archive.created, archive.version))
    done = CliRunner().invoke(cli, ["--data-dir", str(data.root), "restore", str(tmp_path / "b")])
    assert done.exit_code == 1 and "nothing was restored: secrets ns/a is sealed with the key" in done.output
    with_an_old_store(data)
    data.database.unlink()
    sqlite_schema.create(data.database, archive.snapshot.records, 12)
    KeyFile.open(data.encryption_key)  # another one
    done = CliRunner().invoke(cli, ["--data-dir", str(data.root), "backup", str(tmp_path / "again")])
    assert done.exit_code == 1 and "no backup was made: secrets ns/a is sealed with the key" in done.output
    assert not (tmp_path / "again").exists()


@pytest.mark.parametrize("holder", ["launcher", "API server"])
def test_a_data_dir_in_use_is_left_alone(data: DataDir, tmp_path: Path, holder: str) -> None:
    with_an_old_store(data)
    write(tmp_path / "b", ARCHIVE)
    held = lock.take(data.lock if holder == "launcher" else lock_of(data.database))
    try:
        done = CliRunner().invoke(cli, ["--data-dir", str(data.root), "restore", "--force", str(tmp_path / "b")])
    finally:
        os.close(held)
    assert done.exit_code == 1 and "nothing was restored: StarLink runs on" in done.output
    assert state(data) == "old old"


def test_the_identity_is_the_namespaces_uid(data: DataDir) -> None:
    restore(data, ARCHIVE, "another", NOW, force=False)
    bodies = {record.key: record.body for record in backup.of_sqlite(data.database).records}
    assert json.loads(bodies[IDENTITY])["metadata"]["uid"] == "another"
