import argparse
import sys
from pathlib import Path

import pytest

from starlink.apiserver import backend
from starlink.store.base import StoreRefused
from starlink.store.sqlite import SqliteStore


def arguments(tmp_path: Path, *words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data-dir", type=Path)
    backend.add_arguments(parser)
    return parser.parse_args(["--data-dir", str(tmp_path), *words])


def test_sqlite_is_what_is_taken_without_a_word(tmp_path: Path) -> None:
    assert isinstance(backend.store(arguments(tmp_path)), SqliteStore)


def test_etcd_is_taken_in_its_place(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("grpc", reason="the extra [etcd] is not installed")
    from starlink.store.etcd import EtcdStore

    wanted = arguments(tmp_path, "--etcd-endpoints", "https://a:2379, https://b:2379")
    assert isinstance(backend.store(wanted), EtcdStore) and caplog.text == ""
    (tmp_path / "store" / "starlink.db").touch()
    backend.store(wanted)
    assert "are not served: the store is etcd" in caplog.text


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--etcd-endpoints", "a"], "--etcd-endpoints a: 'a' is no endpoint of etcd; write HOST:PORT"),
        (["--etcd-endpoints", ","], "no endpoint of etcd is given"),
        (["--etcd-endpoints", "http://a:1", "--etcd-ca", "ca.crt"], "http://a:1 is in the clear"),
        (["--etcd-endpoints", "https://a:1", "--etcd-key", "k"], "a client certificate for etcd and its key"),
    ],
)
def test_what_makes_no_store_is_refused(tmp_path: Path, words: list[str], why: str) -> None:
    pytest.importorskip("grpc", reason="the extra [etcd] is not installed")
    with pytest.raises(StoreRefused) as refused:
        backend.store(arguments(tmp_path, *words))
    assert why in str(refused.value)


def test_a_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("starlink.store.etcd")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "grpc", None)
    with pytest.raises(StoreRefused, match=r"needs the module grpc; install it: pip install 'starlink.*\[etcd\]'"):
        backend.store(arguments(tmp_path, "--etcd-endpoints", "a:2379"))
