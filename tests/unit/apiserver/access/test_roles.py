"""The default roles, and what is written at a start."""

import copy
from typing import Any

import msgspec
import pytest

from starlink.apiserver.security.authorization.authorizer import CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, Authorizer
from starlink.apiserver.security.authorization.rbac import GROUP, Attributes
from starlink.apiserver.security.authorization.roles import AUTO_UPDATE, defaults, reconciled, regathered
from starlink.http.message import ANONYMOUS, OPERATOR, User
from starlink.store.base import Key
from starlink.store.memory import MemoryStore

STORED = {"ClusterRole": CLUSTER_ROLES, "ClusterRoleBinding": CLUSTER_ROLE_BINDINGS}
AUTHENTICATED = ("system:authenticated",)
OPERATOR_USER = User(OPERATOR, AUTHENTICATED)


def named(name: str, kind: str = "ClusterRole") -> dict[str, Any]:
    (found,) = (obj for obj in defaults() if (obj["kind"], obj["metadata"]["name"]) == (kind, name))
    return found


@pytest.fixture
async def authorizer() -> Authorizer:
    store = MemoryStore()
    bound = {"admin": "ada", "edit": "eve", "view": "vic"}
    subjects = {role: [{"kind": "User", "apiGroup": GROUP, "name": user}] for role, user in bound.items()}
    for obj in defaults():
        await store.put(Key(STORED[obj["kind"]], "", obj["metadata"]["name"]), msgspec.json.encode(obj), expect=0)
    for role, who in subjects.items():
        body = {"roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": role}, "subjects": who}
        await store.put(Key(f"{GROUP}/rolebindings", "a", role), msgspec.json.encode(body), expect=0)
    return Authorizer(store, lambda _user, _asked: None)


def test_every_default_is_labelled_and_kept_up() -> None:
    for obj in defaults():
        assert obj["apiVersion"] == "rbac.authorization.k8s.io/v1"
        assert obj["metadata"]["labels"]["kubernetes.io/bootstrapping"] == "rbac-defaults"
        assert obj["metadata"]["annotations"] == {AUTO_UPDATE: "true"}
    assert named("cluster-admin", "ClusterRoleBinding")["subjects"] == [
        {"kind": "Group", "apiGroup": GROUP, "name": "system:masters"}
    ]


def test_every_binding_binds_a_default_role() -> None:
    roles = {obj["metadata"]["name"] for obj in defaults() if obj["kind"] == "ClusterRole"}
    assert all(obj["roleRef"]["name"] in roles for obj in defaults() if obj["kind"] == "ClusterRoleBinding")


@pytest.mark.parametrize(
    ("user", "verb", "group", "resource", "allowed"),
    [
        ("vic", "list", "starlink.dev", "tasks", True),
        ("vic", "get", "starlink.dev", "assignments", True),
        ("vic", "get", "", "configmaps", True),
        ("vic", "get", "", "secrets", False),
        ("vic", "create", "starlink.dev", "tasks", False),
        ("vic", "get", "rbac.authorization.k8s.io", "roles", False),
        ("eve", "create", "starlink.dev", "tasks", True),
        ("eve", "watch", "starlink.dev", "tasks", True),
        ("eve", "get", "", "secrets", True),
        ("eve", "delete", "", "secrets", True),
        ("eve", "create", "starlink.dev", "assignments", False),
        ("eve", "create", "rbac.authorization.k8s.io", "rolebindings", False),
        ("ada", "create", "rbac.authorization.k8s.io", "rolebindings", True),
        ("ada", "create", "authorization.k8s.io", "localsubjectaccessreviews", True),
        ("ada", "delete", "starlink.dev", "tasks", True),
        ("ada", "bind", "rbac.authorization.k8s.io", "clusterroles", False),
        ("ada", "create", "rbac.authorization.k8s.io", "clusterroles", False),
    ],
)
def test_admin_edit_and_view(
    authorizer: Authorizer, user: str, verb: str, group: str, resource: str, allowed: bool
) -> None:
    def may(namespace: str) -> bool:
        asked = Attributes(verb, group, resource=resource, namespace=namespace)
        return authorizer.authorize(User(user), asked).allowed

    assert may("a") is allowed
    assert not may("b")


@pytest.mark.parametrize(
    ("verb", "group", "resource", "allowed"),
    [
        ("patch", "starlink.dev", "assignments", True),
        ("patch", "starlink.dev", "tasks", True),
        ("update", "starlink.dev", "tasks", False),
        ("delete", "starlink.dev", "tasks", True),
        ("delete", "starlink.dev", "servers", False),
        ("patch", "coordination.k8s.io", "leases", True),
        ("delete", "coordination.k8s.io", "leases", False),
        ("create", "", "events", True),
        ("create", "apps", "controllerrevisions", False),
        ("get", "", "secrets", False),
        ("get", "", "configmaps", False),
        ("watch", "", "namespaces", False),
        ("get", "apiextensions.k8s.io", "customresourcedefinitions", True),
        ("watch", "apiextensions.k8s.io", "customresourcedefinitions", False),
        ("list", "", "serviceaccounts", False),
        ("create", "rbac.authorization.k8s.io", "clusterrolebindings", False),
    ],
)
def test_the_operator(authorizer: Authorizer, verb: str, group: str, resource: str, allowed: bool) -> None:
    asked = Attributes(verb, group, resource=resource, namespace="a")
    assert authorizer.authorize(OPERATOR_USER, asked).allowed is allowed
    status = Attributes("patch", "starlink.dev", resource="tasks", subresource="status", namespace="a", name="t")
    assert authorizer.authorize(OPERATOR_USER, status).allowed
    token = Attributes("create", "", resource="serviceaccounts", subresource="token", namespace="a", name="x")
    assert not authorizer.authorize(OPERATOR_USER, token).allowed


@pytest.mark.parametrize(
    ("verb", "group", "resource", "subresource", "allowed"),
    [
        ("create", "certificates.k8s.io", "certificatesigningrequests", "", True),
        ("get", "certificates.k8s.io", "certificatesigningrequests", "", True),
        ("list", "certificates.k8s.io", "certificatesigningrequests", "", False),
        ("watch", "certificates.k8s.io", "certificatesigningrequests", "", False),
        ("delete", "certificates.k8s.io", "certificatesigningrequests", "", False),
        ("update", "certificates.k8s.io", "certificatesigningrequests", "approval", False),
        ("patch", "certificates.k8s.io", "certificatesigningrequests", "status", False),
        ("approve", "certificates.k8s.io", "signers", "", False),
        ("get", "", "secrets", "", False),
        ("create", "", "serviceaccounts", "token", False),
        ("list", "starlink.dev", "servers", "", False),
    ],
)
def test_who_joins(
    authorizer: Authorizer, verb: str, group: str, resource: str, subresource: str, allowed: bool
) -> None:
    groups = ("system:bootstrappers", "system:bootstrappers:starlink-servers:s1", *AUTHENTICATED)
    asked = Attributes(verb, group, resource=resource, subresource=subresource, namespace="a", name="x")
    assert authorizer.authorize(User("system:bootstrap:abcdef", groups), asked).allowed is allowed


def test_what_everyone_may_see(authorizer: Authorizer) -> None:
    anyone = User("zoe", AUTHENTICATED)
    for path in ("/healthz", "/livez", "/readyz", "/version", "/version/"):
        assert authorizer.authorize(ANONYMOUS, Attributes("get", path=path)).allowed
    for path in ("/api", "/apis/starlink.dev/v1alpha1", "/openapi/v3"):
        assert authorizer.authorize(ANONYMOUS, Attributes("get", path=path)).allowed
        assert authorizer.authorize(anyone, Attributes("get", path=path)).allowed
    review = Attributes("create", "authorization.k8s.io", resource="selfsubjectaccessreviews")
    assert authorizer.authorize(anyone, review).allowed and not authorizer.authorize(ANONYMOUS, review).allowed


def test_a_missing_default_is_made_and_a_whole_one_left() -> None:
    for wanted in defaults():
        assert reconciled(None, wanted) == wanted
        stored = {**wanted, "metadata": {**wanted["metadata"], "uid": "u", "resourceVersion": "3"}}
        assert reconciled(stored, wanted) is None


def test_missing_rules_come_back_and_extra_ones_stay() -> None:
    wanted = named("system:basic-user")
    stored = copy.deepcopy(wanted)
    extra = {"verbs": ["get"], "apiGroups": [""], "resources": ["namespaces"]}
    stored["rules"] = [extra, wanted["rules"][1]]
    stored["metadata"]["uid"] = "u"
    changed = reconciled(stored, wanted)
    assert changed is not None and changed["metadata"]["uid"] == "u"
    assert changed["rules"][:2] == stored["rules"]
    assert changed["rules"][2:] == [
        {"verbs": ["create"], "apiGroups": ["authorization.k8s.io"], "resources": [name]}
        for name in ("selfsubjectaccessreviews", "selfsubjectrulesreviews")
    ]
    assert reconciled(changed, wanted) is None
    assert stored["rules"] == [extra, wanted["rules"][1]]


def test_missing_subjects_come_back_and_extra_ones_stay() -> None:
    wanted = named("system:public-info-viewer", "ClusterRoleBinding")
    extra = {"kind": "User", "apiGroup": GROUP, "name": "x"}
    changed = reconciled({**wanted, "subjects": [extra, wanted["subjects"][1]]}, wanted)
    assert changed is not None and changed["subjects"] == [extra, wanted["subjects"][1], wanted["subjects"][0]]
    emptied = reconciled({**wanted, "subjects": None}, wanted)
    assert emptied == wanted


def test_labels_come_back_and_what_was_set_stays() -> None:
    wanted = named("view")
    metadata = {"name": "view", "labels": {"kubernetes.io/bootstrapping": "mine", "x": "y"}}
    changed = reconciled({**wanted, "metadata": metadata}, wanted)
    assert changed is not None
    assert changed["metadata"]["labels"] == {**wanted["metadata"]["labels"], **metadata["labels"]}  # type: ignore[dict-item]
    assert changed["metadata"]["annotations"] == {AUTO_UPDATE: "true"}


def test_autoupdate_false_leaves_all_as_it_is() -> None:
    kept = {"name": "view", "annotations": {AUTO_UPDATE: "false"}}
    for kind, name in (("ClusterRole", "view"), ("ClusterRoleBinding", "cluster-admin")):
        assert reconciled({"metadata": kept, "roleRef": {}}, named(name, kind)) is None


def test_another_role_ref_is_replaced() -> None:
    wanted = named("cluster-admin", "ClusterRoleBinding")
    stored = {
        **wanted,
        "metadata": {**wanted["metadata"], "uid": "u"},
        "roleRef": {**wanted["roleRef"], "name": "view"},
    }
    assert reconciled(stored, wanted) == wanted


def test_aggregation_is_kept_and_gathered_rules_are_no_difference() -> None:
    wanted = named("admin")
    own = {"matchLabels": {"mine": "true"}}
    rules = [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]
    assert reconciled({**wanted, "rules": rules}, wanted) is None
    changed = reconciled({**wanted, "aggregationRule": {"clusterRoleSelectors": [own]}}, wanted)
    assert changed is not None
    assert changed["aggregationRule"]["clusterRoleSelectors"] == [
        own,
        *wanted["aggregationRule"]["clusterRoleSelectors"],
    ]
    plain = named("system:discovery")
    assert reconciled({**plain, "aggregationRule": {"clusterRoleSelectors": [own]}}, plain) == plain


def test_gathered_rules_are_written_until_they_are_there() -> None:
    roles = {obj["metadata"]["name"]: obj for obj in defaults() if obj["kind"] == "ClusterRole"}
    changed = regathered(roles.values())
    assert sorted(role["metadata"]["name"] for role in changed) == ["admin", "edit", "view"]
    roles.update((role["metadata"]["name"], role) for role in changed)
    assert regathered(roles.values()) == []
    parts = ("view", "edit", "admin")
    for more, less in zip(parts[1:], parts, strict=False):
        assert all(rule in roles[more]["rules"] for rule in roles[less]["rules"])
