"""Where etcd listens, in the clear and with TLS."""

from pathlib import Path

import pytest
from tests.contract.etcd_stores import EtcdStore, opened
from tests.contract.stores import A
from tests.etcd_server import EtcdServer
from tests.etcd_tls import certificates


@pytest.mark.parametrize("text", ["", "host", "ftp://host:1", "host:port", "http://host:1/path", "::1:2379", ":2379"])
def test_what_is_no_endpoint_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write HOST:PORT or https://HOST:PORT"):
        EtcdStore([text])


async def test_endpoints_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="http://b:2379 is in the clear"):
        EtcdStore(["https://a:2379", "http://b:2379"])
    with pytest.raises(ValueError, match="given together"):
        EtcdStore(["https://[::1]:2379/"], cert=tmp_path / "c")
    with pytest.raises(FileNotFoundError, match="absent"):
        await EtcdStore(["a:2379"], ca=tmp_path / "absent").open()


async def test_tls_with_client_certificates(tmp_path: Path) -> None:
    tls = certificates(tmp_path)
    with EtcdServer(tmp_path, tls=tls) as server:
        async with opened(server.endpoints, tls=tls) as store:
            record = await store.put(A, b"1", expect=0)
            assert store.get(A) == record
