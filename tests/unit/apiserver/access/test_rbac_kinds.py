"""Roles and bindings beyond their schema."""

from typing import Any

import pytest

from starlink.apiserver.kinds import rbac_kinds

URL = {"nonResourceURLs": ["/x"], "verbs": ["get"]}
RESOURCE = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}
CASES: dict[str, tuple[Any, dict[str, Any], list[str]]] = {
    "good": (rbac_kinds.check_role, {"rules": [RESOURCE]}, []),
    "empty": (rbac_kinds.check_role, {"rules": [{}]}, ["rules[0].verbs", "rules[0].apiGroups", "rules[0].resources"]),
    "a role's path": (rbac_kinds.check_role, {"rules": [RESOURCE, URL]}, ["rules[1].nonResourceURLs"]),
    "a cluster role's path": (rbac_kinds.check_cluster_role, {"rules": [URL]}, []),
    "both": (rbac_kinds.check_cluster_role, {"rules": [{**URL, **RESOURCE}]}, ["rules[0].nonResourceURLs"]),
}


@pytest.mark.parametrize("case", CASES)
def test_roles(case: str) -> None:
    check, obj, fields = CASES[case]
    assert [cause.field for cause in check(obj, None)] == fields


def binding(**subject: str) -> dict[str, Any]:
    return {"subjects": [subject], "roleRef": {"kind": "ClusterRole", "name": "a"}}


def test_subjects_get_their_group() -> None:
    user, account = binding(kind="User", name="a"), binding(kind="ServiceAccount", name="a", namespace="b")
    for one in (user, account):
        rbac_kinds.prepare_binding(one, None)
        assert not list(rbac_kinds.check_cluster_role_binding(one, None))
    assert user["subjects"][0]["apiGroup"] == "rbac.authorization.k8s.io"
    assert "apiGroup" not in account["subjects"][0]


def test_subjects() -> None:
    homeless = {"subjects": [{"kind": "ServiceAccount", "name": "a"}], "roleRef": {"kind": "ClusterRole", "name": "a"}}
    assert [cause.field for cause in rbac_kinds.check_cluster_role_binding(homeless, None)] == ["subjects[0].namespace"]
    assert not list(rbac_kinds.check_role_binding(homeless, None)), "it is of the binding's namespace"
    foreign = {"subjects": [{"kind": "User", "name": "a", "apiGroup": "x"}], "roleRef": {"kind": "Role", "name": "a"}}
    (cause,) = rbac_kinds.check_role_binding(foreign, None)
    assert cause.field == "subjects[0].apiGroup" and 'supported values: "rbac.authorization.k8s.io"' in cause.message
    assert next(cause.field for cause in rbac_kinds.check_cluster_role_binding(foreign, None)) == "roleRef.kind"
