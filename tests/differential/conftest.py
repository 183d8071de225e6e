"""StarLink's API server and a real Kubernetes, side by side, each with the kinds that are asked about."""

import json
from collections.abc import Iterator

import pytest
from tests.conformance.server import own_server
from tests.conftest import eventually
from tests.differential.kinds import CRDS, NAMESPACE, kinds
from tests.differential.wire import Ask, Server
from tests.differential.worlds import Worlds, remove
from tests.kube.control_plane import ControlPlane

from starlink.client.config import load
from starlink.manifest import load_all

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
NAMESPACES = "/api/v1/namespaces"


@pytest.fixture(scope="package")
def worlds(starlink_on_kubernetes: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worlds]:
    """Both, empty but for the kinds and one namespace, which go with the last test of this folder."""
    with own_server(tmp_path_factory.mktemp("differential")) as kubeconfig:
        both = Worlds(Server(load(kubeconfig)), Server(starlink_on_kubernetes.config()))
        definitions = load_all(CRDS.read_text(), CRDS.name)
        for server in (both.here, both.there):
            _make(server, NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
            for definition in definitions:
                _make(server, DEFINITIONS, definition)
            eventually(lambda server=server: _serves_all(server), "all kinds are served")  # type: ignore[misc]
        yield both
        for definition in definitions:
            remove(both.there, f"{DEFINITIONS}/{definition['metadata']['name']}")
        remove(both.there, f"{NAMESPACES}/{NAMESPACE}")
        both.close()


def _make(server: Server, path: str, obj: dict[str, object]) -> None:
    made = server.ask(Ask("POST", path, json.dumps(obj)))
    assert made.code == 201, made


def _serves_all(server: Server) -> bool:
    return all(server.ask(Ask("GET", kind.collection)).code == 200 for kind in kinds())
