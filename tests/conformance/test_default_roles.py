"""The roles and bindings that every cluster has.

https://kubernetes.io/docs/reference/access-authn-authz/rbac/#default-roles-and-role-bindings
"""

import pytest
from tests.conformance.clients import RBAC, may, role_ref, subject, unique
from tests.conformance.conftest import SECONDS, Http
from tests.conftest import eventually

DEFAULT_ROLES = [
    "cluster-admin", "admin", "edit", "view", "system:basic-user", "system:discovery", "system:public-info-viewer",
]  # fmt: skip


@pytest.mark.parametrize("name", DEFAULT_ROLES)
def test_default_roles_are_there(http: Http, name: str) -> None:
    metadata = http.get(f"{RBAC}/clusterroles/{name}").expect(200)["metadata"]
    assert metadata["labels"]["kubernetes.io/bootstrapping"] == "rbac-defaults"
    assert metadata["annotations"]["rbac.authorization.kubernetes.io/autoupdate"] == "true"


def test_user_facing_roles_are_aggregated(http: Http) -> None:
    for name in ("admin", "edit", "view"):
        role = http.get(f"{RBAC}/clusterroles/{name}").expect(200)
        label = {f"rbac.authorization.k8s.io/aggregate-to-{name}": "true"}
        assert {"matchLabels": label} in role["aggregationRule"]["clusterRoleSelectors"]


def test_default_bindings_are_there(http: Http) -> None:
    wanted = {
        "cluster-admin": {"system:masters"},
        "system:basic-user": {"system:authenticated"},
        "system:discovery": {"system:authenticated"},
        "system:public-info-viewer": {"system:authenticated", "system:unauthenticated"},
    }
    for name, groups in wanted.items():
        binding = http.get(f"{RBAC}/clusterrolebindings/{name}").expect(200)
        assert binding["roleRef"] == role_ref(name, "ClusterRole")
        assert groups <= {one["name"] for one in binding["subjects"] if one["kind"] == "Group"}


@pytest.mark.parametrize(
    ("role", "allowed", "refused"),
    [
        ("view", [("get", "configmaps"), ("list", "serviceaccounts")], [("get", "secrets"), ("create", "configmaps")]),
        ("edit", [("get", "secrets"), ("create", "configmaps")], [("create", "roles"), ("update", "namespaces")]),
        ("admin", [("create", "roles"), ("create", "rolebindings"), ("list", "secrets")], [("delete", "namespaces")]),
    ],
)
def test_what_user_facing_roles_allow(
    http: Http, namespace: str, role: str, allowed: list[tuple[str, str]], refused: list[tuple[str, str]]
) -> None:
    user = unique("user")
    binding = {"metadata": {"name": role}, "subjects": [subject(user)], "roleRef": role_ref(role, "ClusterRole")}
    http.post(f"{RBAC}/namespaces/{namespace}/rolebindings", binding).expect(201)

    def can(verb: str, resource: str, where: str = namespace) -> bool:
        group = "rbac.authorization.k8s.io" if resource.startswith("role") else ""
        return may(http, user, verb, resource, namespace=where, group=group)

    eventually(lambda: can(*allowed[0]), f"{role} is bound", SECONDS)
    assert all(can(*asked) for asked in allowed)
    assert not any(can(*asked) for asked in refused)
    assert not can(*allowed[0], where="kube-system")
