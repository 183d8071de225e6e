"""Backup of an etcd and restore into one: no trace of the first, all or nothing of the second; real etcd."""

import asyncio
import base64
import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.conftest import eventually
from tests.etcd_server import EtcdServer

from starlink.api.timestamp import format_time
from starlink.cli.archive import Archive, read, write
from starlink.cli.backup import take
from starlink.cli.datadir import DataDir
from starlink.cli.earlier import settings_of
from starlink.cli.etcd import EtcdOptions
from starlink.cli.etcd_copy import bump
from starlink.cli.main import cli
from starlink.cli.rebirth import IDENTITY
from starlink.cli.restore import NotRestored, restore
from starlink.cli.settings import UpSettings, save
from starlink.store import backup
from starlink.store.backup import WRITES_A_SECOND, StoreCopy
from starlink.store.base import REVISION_STEP, Expired, Key, Record, StoreRefused
from starlink.store.keyfile import KeyFile
from starlink.store.seal import AesGcmSeal, AsStored

pytest.importorskip("grpc", reason="the extra [etcd] is not installed")
from starlink.store.etcd import EtcdStore, cluster
from starlink.store.etcd.copying import connected
from starlink.store.etcd.endpoint import TlsFiles

NOW = 1_800_000_000.0
TASK, SECRET = Key("starlink.dev/tasks", "ns", "a"), Key("/secrets", "ns", "a")
NAMESPACE = b'{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"kube-system","uid":"first"},"spec":{}}'
SNAPSHOT = StoreCopy((Record(IDENTITY, 2, NAMESPACE), Record(SECRET, 9, b"s"), Record(TASK, 7, b"t")), 12)
ARCHIVE = Archive(SNAPSHOT, {"pki/ca.crt": b"new"}, format_time(NOW - 60), "0.1.0")
_numbers = itertools.count()


@pytest.fixture(scope="module")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EtcdServer]:
    """One that has served the cluster of the archive, to a later revision."""
    with EtcdServer(tmp_path_factory.mktemp("etcd")) as server:
        for _ in range(SNAPSHOT.revision):
            put(server, "/saved//namespaces//kube-system", NAMESPACE)
        yield server


@pytest.fixture
def options(etcd: EtcdServer) -> EtcdOptions:
    """A prefix of the test's own."""
    return EtcdOptions(etcd.endpoints[0], f"/test{next(_numbers)}")


@pytest.fixture
def data(tmp_path: Path) -> DataDir:
    found = DataDir(tmp_path / "data")
    found.create()
    return found


def put(server: EtcdServer, key: str, value: bytes) -> None:
    told = {"key": base64.b64encode(key.encode()).decode(), "value": base64.b64encode(value).decode()}
    server.call("/v3/kv/put", told)


def remembered(data: DataDir) -> EtcdOptions:
    settings = settings_of(data)
    return settings.etcd if settings else EtcdOptions("")


async def served(options: EtcdOptions, expired: Sequence[int] = ()) -> dict[Key, Record]:
    """What a server would have; no watch may be resumed from the revisions that are given."""
    store = EtcdStore([options.endpoints], prefix=options.prefix + "/", seal=AsStored())
    await store.open()
    try:
        for revision in expired:
            with pytest.raises(Expired):
                store.watch(None, None, revision)
        return {record.key: record for resource in store.resources() for record in store.list(resource)}
    finally:
        await store.close()


def in_order(records: dict[Key, Record]) -> list[tuple[Key, bytes]]:
    assert len({record.revision for record in records.values()}) == len(records)
    return [(record.key, record.body) for record in sorted(records.values(), key=lambda record: record.revision)]


def whole(identity: str) -> list[tuple[Key, bytes]]:
    return [(IDENTITY, NAMESPACE.replace(b"first", identity.encode())), (TASK, b"t"), (SECRET, b"s")]


def test_what_is_restored_is_above_all_that_was_told(etcd: EtcdServer, options: EtcdOptions, data: DataDir) -> None:
    before = etcd.revision()
    save(data.settings, UpSettings(name="s1", listen="127.0.0.1:1"))
    aside = restore(data, ARCHIVE, "second", NOW, force=False, etcd=options)
    assert aside is not None and [entry.name for entry in aside.iterdir()] == ["settings.json"]
    assert settings_of(data) == UpSettings(name="s1", listen="127.0.0.1:1", etcd=options)
    assert (data.pki / "ca.crt").read_bytes() == b"new" and not data.database.exists()
    found = asyncio.run(served(options, expired=(SNAPSHOT.revision, before, before + 3)))
    assert in_order(found) == whole("second")
    assert min(record.revision for record in found.values()) > before


def test_what_is_there_is_left_alone(etcd: EtcdServer, options: EtcdOptions, data: DataDir) -> None:
    put(etcd, f"{options.prefix}/anything", b"")
    put(etcd, f"{options.prefix}-2/anything", b"")
    with pytest.raises(StoreRefused, match=rf"take a prefix that is free: --etcd-prefix {options.prefix}-3"):
        restore(data, ARCHIVE, "second", NOW, force=True, etcd=options)
    assert list(etcd.held(options.prefix + "/")) == [f"{options.prefix}/anything"]
    assert {entry.name for entry in data.root.iterdir()} == {"logs", "starlink.lock"}


def test_a_backup_leaves_no_trace(etcd: EtcdServer, options: EtcdOptions, data: DataDir) -> None:
    restore(data, ARCHIVE, "second", NOW, force=False, etcd=options)
    KeyFile.open(data.encryption_key)  # nothing is sealed, and nothing is sealed now
    held, revision = etcd.held("/"), etcd.revision()
    taken = take(data, NOW)
    assert (etcd.held("/"), etcd.revision()) == (held, revision)
    assert taken.snapshot.revision == revision
    assert in_order({record.key: record for record in taken.snapshot.records}) == whole("second")
    write(data.root / "b", taken)
    assert read(data.root / "b") == taken


def test_nothing_to_save_is_told(options: EtcdOptions, data: DataDir) -> None:
    save(data.settings, UpSettings(etcd=options))
    with pytest.raises(StoreRefused, match=rf"holds no objects below {options.prefix}/"):
        take(data, NOW)


@pytest.mark.parametrize("replaced", ["nothing", "sqlite"])
def test_an_etcd_below_what_was_told_is_refused(tmp_path: Path, data: DataDir, replaced: str) -> None:
    (tmp_path / "etcd").mkdir()
    with EtcdServer(tmp_path / "etcd") as server:
        if replaced == "sqlite":  # the etcd knows the archive's cluster, but not the one that is there
            for _ in range(SNAPSHOT.revision):
                put(server, "/saved//namespaces//kube-system", NAMESPACE)
            restore(data, ARCHIVE, "second", NOW, force=False)
        with pytest.raises(StoreRefused, match=r"--bump-revision \d+0{9} --mark-compacted"):
            restore(data, ARCHIVE, "third", NOW, force=True, etcd=EtcdOptions(server.endpoints[0]))
        assert server.held("/starlink/") == {}
    assert data.database.exists() is (replaced == "sqlite") and not data.settings.exists()


def test_revisions_are_raised_far_enough_for_a_day() -> None:
    assert bump(5, 1_000_000_000) == 10_000_000_000
    assert 5 + bump(5, 7 * 10**9) >= 7 * 10**9 + 86400 * WRITES_A_SECOND
    assert bump(0, 10**9 - 86400 * WRITES_A_SECOND) == 10**9


def test_sqlite_goes_on_above_the_etcd_that_it_replaces(etcd: EtcdServer, options: EtcdOptions, data: DataDir) -> None:
    restore(data, ARCHIVE, "second", NOW, force=False, etcd=options)
    save(data.settings, UpSettings(listen="127.0.0.1:1", etcd=options))
    held = etcd.held("/")
    with pytest.raises(NotRestored, match="is not empty"):
        restore(data, ARCHIVE, "third", NOW, force=False)
    aside = restore(data, ARCHIVE, "third", NOW, force=True)
    assert settings_of(data) == UpSettings(listen="127.0.0.1:1")
    assert aside is not None and remembered(DataDir(aside)) == options
    assert backup.of_sqlite(data.database).revision > etcd.revision()
    assert etcd.held("/") == held


def test_an_etcd_that_is_lost_is_replaced_all_the_same(data: DataDir, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "READ_SECONDS", 0.3)
    save(data.settings, UpSettings(etcd=EtcdOptions("http://127.0.0.1:1")))
    restore(data, ARCHIVE, "second", NOW, force=False)
    assert settings_of(data) == UpSettings()
    assert backup.of_sqlite(data.database).revision == 12 + REVISION_STEP + 60 * WRITES_A_SECOND + 3


class Killed(BaseException):
    """Stands for kill -9 at one moment."""


@pytest.mark.parametrize("up_first", [False, True])
def test_a_restore_that_is_killed_while_it_puts_things_in_place(
    etcd: EtcdServer, options: EtcdOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, up_first: bool
) -> None:
    real = os.rename
    for step in range(20):
        data = DataDir(tmp_path / str(step))
        data.create()
        chosen = EtcdOptions(options.endpoints, f"{options.prefix}-{step}")
        left = [step]

        def rename(*args: object, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise Killed
            real(*args)  # type: ignore[arg-type]

        monkeypatch.setattr(os, "rename", rename)
        try:
            restore(data, ARCHIVE, "second", NOW, force=False, etcd=chosen)
        except Killed:
            finished = False
        else:
            finished = True
        monkeypatch.setattr(os, "rename", real)
        if up_first and not finished:
            from starlink.cli import swap

            swap.finish(data.root)  # as the launcher does
            if remembered(data) == chosen:
                serve_or_refuse(chosen, "second")
        if not finished and f"{chosen.prefix}/restored" not in etcd.held(chosen.prefix + "/"):
            with pytest.raises(StoreRefused, match="was cut short; if none runs, run it again"):
                asyncio.run(served(chosen))
            restore(data, ARCHIVE, "third", NOW + 1, force=up_first, etcd=chosen)
            assert in_order(asyncio.run(served(chosen))) == whole("third")
            assert remembered(data) == chosen
        if finished:
            break
    assert finished and step > 2


def serve_or_refuse(options: EtcdOptions, identity: str) -> None:
    try:
        assert in_order(asyncio.run(served(options))) == whole(identity)
    except StoreRefused as error:
        assert "was cut short" in str(error)


@pytest.mark.parametrize("keys", [1, 3, 100])
def test_a_restore_that_is_killed_while_it_writes(
    etcd: EtcdServer, options: EtcdOptions, data: DataDir, keys: int
) -> None:
    more = tuple(Record(Key("/configmaps", "ns", f"c{number:04}"), 10, b"{}") for number in range(1500))
    archive = Archive(StoreCopy((*more, *SNAPSHOT.records), 12), {}, format_time(NOW), "0.1.0")
    write(data.root / "b", archive)
    words = ["--data-dir", str(data.root), "restore", str(data.root / "b")]
    told = ["--etcd", options.endpoints, "--etcd-prefix", options.prefix]
    process = subprocess.Popen([sys.executable, "-m", "starlink.cli", *words, *told])
    try:
        eventually(lambda: len(etcd.held(options.prefix + "/")) >= keys, "something is restored", pause=0.02)
    finally:
        process.kill()
        assert process.wait(timeout=10) == -signal.SIGKILL
    assert not data.settings.exists() and not data.store.exists()
    save(data.settings, UpSettings(etcd=options))
    with pytest.raises(StoreRefused, match="was cut short; if none runs, run it again"):
        take(data, NOW)
    done = CliRunner().invoke(cli, [*words, *told])
    assert done.exit_code == 0 and f"below {options.prefix}, holds the 1503 objects" in done.output, done.output
    assert len(asyncio.run(served(options))) == 1503


async def test_the_later_of_two_restores_into_one_prefix_wins(options: EtcdOptions) -> None:
    files, records = TlsFiles(), SNAPSHOT.records
    async with connected([options.endpoints], options.prefix + "/", files) as copying:
        first, second = (copying.restoring(AsStored(), identity) for identity in ("first", "second"))
        await first.claim()
        await first.write(records[:2])
        await second.claim()
        with pytest.raises(StoreRefused, match="another restore has taken"):
            await first.write(records[2:])
        await second.write(records[2:])
        with pytest.raises(StoreRefused, match="another restore has taken"):
            await first.finish()
        await second.finish()
    assert list(await served(options)) == [records[2].key]


async def test_only_servers_with_the_key_of_the_backup_get_in(options: EtcdOptions, tmp_path: Path) -> None:
    ours, other = (AesGcmSeal(KeyFile.open(tmp_path / name)) for name in ("ours", "other"))
    async with connected([options.endpoints], options.prefix + "/", TlsFiles()) as copying:
        restoring = copying.restoring(ours, "second")
        await restoring.claim()
        store = EtcdStore([options.endpoints], prefix=options.prefix + "/", seal=other)
        with pytest.raises(StoreRefused, match="is sealed with the key"):
            await store.open()
        await restoring.finish()
    store = EtcdStore([options.endpoints], prefix=options.prefix + "/", seal=ours)
    await store.open()
    await store.close()
