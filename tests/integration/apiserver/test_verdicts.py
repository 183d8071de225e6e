"""StarLink's API server takes the CRDs that Kubernetes takes, and refuses those that it refuses: those of other projects,
and these without the bounds by which the cost of their rules is estimated."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from tests.conformance.server import session
from tests.crd_modules import definitions
from tests.integration.conftest import Core
from tests.kube.control_plane import ControlPlane
from tests.tools import CRDS
from tests.turns import KUBERNETES

Obj = dict[str, Any]
PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@pytest.fixture
def there(elsewhere: ControlPlane, tmp_path: Path) -> Iterator[httpx.Client]:
    with session(elsewhere.kubeconfig(), tmp_path) as client:
        yield client


def unbounded(node: Any) -> Any:
    """The schema without the bounds by which what a rule costs is estimated."""
    if isinstance(node, list):
        return [unbounded(item) for item in node]
    if not isinstance(node, dict):
        return node
    bounded = "x-kubernetes-validations" in node or node.get("type") in ("array", "object", "string")
    dropped = ("maxItems", "maxLength", "maxProperties") if bounded else ()
    return {name: unbounded(part) for name, part in node.items() if name not in dropped or isinstance(part, dict)}


async def verdict(core: Core, body: bytes) -> str:
    answer = await core("POST", PATH, body, dryRun="All")
    return "taken" if answer.status == 201 else f"{answer.status}"


def verdict_there(there: httpx.Client, body: bytes) -> str:
    answer = there.post(PATH, content=body, params={"dryRun": "All"}, headers={"content-type": "application/json"})
    return "taken" if answer.status_code == 201 else f"{answer.status_code}"


@pytest.mark.parametrize("bounds", ["as they are", "without bounds"])
@pytest.mark.parametrize("elsewhere", [KUBERNETES], indirect=True)
async def test_both_say_the_same(core: Core, there: httpx.Client, bounds: str) -> None:
    CRDS.path()
    differences, verdicts = {}, set()
    for definition in definitions():
        definition["spec"] = unbounded(definition["spec"]) if bounds == "without bounds" else definition["spec"]
        body = msgspec.json.encode(definition)
        here, real = await verdict(core, body), verdict_there(there, body)
        verdicts.add(real)
        if here != real:
            differences[definition["metadata"]["name"]] = f"{here} here, {real} there"
    assert differences == {}
    assert verdicts == ({"taken"} if bounds == "as they are" else {"taken", "422"}), "each verdict was tried"
