"""One etcd for the tests of a module, a prefix in it for each, and a way to it that can be cut."""

import itertools
from collections.abc import AsyncIterator, Iterator

import pytest
from tests.contract.proxy import Proxy
from tests.etcd_server import EtcdServer

_numbers = itertools.count()


@pytest.fixture(scope="module")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EtcdServer]:
    with EtcdServer(tmp_path_factory.mktemp("etcd")) as server:
        yield server


@pytest.fixture
def prefix() -> str:
    return f"/test{next(_numbers)}/"


@pytest.fixture
async def proxy(etcd: EtcdServer) -> AsyncIterator[Proxy]:
    async with Proxy(etcd.ports[0]) as made:
        yield made
