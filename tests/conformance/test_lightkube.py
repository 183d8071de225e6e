"""lightkube, unmodified: objects, applies, patches, lists and watches.

https://lightkube.readthedocs.io/
"""

from pathlib import Path
from typing import Any

import lightkube
import pytest
from lightkube.core.exceptions import ApiError
from lightkube.generic_resource import create_namespaced_resource
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import ConfigMap, Namespace, Secret, ServiceAccount
from lightkube.types import CascadeType, PatchType
from tests.conformance.clients import widgets
from tests.conformance.conftest import SECONDS, Installed
from tests.conftest import eventually

__all__ = ["widgets"]


@pytest.fixture(scope="module")
def light(kubeconfig: Path) -> Any:
    """lightkube's client."""
    return lightkube.Client(lightkube.KubeConfig.from_file(str(kubeconfig)), field_manager="light", trust_env=False)


def light_map(name: str, namespace: str, **data: str) -> Any:
    return ConfigMap(metadata=ObjectMeta(name=name, namespace=namespace), data=data)


def test_objects(light: Any, namespace: str) -> None:
    light.create(light_map("a", namespace, x="1"))
    found = light.get(ConfigMap, "a", namespace=namespace)
    assert found.data == {"x": "1"} and found.metadata.creationTimestamp is not None
    found.data["x"] = "2"
    assert light.replace(found).data == {"x": "2"}
    with pytest.raises(ApiError) as refused:
        light.replace(found)
    assert refused.value.status.code == 409 and refused.value.status.reason == "Conflict"
    light.create(Secret(metadata=ObjectMeta(name="s", namespace=namespace), stringData={"a": "b"}))
    light.create(ServiceAccount(metadata=ObjectMeta(name="robot", namespace=namespace)))
    assert light.get(Namespace, namespace).status.phase == "Active"
    light.delete(ConfigMap, "a", namespace=namespace, cascade=CascadeType.FOREGROUND)
    eventually(
        lambda: not list(light.list(ConfigMap, namespace=namespace, fields={"metadata.name": "a"})), "gone", SECONDS
    )
    with pytest.raises(ApiError) as missing:
        light.get(ConfigMap, "a", namespace=namespace)
    assert missing.value.status.code == 404


def test_apply(light: Any, namespace: str) -> None:
    applied = light.apply(light_map("a", namespace, x="1"))
    assert [(one.manager, one.operation) for one in applied.metadata.managedFields] == [("light", "Apply")]
    with pytest.raises(ApiError) as refused:
        light.apply(light_map("a", namespace, x="2"), field_manager="other")
    assert refused.value.status.code == 409
    details: Any = refused.value.status.details
    assert [cause.field for cause in details.causes] == [".data.x"]
    assert light.apply(light_map("a", namespace, x="2"), field_manager="other", force=True).data == {"x": "2"}
    dry = light.apply(light_map("a", namespace, x="3"), field_manager="other", dry_run=True)
    assert dry.data == {"x": "3"}
    assert light.get(ConfigMap, "a", namespace=namespace).data == {"x": "2"}


PATCHES = [
    (PatchType.MERGE, {"data": {"y": "2"}}),
    (PatchType.STRATEGIC, {"data": {"y": "2"}}),
    (PatchType.JSON, [{"op": "add", "path": "/data/y", "value": "2"}]),
    (PatchType.APPLY, {"apiVersion": "v1", "kind": "ConfigMap", "data": {"y": "2"}}),
]


@pytest.mark.parametrize(("kind", "patch"), PATCHES, ids=[kind.name for kind, _ in PATCHES])
def test_patches(light: Any, namespace: str, kind: Any, patch: Any) -> None:
    light.create(light_map("a", namespace, x="1"))
    assert light.patch(ConfigMap, "a", patch, namespace=namespace, patch_type=kind).data == {"x": "1", "y": "2"}


def test_lists_in_chunks(light: Any, namespace: str) -> None:
    for number in range(5):
        light.create(ConfigMap(metadata=ObjectMeta(name=f"a{number}", namespace=namespace, labels={"n": str(number)})))
    chunked = light.list(ConfigMap, namespace=namespace, chunk_size=2, labels={"n": None})
    assert [one.metadata.name for one in chunked] == [f"a{number}" for number in range(5)]
    some = light.list(ConfigMap, namespace=namespace, labels={"n": ("1", "3")})
    assert [one.metadata.name for one in some] == ["a1", "a3"]
    one = light.list(ConfigMap, namespace=namespace, fields={"metadata.name": "a2"})
    assert [found.metadata.name for found in one] == ["a2"]


def test_watch(light: Any, namespace: str) -> None:
    light.create(light_map("a", namespace))
    listed = light.list(ConfigMap, namespace=namespace)
    list(listed)
    light.set(ConfigMap, "a", namespace=namespace, labels={"seen": "yes"})
    light.delete(ConfigMap, "a", namespace=namespace)
    seen = []
    for type_, found in light.watch(ConfigMap, namespace=namespace, resource_version=listed.resourceVersion, server_timeout=20):  # fmt: skip
        if found.metadata.name == "a":
            seen.append(type_)
        if type_ == "DELETED":
            break
    assert seen == ["MODIFIED", "DELETED"]


def test_custom_resources(light: Any, namespace: str, widgets: Installed) -> None:
    kind = create_namespaced_resource(widgets.group, widgets.version, widgets.kind, widgets.plural)
    light.create(kind(metadata=ObjectMeta(name="a", namespace=namespace), spec={"size": 1}))
    light.patch(kind.Status, "a", {"status": {"phase": "Ready", "conditions": [{"type": "Ready", "status": "True"}]}}, namespace=namespace, patch_type=PatchType.MERGE)  # fmt: skip
    assert light.wait(kind, "a", for_conditions=["Ready"], namespace=namespace).status["phase"] == "Ready"
    light.deletecollection(kind, namespace=namespace)
    eventually(lambda: not list(light.list(kind, namespace=namespace)), "all gone", SECONDS)
