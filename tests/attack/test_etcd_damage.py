"""Values in etcd that nobody wrote so, and an etcd that has lost what it acknowledged: told, named and left alone."""

import asyncio
import base64
import contextlib
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.attack.unsummed import misshapen, stored
from tests.conftest import soon
from tests.contract.etcd_stores import EtcdStore
from tests.contract.stores import A, B, put
from tests.etcd_server import EtcdServer

from starlink.apiserver.backend import is_object
from starlink.store.base import Key, Record, StoreRefused, StoreUnavailable
from starlink.store.etcd import history_mark
from starlink.store.etcd.cluster import Cluster
from starlink.store.etcd.endpoint import parse_all
from starlink.store.etcd.envelope import DamagedValue, unwrap, wrap
from starlink.store.etcd.history_mark import HistoryMark
from starlink.store.etcd.layout import Layout
from starlink.store.etcd.witness import Witness
from starlink.store.keyfile import KeyFile, SealKey
from starlink.store.seal import AesGcmSeal, Plain

SECRET = Key("/secrets", "ns", "a")
NO_OBJECTS = misshapen(A)
PREFIX = "/starlink/"


@pytest.fixture
def etcd(tmp_path: Path) -> Iterator[EtcdServer]:
    with EtcdServer(tmp_path / "etcd-of-test") as server:
        yield server


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> None:
    (tmp_path / "etcd-of-test").mkdir()


def store_on(etcd: EtcdServer, mark: Path | None = None) -> EtcdStore:
    return EtcdStore(etcd.endpoints, prefix=PREFIX, mark=mark, legible=is_object)


@contextlib.asynccontextmanager
async def opened_on(store: EtcdStore) -> AsyncIterator[EtcdStore]:
    await store.open()
    try:
        yield store
    finally:
        await store.close()


def write_raw(etcd: EtcdServer, key: Key, value: bytes) -> None:
    raw = Layout(PREFIX, Plain()).encode(key)
    etcd.call("/v3/kv/put", {"key": base64.b64encode(raw).decode(), "value": base64.b64encode(value).decode()})


def test_a_flipped_bit_anywhere_in_a_value_is_refused_without_its_content() -> None:
    seal = AesGcmSeal(KeyFile(Path("encryption.key"), (SealKey(b"1" * 32),)))
    layout = Layout(PREFIX, seal, is_object)
    for key, body in ((A, b'{"shown":"correct horse"}'), (SECRET, b'{"hidden":"correct horse"}')):
        value = layout.pack(key, body)
        assert layout.unpack(key, value) == body
        for at in range(len(value)):
            for bit in range(8):
                flipped = value[:at] + bytes([value[at] ^ 1 << bit]) + value[at + 1 :]
                with pytest.raises(StoreRefused) as refusal:
                    layout.unpack(key, flipped)
                assert key.name in str(refusal.value) and "horse" not in str(refusal.value)
        for length in range(len(value)):
            with pytest.raises(StoreRefused):
                layout.unpack(key, value[:length])
        with pytest.raises(StoreRefused):
            layout.unpack(B, value)


def test_what_has_no_envelope_yet_is_read() -> None:
    layout = Layout(PREFIX, Plain(), is_object)
    assert layout.unpack(A, stored(A)) == stored(A)
    assert unwrap(A, wrap(A, b"")) == b""
    with pytest.raises(DamagedValue):
        layout.unpack(A, b'{"old":1')


@pytest.mark.parametrize("value", [b"", b'{"half":', b"\x00SL\x02abcd{}", b"\xff\xfe", b"7", b"{}", stored(B)])
async def test_a_start_names_the_object_whose_value_is_damaged(etcd: EtcdServer, value: bytes) -> None:
    store = store_on(etcd)
    await store.open()
    await store.put(A, b'{"a":1}', expect=0)
    await store.put(B, b'{"b":1}', expect=0)
    await store.close()
    write_raw(etcd, A, value)
    before = etcd.held(PREFIX)[f"{PREFIX}g/things/ns/a"]
    with pytest.raises(StoreRefused, match=r"things.g ns/a in etcd is not as it was written: .*restore a backup"):
        await store_on(etcd).open()
    assert etcd.held(PREFIX)[f"{PREFIX}g/things/ns/a"] == before


async def test_a_running_server_keeps_the_object_as_it_was_and_serves_the_others(
    etcd: EtcdServer, caplog: pytest.LogCaptureFixture
) -> None:
    store = store_on(etcd)
    await store.open()
    try:
        good = await store.put(A, b'{"a":1}', expect=0)
        write_raw(etcd, A, b"no object at all")
        for unsound in NO_OBJECTS.values():
            write_raw(etcd, A, unsound)
        other = await store.put(B, b'{"b":1}', expect=0)
        assert store.get(A) == good and store.get(B) == other
        assert "things.g ns/a in etcd is not as it was written" in caplog.text and "no object" not in caplog.text
        with pytest.raises(StoreUnavailable, match=r"things.g ns/a in etcd is not as it was written"):
            await store.put(A, b'{"a":2}', expect=good.revision)
        await put(store, B, b'{"b":2}')
        write_raw(etcd, A, stored(A))
        await soon(lambda: (found := store.get(A)) and found.body == stored(A), "what was put right")
        await put(store, A, b'{"a":4}')
    finally:
        await store.close()
    again = store_on(etcd)
    await again.open()
    try:
        assert again.get(A).body == b'{"a":4}'  # type: ignore[union-attr]
    finally:
        await again.close()


async def test_an_etcd_from_an_older_snapshot_is_refused(
    etcd: EtcdServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mark, saved = tmp_path / "store" / "etcd.mark", tmp_path / "saved"
    store = store_on(etcd, mark)
    await store.open()
    first = await store.put(A, b'{"a":1}', expect=0)
    await store.close()
    etcd.kill(0)
    shutil.copytree(etcd.data(0), saved)
    await asyncio.to_thread(etcd.restart, 0)

    store = store_on(etcd, mark)
    await store.open()
    for number in range(40):
        last = await put(store, A, b'{"a":%d}' % number)
    etcd.kill(0)
    shutil.rmtree(etcd.data(0))
    shutil.copytree(saved, etcd.data(0))
    await asyncio.to_thread(etcd.restart, 0)
    await soon(lambda: f"but {last.revision} has been seen here" in caplog.text, "the running store to say so")
    assert store.get(A) == last  # what was acknowledged is not taken for undone
    await store.close()
    for _ in range(3):
        with pytest.raises(StoreRefused, match=rf"but {last.revision} has been seen here.*--bump-revision"):
            await store_on(etcd, mark).open()
    mark.unlink()
    again = store_on(etcd, mark)
    await again.open()
    try:
        assert again.get(A) == first
    finally:
        await again.close()


def put_back(etcd: EtcdServer, saved: Path) -> None:
    """Another data folder in the place of the running one."""
    etcd.kill(0)
    shutil.rmtree(etcd.data(0), ignore_errors=True)
    shutil.copytree(saved, etcd.data(0))
    etcd.restart(0)


def key(name: str) -> Key:
    return Key("g/things", "ns", name)


def body(name: str) -> bytes:
    return b'{"name":"%s"}' % name.encode()


@contextlib.asynccontextmanager
async def forked(etcd: EtcdServer, mark: Path, saved: Path) -> AsyncIterator[tuple[EtcdStore, list[Record]]]:
    """A running store that has acknowledged five objects which the etcd below it does not hold any more; `saved` is a
    copy of the one that does."""
    older = mark.with_name("older")
    store = store_on(etcd, mark)
    await store.open()
    try:
        await store.put(A, b'{"a":1}', expect=0)
        await asyncio.to_thread(etcd.kill, 0)
        shutil.copytree(etcd.data(0), older)
        await asyncio.to_thread(etcd.restart, 0)
        late = [await store.put(key(f"late{n}"), body(f"late{n}"), expect=0) for n in range(5)]
        await asyncio.to_thread(etcd.kill, 0)
        shutil.copytree(etcd.data(0), saved)
        await asyncio.to_thread(put_back, etcd, older)
        yield store, late
    finally:
        await store.close()


async def refuses_writes(store: EtcdStore, count: int) -> None:
    for number in range(count):
        with pytest.raises(StoreUnavailable, match="seen here"):
            await store.put(key(f"new{number}"), body("new"), expect=0)


async def test_a_running_server_writes_nothing_into_an_older_etcd(etcd: EtcdServer, tmp_path: Path) -> None:
    mark, newest = tmp_path / "etcd.mark", tmp_path / "newest"
    async with forked(etcd, mark, newest) as (store, late):
        await refuses_writes(store, 10)
        assert late[-1].revision > etcd.revision() and not [name for name in etcd.held(PREFIX) if "new" in name]
        assert f"but {late[-1].revision} has been seen here" in store.problem and str(mark) in store.problem
        while etcd.revision() < late[-1].revision + 5:
            etcd.call("/v3/kv/put", {"key": "eA==", "value": "eA=="})
        await soon(lambda: "another history" in store.problem, "the store to look again")
        await refuses_writes(store, 10)
        assert [store.get(record.key) for record in late] == late
        await asyncio.to_thread(put_back, etcd, newest)
        await soon(lambda: not store.problem, "the history that was seen")
        after = await store.put(B, b'{"b":1}', expect=0)
        assert after.revision > late[-1].revision and [store.get(record.key) for record in late] == late


async def test_a_start_refuses_a_history_that_others_have_made_as_long(etcd: EtcdServer, tmp_path: Path) -> None:
    mark = tmp_path / "etcd.mark"
    async with forked(etcd, mark, tmp_path / "newest") as (store, late):
        await soon(lambda: store.problem, "the store to see it")
    async with opened_on(store_on(etcd)) as other:  # knows nothing of what was lost, and makes as many
        while other.revision <= late[-1].revision:
            await put(other, B, b'{"b":1}')
    with pytest.raises(StoreRefused, match=r"another history .* up to revision \d+.*remove .*etcd\.mark"):
        await store_on(etcd, mark).open()
    etcd.compact(etcd.revision())  # what was there at a revision can't be told any more
    for _ in range(2):
        with pytest.raises(StoreRefused, match=r"another history .*remove .*etcd\.mark"):
            await store_on(etcd, mark).open()
    mark.unlink()
    async with opened_on(store_on(etcd, mark)) as again:
        assert again.get(late[-1].key) is None and again.get(B) is not None and not again.problem


@pytest.mark.parametrize("last", ["created", "deleted"])
async def test_a_history_that_went_on_elsewhere_is_followed(etcd: EtcdServer, tmp_path: Path, last: str) -> None:
    """Also where what was seen last has been changed by others since, and compacted."""
    mark = tmp_path / "etcd.mark"
    async with opened_on(store_on(etcd, mark)) as store:
        seen = await store.put(A, b'{"a":1}', expect=0)
        if last == "deleted":
            await store.delete(A, expect=seen.revision)
    for compacted in (False, True):
        async with opened_on(store_on(etcd)) as other:
            newest = await put(other, A, b'{"a":2}')
        if compacted:
            etcd.compact(newest.revision)
        async with opened_on(store_on(etcd, mark)) as store:
            assert store.get(A) == newest and not store.problem


async def test_a_snapshot_with_bumped_revisions_is_taken_over(
    etcd: EtcdServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `etcdutl snapshot restore --bump-revision --mark-compacted` leaves it: far above what was seen, compacted."""
    cluster = Cluster(parse_all(etcd.endpoints), None)
    layout = Layout(PREFIX, Plain())
    history = HistoryMark(tmp_path / "etcd.mark")
    write_raw(etcd, A, b'{"a":1}')
    lost = Witness(layout.encode(A), etcd.revision() + 2, b"d" * 16)
    for _ in range(9):
        write_raw(etcd, B, b"{}")
    etcd.compact(etcd.revision())
    try:
        await history.begin(cluster, layout, lost.revision, lost)
        with pytest.raises(StoreRefused, match="another history"):
            await history.check(cluster, layout)
        monkeypatch.setattr(history_mark, "_BUMPED", etcd.revision() - lost.revision)
        await history.check(cluster, layout)
    finally:
        await cluster.close()


async def test_an_etcd_that_was_emptied_is_refused(
    etcd: EtcdServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mark = tmp_path / "store" / "etcd.mark"
    store = store_on(etcd, mark)
    await store.open()
    last = await store.put(A, b'{"a":1}', expect=0)
    etcd.kill(0)
    shutil.rmtree(etcd.data(0))
    await asyncio.to_thread(etcd.restart, 0)
    await soon(lambda: "it was emptied" in caplog.text, "the running store to say so")
    assert store.get(A) == last
    await store.close()
    for _ in range(2):
        with pytest.raises(StoreRefused, match=rf"holds nothing of .* revision {last.revision} .*remove .*etcd\.mark"):
            await store_on(etcd, mark).open()
    assert etcd.held(PREFIX) == {}
    mark.unlink()
    again = store_on(etcd, mark)
    await again.open()
    await again.close()


async def test_another_prefix_has_a_history_of_its_own(etcd: EtcdServer, tmp_path: Path) -> None:
    mark = tmp_path / "etcd.mark"
    for prefix in (PREFIX, "/other/"):
        for _ in range(2):
            store = EtcdStore(etcd.endpoints, prefix=prefix, mark=mark)
            await store.open()
            await put(store, A, b"{}")
            await store.close()
    mark.write_bytes(b"nonsense")
    with pytest.raises(StoreRefused, match=r"etcd.mark is damaged.*remove the file"):
        await store_on(etcd, mark).open()
