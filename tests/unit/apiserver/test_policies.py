"""Which requests a policy's rules mean."""

from typing import Any

import pytest

from starlink.apiserver.kinds.builtin import builtin_resources
from starlink.apiserver.policies import AdmissionRequest, matching
from starlink.apiserver.resources import label_selector
from starlink.apiserver.resources.resource import Registry
from starlink.http.message import User

REGISTRY = Registry(builtin_resources())


def asked(
    group: str = "", plural: str = "configmaps", subresource: str = "", namespace: str = "default", name: str = "m"
) -> AdmissionRequest:
    resource = REGISTRY.get(group, "v1", plural)
    assert resource is not None
    obj = {"metadata": {"name": name, "labels": {"a": "b"}}}
    return AdmissionRequest("CREATE", resource, subresource, namespace, name, obj, None, User("jane"))


def means(request: AdmissionRequest, **rule: Any) -> bool:
    whole = {"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*"], **rule}
    return matching.matched({"resourceRules": [whole]}, request, lambda: (), dict) is not None


@pytest.mark.parametrize(
    ("resources", "subresource", "meant"),
    [
        (["*"], "", True),
        (["*"], "status", False),
        (["*/*"], "", True),
        (["*/*"], "status", True),
        (["*/status"], "status", True),
        (["*/status"], "", False),
        (["configmaps/*"], "", True),
        (["configmaps/*"], "status", True),
        (["configmaps"], "status", False),
        (["secrets", "configmaps"], "", True),
        (["secrets"], "", False),
    ],
)
def test_resources(resources: list[str], subresource: str, meant: bool) -> None:
    assert means(asked(subresource=subresource), resources=resources) is meant


def test_the_other_parts_of_a_rule() -> None:
    assert means(asked(), apiGroups=[""], apiVersions=["v1"], operations=["UPDATE", "CREATE"])
    assert not means(asked(), apiGroups=["apps"])
    assert not means(asked(), apiVersions=["v2"])
    assert not means(asked(), operations=["DELETE"])
    assert means(asked(), resourceNames=["m"]) and not means(asked(), resourceNames=["n"])
    assert means(asked(), scope="Namespaced") and not means(asked(), scope="Cluster")
    namespace = asked(plural="namespaces", namespace="n", name="n")
    assert means(namespace, scope="Cluster") and not means(namespace, scope="Namespaced")


def test_without_rules_all_is_meant_but_what_is_excluded() -> None:
    assert matching.matched(None, asked(), lambda: (), dict) is not None
    excluded = {"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*"]}
    assert matching.matched({"excludeResourceRules": [excluded]}, asked(), lambda: (), dict) is None


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        (None, True),
        ({}, True),
        ({"matchLabels": {"a": "b"}}, True),
        ({"matchLabels": {"a": "c"}}, False),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]}, True),
        ({"matchExpressions": [{"key": "z", "operator": "NotIn", "values": ["b"]}]}, True),
        ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["b"]}]}, False),
        ({"matchExpressions": [{"key": "a", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}, False),
    ],
)
def test_selectors(selector: Any, selected: bool) -> None:
    assert label_selector.selects(selector, {"a": "b"}) is selected


def test_a_namespace_selector_spares_nothing_that_lies_in_no_namespace() -> None:
    match = {"namespaceSelector": {"matchLabels": {"x": "y"}}}
    assert matching.matched(match, asked(), lambda: (), dict) is None
    assert matching.matched(match, asked(), lambda: (), lambda: {"x": "y"}) is not None
    bare = asked("admissionregistration.k8s.io", "validatingadmissionpolicies", namespace="")
    assert matching.matched(match, bare, lambda: (), dict) is not None
