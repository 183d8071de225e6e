"""A file of encryption keys that is gone or damaged: told as that, and no other key takes its place."""

import argparse
from pathlib import Path

import pytest
from tests.attack import old_store
from tests.contract.sqlite_stores import SECRET, files

from starlink.apiserver import backend
from starlink.store.base import Change, Event, Record, Store, StoreRefused
from starlink.store.keyfile import KeyFile
from starlink.store.seal import AesGcmSeal
from starlink.store.sqlite_rows import Contents

LATER = b'{"later":1}'


def store_in(folder: Path, etcd: str = "") -> Store:
    parser = argparse.ArgumentParser()
    backend.add_arguments(parser)
    arguments = parser.parse_args(["--etcd-endpoints", etcd] if etcd else [])
    arguments.data_dir = folder
    return backend.store(arguments)


async def write(folder: Path) -> Path:
    """A store that held a Secret, and has it in its log only; gives its key file."""
    store = store_in(folder)
    await store.open()
    secret = await store.put(SECRET, LATER, expect=0)
    await store.delete(SECRET, expect=secret.revision)
    await store.close()
    return folder / "store" / "encryption.key"


async def test_no_key_is_made_where_something_is_sealed(tmp_path: Path) -> None:
    key = await write(tmp_path)
    content, id_ = key.read_bytes(), KeyFile.open(key).keys[0].id
    key.unlink()
    before = files(key)
    for _ in range(2):
        with pytest.raises(StoreRefused, match=rf"encryption\.key is gone, .*starlink\.db .* {id_}; put the file back"):
            store_in(tmp_path)
    assert files(key) == before | {"starlink.db-wal": b""}  # which a reader leaves there
    key.write_bytes(content)
    key.chmod(0o600)
    store = store_in(tmp_path)
    await store.open()
    await store.close()


def test_nor_for_an_older_database(tmp_path: Path) -> None:
    key, path = KeyFile.open(tmp_path / "aside"), tmp_path / "store" / "starlink.db"
    record = Record(SECRET, 1, LATER)
    contents = Contents([record], [Event(Change.PUT, record, None)], 0, 1)
    old_store.make(path, contents, AesGcmSeal(key))
    with pytest.raises(StoreRefused, match=rf"encryption\.key is gone, .* {key.keys[0].id}; put the file back"):
        store_in(tmp_path)
    assert not path.with_name("encryption.key").exists()


async def test_one_is_made_where_nothing_is_sealed(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    await store.open()
    await store.close()
    key = tmp_path / "store" / "encryption.key"
    key.unlink()
    store_in(tmp_path)
    assert key.exists()


def test_nor_where_etcd_was_followed_with_it(tmp_path: Path) -> None:
    pytest.importorskip("grpc", reason="the extra [etcd] is not installed")
    mark = tmp_path / "store" / "etcd.mark"
    mark.parent.mkdir()
    mark.touch()
    with pytest.raises(StoreRefused, match=r"encryption\.key is gone, .* sealed in etcd; put the file back"):
        store_in(tmp_path, "http://127.0.0.1:1")
    assert not mark.with_name("encryption.key").exists()
    mark.unlink()
    store_in(tmp_path, "http://127.0.0.1:1")
    assert mark.with_name("encryption.key").exists()


async def test_a_damaged_line_is_to_be_put_back(tmp_path: Path) -> None:
    key = await write(tmp_path)
    content = key.read_bytes()
    for damaged in (content[:-3] + b"\n", content.replace(b"=", b"!")):
        key.write_bytes(damaged)
        with pytest.raises(StoreRefused, match=r"line \d+ .*put the line back as it was, from a backup") as refusal:
            store_in(tmp_path)
        assert "openssl" not in str(refusal.value)
