"""Writing roles and bindings: what is refused, and that nobody gives more than they hold.

https://kubernetes.io/docs/reference/access-authn-authz/rbac/#privilege-escalation-prevention-and-bootstrapping
"""

from collections.abc import Callable
from typing import Any

import pytest
from tests.conformance.clients import RBAC, RBAC_GROUP, Grants, grant, may, role_ref, rule, subject, unique
from tests.conformance.conftest import SECONDS, Http, causes
from tests.conftest import eventually

__all__ = ["grant"]

As = Callable[..., Http]
WRITE = ["create", "update", "patch", "get"]


def roles(namespace: str, name: str = "") -> str:
    return f"{RBAC}/namespaces/{namespace}/roles" + (f"/{name}" if name else "")


def bindings(namespace: str, name: str = "") -> str:
    return f"{RBAC}/namespaces/{namespace}/rolebindings" + (f"/{name}" if name else "")


def role(name: str, *rules: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"name": name}, "rules": list(rules)}


def binding(name: str, to: str, *subjects: dict[str, Any], kind: str = "Role") -> dict[str, Any]:
    return {"metadata": {"name": name}, "subjects": list(subjects), "roleRef": role_ref(to, kind)}


def test_a_role_of_more_than_is_held_is_refused(http_as: As, namespace: str, grant: Grants) -> None:
    user, group = unique("user"), unique("group")
    grant(namespace, subject(user), rule(WRITE, ["roles"], RBAC_GROUP), rule(["get"], ["configmaps"]))
    me = http_as(user, [group])
    me.post(roles(namespace), role("held", rule(["get"], ["configmaps"]))).expect(201)
    wanted = role("more", rule(["get", "list"], ["configmaps"]))
    refused = me.post(roles(namespace), wanted).fails(403, "Forbidden")
    assert refused["message"] == (
        f'roles.rbac.authorization.k8s.io "more" is forbidden: user "{user}" (groups=["{group}" "system:authenticated"])'
        " is attempting to grant RBAC permissions not currently held:\n"
        '{APIGroups:[""], Resources:["configmaps"], Verbs:["list"]}'
    )
    held = me.get(roles(namespace, "held")).expect(200)
    more = {**held, "rules": [rule(["get"], ["secrets"])]}
    assert "not currently held" in me.put(roles(namespace, "held"), more).fails(403, "Forbidden")["message"]
    typed = {"apiVersion": f"{RBAC_GROUP}/v1", "kind": "Role", **wanted, "metadata": {"name": "held"}}
    me.apply(roles(namespace, "held"), typed, force=True).fails(403, "Forbidden")


def test_escalate_lets_give_more(http_as: As, namespace: str, grant: Grants) -> None:
    user = unique("user")
    grant(namespace, subject(user), rule([*WRITE, "escalate"], ["roles"], RBAC_GROUP))
    http_as(user).post(roles(namespace), role("all", rule(["*"], ["*"], "*"))).expect(201)


def test_a_binding_to_more_than_is_held_is_refused(http: Http, http_as: As, namespace: str, grant: Grants) -> None:
    user = unique("user")
    grant(namespace, subject(user), rule(WRITE, ["rolebindings"], RBAC_GROUP), rule(["get"], ["configmaps"]))
    http.post(roles(namespace), role("held", rule(["get"], ["configmaps"]))).expect(201)
    http.post(roles(namespace), role("secret", rule(["get"], ["secrets"]))).expect(201)
    me = http_as(user)

    def bound() -> bool:  # roles are seen a moment after they are written
        return me.post(bindings(namespace), binding("held", "held", subject(user))).status == 201

    eventually(bound, "a binding to what is held", SECONDS)
    refused = me.post(bindings(namespace), binding("secret", "secret", subject(user))).fails(403, "Forbidden")
    assert '{APIGroups:[""], Resources:["secrets"], Verbs:["get"]}' in refused["message"]
    me.post(bindings(namespace), binding("none", "none", subject(user))).fails(404, "NotFound")
    wide = binding("wide", "cluster-admin", subject(user), kind="ClusterRole")
    me.post(bindings(namespace), wide).fails(403, "Forbidden")


def test_bind_lets_bind(http: Http, http_as: As, namespace: str, grant: Grants) -> None:
    user = unique("user")
    may_bind = rule(["bind"], ["roles"], RBAC_GROUP, names=["secret"])
    grant(namespace, subject(user), rule(["create"], ["rolebindings"], RBAC_GROUP), may_bind)
    for name in ("secret", "other"):
        http.post(roles(namespace), role(name, rule(["get"], ["secrets"]))).expect(201)
    me = http_as(user)
    me.post(bindings(namespace), binding("a", "secret", subject(user))).expect(201)
    eventually(lambda: may(http, user, "get", "secrets", namespace=namespace), "the binding holds", SECONDS)


def test_a_role_ref_does_not_change(http: Http, namespace: str) -> None:
    made = http.post(bindings(namespace), binding("a", "one", subject("jane"))).expect(201)
    changed = {**made, "roleRef": role_ref("two")}
    refused = http.put(bindings(namespace, "a"), changed).fails(422, "Invalid")
    assert "cannot change roleRef" in causes(refused)["roleRef"]
    refused = http.patch(bindings(namespace, "a"), {"roleRef": {"name": "two"}}).fails(422, "Invalid")
    assert "cannot change roleRef" in causes(refused)["roleRef"]
    http.put(bindings(namespace, "a"), {**made, "subjects": [subject("john")]}).expect(200)


def test_defaults_of_a_binding(http: Http, namespace: str) -> None:
    body = {
        "metadata": {"name": "a"},
        "subjects": [{"kind": "User", "name": "jane"}, {"kind": "ServiceAccount", "name": "robot", "namespace": "x"}],
        "roleRef": {"kind": "Role", "name": "one"},
    }
    made = http.post(bindings(namespace), body).expect(201)
    assert made["roleRef"] == role_ref("one")
    assert made["subjects"][0] == subject("jane")
    assert made["subjects"][1] == {"kind": "ServiceAccount", "name": "robot", "namespace": "x"}


BAD_RULES = {
    "no verbs": ({"apiGroups": [""], "resources": ["configmaps"], "verbs": []}, "rules[0].verbs", "verbs must contain at least one value"),
    "no groups": ({"resources": ["configmaps"], "verbs": ["get"]}, "rules[0].apiGroups", "resource rules must supply at least one api group"),
    "no resources": ({"apiGroups": [""], "verbs": ["get"]}, "rules[0].resources", "resource rules must supply at least one resource"),
    "a path": ({"nonResourceURLs": ["/x"], "verbs": ["get"]}, "rules[0].nonResourceURLs", "namespaced rules cannot apply to non-resource URLs"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_RULES)
def test_bad_rules_of_a_role(http: Http, namespace: str, case: str) -> None:
    bad, field, why = BAD_RULES[case]
    refused = http.post(roles(namespace), role("bad", bad)).fails(422, "Invalid")
    assert why in causes(refused)[field]


def test_a_rule_is_for_resources_or_for_paths(http: Http) -> None:
    both = {"nonResourceURLs": ["/x"], "apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}
    refused = http.post(f"{RBAC}/clusterroles", role(unique("bad"), both), dryRun="All").fails(422, "Invalid")
    why = "rules cannot apply to both regular resources and non-resource URLs"
    assert why in causes(refused)["rules[0].nonResourceURLs"]


BAD_BINDINGS: dict[str, tuple[dict[str, Any], str]] = {
    "unknown kind of subject": ({"subjects": [{"kind": "Robot", "name": "a"}]}, "subjects[0].kind"),
    "user of another group": ({"subjects": [{"kind": "User", "name": "a", "apiGroup": "x.y"}]}, "subjects[0].apiGroup"),
    "subject without a name": ({"subjects": [{"kind": "User", "name": ""}]}, "subjects[0].name"),
    "unknown kind of role": ({"roleRef": {"apiGroup": RBAC_GROUP, "kind": "Deed", "name": "a"}}, "roleRef.kind"),
    "role of another group": ({"roleRef": {"apiGroup": "x.y", "kind": "Role", "name": "a"}}, "roleRef.apiGroup"),
    "no name of a role": ({"roleRef": {"apiGroup": RBAC_GROUP, "kind": "Role", "name": ""}}, "roleRef.name"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_BINDINGS)
def test_bad_bindings(http: Http, namespace: str, case: str) -> None:
    changes, field = BAD_BINDINGS[case]
    refused = http.post(bindings(namespace), {**binding("bad", "one", subject("jane")), **changes}).fails(
        422, "Invalid"
    )
    assert field in causes(refused)


def test_a_cluster_role_binding_names_a_cluster_role(http: Http) -> None:
    wrong = binding(unique("bad"), "one", subject("jane"))
    refused = http.post(f"{RBAC}/clusterrolebindings", wrong, dryRun="All").fails(422, "Invalid")
    assert "roleRef.kind" in causes(refused)


def test_aggregation(http: Http) -> None:
    name = unique("conformance")
    selector = {"clusterRoleSelectors": [{"matchLabels": {name: "true"}}]}
    whole = {"metadata": {"name": name}, "aggregationRule": selector, "rules": []}
    part = {"metadata": {"name": f"{name}-part", "labels": {name: "true"}}, "rules": [rule(["get"], ["configmaps"])]}
    path = f"{RBAC}/clusterroles"
    try:
        http.post(path, whole).expect(201)
        http.post(path, part).expect(201)
        gathered = [rule(["get"], ["configmaps"])]
        eventually(
            lambda: http.get(f"{path}/{name}").expect(200)["rules"] == gathered, "the rules are gathered", SECONDS
        )
        http.delete(f"{path}/{name}-part").expect(200)
        eventually(lambda: not http.get(f"{path}/{name}").expect(200).get("rules"), "the rules are gone", SECONDS)
    finally:
        http.delete(f"{path}/{name}")
        http.delete(f"{path}/{name}-part")


def test_aggregation_is_for_administrators(http_as: As, grant: Grants) -> None:
    user = unique("user")
    grant("", subject(user), rule(WRITE, ["clusterroles"], RBAC_GROUP))
    selector = {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]}
    body = {"metadata": {"name": unique("conformance")}, "aggregationRule": selector}
    refused = http_as(user).post(f"{RBAC}/clusterroles", body).fails(403, "Forbidden")
    assert "must have cluster-admin privileges to use the aggregationRule" in refused["message"]


def test_a_service_account_of_a_bindings_own_namespace(http: Http, http_as: As, namespace: str) -> None:
    """It needs no namespace of its own there, and where a binding is of no namespace it does."""
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    reader = {"rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]}]}
    http.post(f"{rbac}/namespaces/{namespace}/roles", {"metadata": {"name": "reader"}, **reader}).expect(201)
    ref: dict[str, Any] = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"}
    body: dict[str, Any] = {
        "metadata": {"name": "b"},
        "roleRef": ref,
        "subjects": [{"kind": "ServiceAccount", "name": "a"}],
    }
    http.post(f"{rbac}/namespaces/{namespace}/rolebindings", body).expect(201)
    account = http_as(f"system:serviceaccount:{namespace}:a", ["system:authenticated"])
    maps = f"/api/v1/namespaces/{namespace}/configmaps"
    eventually(lambda: account.get(maps).status == 200, "the binding holds", SECONDS)
    http_as("system:serviceaccount::a", ["system:authenticated"]).get(maps).fails(403, "Forbidden")
    wide = {**body, "metadata": {"generateName": "conformance-"}, "roleRef": {**ref, "kind": "ClusterRole"}}
    refused = http.post(f"{rbac}/clusterrolebindings", wide).fails(422, "Invalid")
    assert causes(refused) == {"subjects[0].namespace": "Required value"}
    misnamed = {**body, "metadata": {"name": "c"}, "subjects": [{"kind": "ServiceAccount", "name": "a b"}]}
    refused = http.post(f"{rbac}/namespaces/{namespace}/rolebindings", misnamed).fails(422, "Invalid")
    assert "lowercase RFC 1123 subdomain" in causes(refused)["subjects[0].name"]


def test_a_role_ref_is_a_name(http: Http, namespace: str) -> None:
    path = f"{RBAC}/namespaces/{namespace}/rolebindings"
    role = {"apiGroup": RBAC_GROUP, "kind": "Role", "name": "a%b"}
    obj = {"apiVersion": f"{RBAC_GROUP}/v1", "kind": "RoleBinding", "metadata": {"name": "a"}, "roleRef": role}
    assert causes(http.post(path, obj).fails(422, "Invalid")) == {
        "roleRef.name": "Invalid value: \"a%b\": may not contain '%'"
    }
