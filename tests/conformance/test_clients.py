"""The official Python client, unmodified: typed, dynamic, and its watch.

https://github.com/kubernetes-client/python
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes
import pytest
from kubernetes import config, dynamic, watch
from tests.conformance.clients import widgets
from tests.conformance.conftest import Installed

__all__ = ["widgets"]

official: Any = kubernetes.client
watches: Any = watch
dynamics: Any = dynamic


@pytest.fixture(scope="module")
def session(kubeconfig: Path) -> Iterator[Any]:
    """The official client's session."""
    configure: Any = config
    with configure.new_client_from_config(str(kubeconfig)) as made:
        yield made


@pytest.fixture
def core(session: Any) -> Any:
    return official.CoreV1Api(session)


def config_map(name: str, **data: str) -> Any:
    return official.V1ConfigMap(metadata=official.V1ObjectMeta(name=name, labels={"of": "official"}), data=data)


def test_typed(core: Any, namespace: str) -> None:
    made = core.create_namespaced_config_map(namespace, config_map("a", x="1"))
    assert made.metadata.uid and made.metadata.creation_timestamp.tzinfo is not None
    made.data["x"] = "2"
    replaced = core.replace_namespaced_config_map("a", namespace, made)
    assert replaced.metadata.resource_version != made.metadata.resource_version
    with pytest.raises(official.ApiException) as refused:
        core.replace_namespaced_config_map("a", namespace, made)
    assert (refused.value.status, refused.value.reason) == (409, "Conflict")
    patched = core.patch_namespaced_config_map("a", namespace, {"data": {"y": "3"}})
    assert patched.data == {"x": "2", "y": "3"}
    assert core.read_namespaced_config_map("a", namespace).data == patched.data
    listed = core.list_namespaced_config_map(namespace, label_selector="of=official")
    assert [one.metadata.name for one in listed.items] == ["a"]
    core.delete_namespaced_config_map("a", namespace)
    with pytest.raises(official.ApiException) as refused:
        core.read_namespaced_config_map("a", namespace)
    assert refused.value.status == 404


def test_secret_and_token(core: Any, namespace: str) -> None:
    secret = official.V1Secret(metadata=official.V1ObjectMeta(name="s"), string_data={"word": "hush"})
    made = core.create_namespaced_secret(namespace, secret)
    assert made.data == {"word": "aHVzaA=="} and made.string_data is None and made.type == "Opaque"
    core.create_namespaced_service_account(namespace, official.V1ServiceAccount(metadata={"name": "robot"}))
    asked = official.AuthenticationV1TokenRequest(
        spec=official.V1TokenRequestSpec(audiences=[], expiration_seconds=600)
    )
    assert core.create_namespaced_service_account_token("robot", namespace, asked).status.token.count(".") == 2


def test_pages(core: Any, namespace: str) -> None:
    for number in range(5):
        core.create_namespaced_config_map(namespace, config_map(f"a{number}"))
    names, token = [], ""
    while True:
        page = core.list_namespaced_config_map(namespace, limit=2, _continue=token, label_selector="of=official")
        names += [one.metadata.name for one in page.items]
        token = page.metadata._continue
        if not token:
            break
    assert names == [f"a{number}" for number in range(5)]


def test_watch(core: Any, namespace: str) -> None:
    core.create_namespaced_config_map(namespace, config_map("a"))
    seen = []
    watching = watches.Watch()
    listed = core.list_namespaced_config_map(namespace)
    core.create_namespaced_config_map(namespace, config_map("b"))
    core.delete_namespaced_config_map("a", namespace)
    since = listed.metadata.resource_version
    for event in watching.stream(
        core.list_namespaced_config_map, namespace, resource_version=since, timeout_seconds=20
    ):
        seen.append((event["type"], event["object"].metadata.name))
        if seen[-1] == ("DELETED", "a"):
            watching.stop()
    assert [one for one in seen if one[1] in "ab"] == [("ADDED", "b"), ("DELETED", "a")]


def test_watch_ends_in_time(core: Any, namespace: str) -> None:
    core.create_namespaced_config_map(namespace, config_map("a"))
    events = watches.Watch().stream(
        core.list_namespaced_config_map, namespace, label_selector="of=official", timeout_seconds=1
    )
    assert [event["object"].metadata.name for event in events] == ["a"]


def test_custom_objects(session: Any, namespace: str, widgets: Installed) -> None:
    api = official.CustomObjectsApi(session)
    where = (widgets.group, widgets.version, namespace, widgets.plural)
    api.create_namespaced_custom_object(*where, widgets.obj("a", spec={"size": 1, "replicas": 1}))
    patched = api.patch_namespaced_custom_object(*where, "a", {"spec": {"size": 2}})
    assert (patched["spec"]["size"], patched["metadata"]["generation"]) == (2, 2)
    status = api.patch_namespaced_custom_object_status(*where, "a", {"status": {"replicas": 1}})
    assert status["status"] == {"replicas": 1} and status["metadata"]["generation"] == 2
    assert api.get_namespaced_custom_object_scale(*where, "a")["spec"]["replicas"] == 1
    api.patch_namespaced_custom_object_scale(*where, "a", {"spec": {"replicas": 4}})
    assert api.get_namespaced_custom_object(*where, "a")["spec"]["replicas"] == 4
    with pytest.raises(official.ApiException) as refused:
        api.patch_namespaced_custom_object(*where, "a", {"spec": {"size": 11}})
    assert refused.value.status == 422 and "spec.size" in refused.value.body
    assert len(api.list_namespaced_custom_object(*where)["items"]) == 1
    api.delete_namespaced_custom_object(*where, "a")
    assert api.list_namespaced_custom_object(*where)["items"] == []


def test_dynamic(session: Any, namespace: str, widgets: Installed) -> None:
    found = dynamics.DynamicClient(session).resources.get(api_version=widgets.api_version, kind=widgets.kind)
    made = found.create(body=widgets.obj("a", spec={"size": 1}), namespace=namespace)
    assert made.spec.colour == "red"
    applied = widgets.obj("a", spec={"size": 5})
    changed = found.server_side_apply(
        body=applied, name="a", namespace=namespace, field_manager="dynamic", force_conflicts=True
    )
    assert changed.spec.size == 5
    assert [one.manager for one in changed.metadata.managedFields if one.operation == "Apply"] == ["dynamic"]
    found.status.patch(
        body={"status": {"phase": "Ready"}}, name="a", namespace=namespace, content_type="application/merge-patch+json"
    )
    assert found.get(name="a", namespace=namespace).status.phase == "Ready"
    events = found.watch(namespace=namespace, timeout=1)
    assert [(event["type"], event["object"].metadata.name) for event in events] == [("ADDED", "a")]
    assert [one.metadata.name for one in found.get(namespace=namespace).items] == ["a"]
    found.delete(name="a", namespace=namespace)


def test_version_and_groups(session: Any, widgets: Installed) -> None:
    assert official.VersionApi(session).get_code().git_version.startswith("v1.")
    groups = {group.name for group in official.ApisApi(session).get_api_versions().groups}
    assert {"apiextensions.k8s.io", "rbac.authorization.k8s.io", widgets.group} <= groups
    crd = official.ApiextensionsV1Api(session).read_custom_resource_definition(widgets.name)
    assert crd.spec.names.kind == widgets.kind


def test_access_review(session: Any, namespace: str) -> None:
    attributes = official.V1ResourceAttributes(namespace=namespace, verb="get", resource="secrets")
    review = official.V1SelfSubjectAccessReview(spec={"resourceAttributes": attributes})
    answer = official.AuthorizationV1Api(session).create_self_subject_access_review(review)
    assert answer.status.allowed is True


def test_rbac_and_leases(session: Any, namespace: str) -> None:
    rbac, leases = official.RbacAuthorizationV1Api(session), official.CoordinationV1Api(session)
    rule = official.V1PolicyRule(api_groups=[""], resources=["configmaps"], verbs=["get"])
    rbac.create_namespaced_role(namespace, official.V1Role(metadata={"name": "r"}, rules=[rule]))
    assert rbac.read_namespaced_role("r", namespace).rules[0].verbs == ["get"]
    spec = official.V1LeaseSpec(holder_identity="me", lease_duration_seconds=15)
    leases.create_namespaced_lease(namespace, official.V1Lease(metadata={"name": "l"}, spec=spec))
    assert leases.read_namespaced_lease("l", namespace).spec.holder_identity == "me"
