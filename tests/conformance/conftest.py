"""What the conformance tests share: one Kubernetes API server, seen from outside.

Each test asks a StarLink API server of its own and a real Kubernetes, or with `pytest tests/conformance --kubeconfig FILE`
the server of that file, with the rights of an administrator. The tests know nothing of which one answers.
"""

import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conformance import differences
from tests.conformance.definitions import CRDS, GROUP, OPEN, Crds, Installed, obj_of
from tests.conformance.objects import condition, configmap, configmaps, gone
from tests.conformance.server import own_server, session
from tests.conformance.wire import (
    APPLY,
    JSON_PATCH,
    MERGE,
    PARTIAL,
    PARTIAL_LIST,
    SECONDS,
    STRATEGIC,
    TABLE,
    Answer,
    Http,
    Watch,
    Watching,
    causes,
)
from tests.conftest import Kubectl
from tests.tools import KUBECTL
from tests.turns import KUBERNETES

__all__ = [
    "APPLY", "CRDS", "GROUP", "JSON_PATCH", "MERGE", "OPEN", "PARTIAL", "PARTIAL_LIST", "SECONDS", "STRATEGIC", "TABLE",
    "Answer", "Crds", "Http", "Installed", "Watch", "Watching", "causes", "condition", "configmap", "configmaps", "gone",
    "obj_of", "session",
]  # fmt: skip

STARLINK = "starlink"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kubeconfig", type=Path, help="the server to test [a StarLink API server of its own]")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "kubeconfig" in metafunc.fixturenames:
        given = metafunc.config.getoption("kubeconfig", default=None) is not None
        servers = ("given",) if given else (STARLINK, KUBERNETES)
        metafunc.parametrize("kubeconfig", servers, indirect=True, scope="session")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test that is known to find the two servers different must, or the list of them has one too many."""
    for item in items:
        if why := differences.known(item.nodeid):
            item.add_marker(pytest.mark.xfail(reason=why, strict=True))


@pytest.fixture(scope="session")
def starlink_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The kubeconfig of a StarLink API server."""
    with own_server(tmp_path_factory.mktemp("conformance")) as made:
        yield made


@pytest.fixture(scope="session")
def kubeconfig(request: pytest.FixtureRequest) -> Path:
    """The kubeconfig of the server to test."""
    found: Path
    if request.param == STARLINK:
        found = request.getfixturevalue("starlink_server")
    elif request.param == KUBERNETES:
        found = request.getfixturevalue("kubernetes").kubeconfig()
    else:
        found = request.config.getoption("kubeconfig").resolve()
    return found


@pytest.fixture(scope="session")
def http(kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Http]:
    """A raw session of the administrator."""
    with session(kubeconfig, tmp_path_factory.mktemp("credentials")) as client:
        yield Http(client)


@pytest.fixture(scope="session")
def http_as(http: Http) -> Callable[..., Http]:
    """`http_as(user, groups)`: the session as somebody else, by impersonation."""
    return http.acting


@pytest.fixture
def namespace(request: pytest.FixtureRequest, http: Http) -> Iterator[str]:
    """A namespace of the test's own. It goes with the server, where that is the tests' own: to empty one takes Kubernetes
    more than a hundred requests."""
    made = http.post("/api/v1/namespaces", {"metadata": {"generateName": "conformance-"}}).expect(201)
    name: str = made["metadata"]["name"]
    yield name
    if request.config.getoption("kubeconfig", default=None) is not None:
        http.delete(f"/api/v1/namespaces/{name}")


@pytest.fixture
def crd(http: Http) -> Iterator[Crds]:
    """A factory of CRDs."""
    factory = Crds(http)
    yield factory
    factory.remove()


@pytest.fixture
def watch(http: Http) -> Iterator[Callable[..., Watch]]:
    """`watch(path, accept="", **query)`: the events of a watch, with a deadline."""
    opened: list[Watch] = []

    def start(path: str, accept: str = "", **query: Any) -> Watch:
        opened.append(Watch(http, path, accept, query))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


@pytest.fixture(scope="session")
def controllers(request: pytest.FixtureRequest, http: Http) -> None:
    """Skips where garbage collection does not run beside the API server, as in a bare kube-apiserver with etcd."""
    if request.config.getoption("kubeconfig", default=None) is None:
        return
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "none", "uid": str(uuid.uuid4())}
    orphan = {"metadata": {"generateName": "conformance-", "ownerReferences": [owner]}}
    path = configmaps("default", http.post(configmaps("default"), orphan).expect(201)["metadata"]["name"])
    end = time.monotonic() + SECONDS
    while not gone(http, path):
        if time.monotonic() > end:
            http.delete(path)
            pytest.skip("no garbage collector runs beside this API server")
        time.sleep(0.5)


@pytest.fixture(scope="session")
def kubectl(kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> Kubectl:
    """`kubectl(*args, stdin=None, check=True)`, with a home of its own."""
    return Kubectl(KUBECTL.path(), kubeconfig, tmp_path_factory.mktemp("home"))
