"""Values in etcd that nobody wrote so, and an etcd that has lost what it acknowledged: told, named and left alone."""

import asyncio
import base64
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.attack.unsummed import misshapen, stored
from tests.conftest import soon
from tests.contract.etcd_stores import EtcdStore
from tests.contract.stores import A, B, put
from tests.etcd_server import EtcdServer

from starlink.apiserver.backend import is_object
from starlink.store.base import Key, StoreRefused, StoreUnavailable
from starlink.store.etcd.envelope import DamagedValue, unwrap, wrap
from starlink.store.etcd.layout import Layout
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
