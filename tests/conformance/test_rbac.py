"""What RBAC's rules allow, and in which words the server refuses.

https://kubernetes.io/docs/reference/access-authn-authz/rbac/
"""

from collections.abc import Callable

import pytest
from tests.conformance.clients import (
    RBAC,
    Door,
    Grants,
    account,
    config_map,
    config_maps,
    door,
    grant,
    may,
    rule,
    subject,
    token,
    unique,
    widgets,
)
from tests.conformance.conftest import SECONDS, Http, Installed
from tests.conftest import eventually

__all__ = ["door", "grant", "widgets"]

As = Callable[..., Http]
REFUSALS = {
    "list": ("GET", "/api/v1/namespaces/{ns}/configmaps", 'configmaps is forbidden: User "{user}" cannot list resource "configmaps" in API group "" in the namespace "{ns}"'),
    "get": ("GET", "/api/v1/namespaces/{ns}/secrets/x", 'secrets "x" is forbidden: User "{user}" cannot get resource "secrets" in API group "" in the namespace "{ns}"'),
    "watch": ("WATCH", "/api/v1/configmaps", 'configmaps is forbidden: User "{user}" cannot watch resource "configmaps" in API group "" at the cluster scope'),
    "namespace": ("GET", "/api/v1/namespaces/{ns}", 'namespaces "{ns}" is forbidden: User "{user}" cannot get resource "namespaces" in API group "" in the namespace "{ns}"'),
    "namespaces": ("GET", "/api/v1/namespaces", 'namespaces is forbidden: User "{user}" cannot list resource "namespaces" in API group "" at the cluster scope'),
    "cluster scope": ("DELETE", "/apis/rbac.authorization.k8s.io/v1/clusterroles/x", 'clusterroles.rbac.authorization.k8s.io "x" is forbidden: User "{user}" cannot delete resource "clusterroles" in API group "rbac.authorization.k8s.io" at the cluster scope'),
    "subresource": ("POST", "/api/v1/namespaces/{ns}/serviceaccounts/x/token", 'serviceaccounts "x" is forbidden: User "{user}" cannot create resource "serviceaccounts/token" in API group "" in the namespace "{ns}"'),
    "collection": ("DELETE", "/api/v1/namespaces/{ns}/secrets", 'secrets is forbidden: User "{user}" cannot deletecollection resource "secrets" in API group "" in the namespace "{ns}"'),
    "update": ("PUT", "/apis/coordination.k8s.io/v1/namespaces/{ns}/leases/x", 'leases.coordination.k8s.io "x" is forbidden: User "{user}" cannot update resource "leases" in API group "coordination.k8s.io" in the namespace "{ns}"'),
    "path": ("GET", "/metrics", 'forbidden: User "{user}" cannot get path "/metrics"'),
    "no such resource": ("GET", "/api/v1/namespaces/{ns}/nothings", 'nothings is forbidden: User "{user}" cannot list resource "nothings" in API group "" in the namespace "{ns}"'),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSALS)
def test_words_of_a_refusal(http_as: As, namespace: str, case: str) -> None:
    method, path, message = REFUSALS[case]
    user = unique("user")
    query = {"watch": True} if method == "WATCH" else {}
    answer = http_as(user).request(method.replace("WATCH", "GET"), path.format(ns=namespace), query=query)
    refused = answer.fails(403, "Forbidden")
    assert refused["message"] == message.format(user=user, ns=namespace)


UNSERVED = {
    "a resource": ("GET", "/api/v1/namespaces/{ns}/nothings/x", 404, 'nothings "x" is forbidden: User "{user}" cannot get resource "nothings" in API group "" in the namespace "{ns}"'),
    "a group": ("POST", "/apis/nothing.example.com/v1/things", 404, 'things.nothing.example.com is forbidden: User "{user}" cannot create resource "things" in API group "nothing.example.com" at the cluster scope'),
    "a version": ("DELETE", "/apis/rbac.authorization.k8s.io/v9/clusterroles", 404, 'clusterroles.rbac.authorization.k8s.io is forbidden: User "{user}" cannot deletecollection resource "clusterroles" in API group "rbac.authorization.k8s.io" at the cluster scope'),
    "a subresource": ("PUT", "/api/v1/namespaces/{ns}/configmaps/x/nothing", 404, 'configmaps "x" is forbidden: User "{user}" cannot update resource "configmaps/nothing" in API group "" in the namespace "{ns}"'),
    "a method": ("PUT", "/api/v1/namespaces/{ns}/configmaps", 405, 'configmaps is forbidden: User "{user}" cannot update resource "configmaps" in API group "" in the namespace "{ns}"'),
    "a path": ("GET", "/nothing", 404, 'forbidden: User "{user}" cannot get path "/nothing"'),
}  # fmt: skip


@pytest.mark.parametrize("case", UNSERVED)
def test_who_may_not_ask_is_not_told_what_is_there(http: Http, http_as: As, namespace: str, case: str) -> None:
    method, path, status, message = UNSERVED[case]
    user = unique("user")
    refused = http_as(user).request(method, path.format(ns=namespace)).fails(403, "Forbidden")
    assert refused["message"] == message.format(user=user, ns=namespace)
    assert http.request(method, path.format(ns=namespace)).status == status


def test_details_of_a_refusal(http_as: As, namespace: str) -> None:
    path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/x"
    refused = http_as(unique("user")).get(path).fails(403, "Forbidden")
    assert refused["details"] == {"name": "x", "group": "coordination.k8s.io", "kind": "leases"}


def test_a_role_allows_its_verbs_in_its_namespace(http: Http, http_as: As, namespace: str, grant: Grants) -> None:
    user = unique("user")
    grant(namespace, subject(user), rule(["get", "list"], ["configmaps"]))
    http.post(config_maps(namespace), config_map("a")).expect(201)
    me = http_as(user)
    me.get(config_maps(namespace, "a")).expect(200)
    me.get(config_maps(namespace)).expect(200)
    me.get(config_maps(namespace), watch=True).fails(403, "Forbidden")
    me.post(config_maps(namespace), config_map("b")).fails(403, "Forbidden")
    me.delete(config_maps(namespace)).fails(403, "Forbidden")
    me.get(config_maps("default")).fails(403, "Forbidden")
    me.get("/api/v1/configmaps").fails(403, "Forbidden")


def test_taking_a_binding_away_ends_access(http: Http, http_as: As, namespace: str, grant: Grants) -> None:
    user = unique("user")
    name = grant(namespace, subject(user), rule(["list"], ["configmaps"]))
    me = http_as(user)
    me.get(config_maps(namespace)).expect(200)
    http.delete(f"{RBAC}/namespaces/{namespace}/rolebindings/{name}").expect(200)
    eventually(lambda: me.get(config_maps(namespace)).status == 403, "access has ended", SECONDS)


def test_resource_names(http: Http, http_as: As, namespace: str, grant: Grants) -> None:
    user = unique("user")
    verbs = ["get", "list", "watch", "create", "update", "delete", "deletecollection"]
    grant(namespace, subject(user), rule(verbs, ["configmaps"], names=["mine"]))
    for name in ("mine", "theirs"):
        http.post(config_maps(namespace), config_map(name)).expect(201)
    me = http_as(user)
    me.get(config_maps(namespace, "mine")).expect(200)
    me.get(config_maps(namespace, "theirs")).fails(403, "Forbidden")
    me.get(config_maps(namespace)).fails(403, "Forbidden")
    me.post(config_maps(namespace), config_map("mine")).fails(403, "Forbidden")  # a create names nothing
    me.delete(config_maps(namespace)).fails(403, "Forbidden")
    me.put(config_maps(namespace, "mine"), config_map("mine", a="1")).expect(200)


def test_a_list_by_name_is_of_that_name(http: Http, http_as: As, namespace: str, grant: Grants) -> None:
    user = unique("user")
    grant(namespace, subject(user), rule(["list", "watch"], ["configmaps"], names=["mine"]))
    http.post(config_maps(namespace), config_map("mine")).expect(201)
    me = http_as(user)
    listed = me.get(config_maps(namespace), fieldSelector="metadata.name=mine").expect(200)
    assert [item["metadata"]["name"] for item in listed["items"]] == ["mine"]
    me.get(config_maps(namespace), fieldSelector="metadata.name=mine", watch=True, timeoutSeconds=1).expect(200)
    me.get(config_maps(namespace), fieldSelector="metadata.name=theirs").fails(403, "Forbidden")
    me.get(config_maps(namespace), fieldSelector="metadata.name!=theirs").fails(403, "Forbidden")


def test_a_role_reaches_its_own_namespace(http_as: As, namespace: str, grant: Grants) -> None:
    user = unique("user")
    grant(namespace, subject(user), rule(["get"], ["namespaces"]))
    assert http_as(user).get(f"/api/v1/namespaces/{namespace}").expect(200)["metadata"]["name"] == namespace
    http_as(user).get("/api/v1/namespaces/default").fails(403, "Forbidden")


SUBRESOURCES = {
    "the object is not its subresource": (["widgets"], {"widgets": True, "widgets/status": False}),
    "the subresource is not the object": (["widgets/status"], {"widgets": False, "widgets/status": True}),
    "a star for the resource": (["*/scale"], {"widgets": False, "widgets/scale": True, "gadgets/scale": True}),
    "a star for the subresource means nothing": (["widgets/*"], {"widgets": False, "widgets/status": False}),
    "a star is everything": (["*"], {"widgets": True, "widgets/status": True, "gadgets/scale": True}),
}


@pytest.mark.parametrize("case", SUBRESOURCES)
def test_subresources(http: Http, namespace: str, grant: Grants, case: str) -> None:
    resources, wanted = SUBRESOURCES[case]
    user = unique("user")
    grant(namespace, subject(user), rule(["get"], resources, "example.com"))
    for asked, allowed in wanted.items():
        resource, _, subresource = asked.partition("/")
        where = {"namespace": namespace, "group": "example.com", "subresource": subresource}
        assert may(http, user, "get", resource, **where) is allowed, asked


def test_a_status_is_written_by_who_may(
    http: Http, http_as: As, namespace: str, grant: Grants, widgets: Installed
) -> None:
    user = unique("user")
    grant(namespace, subject(user), rule(["patch"], [f"{widgets.plural}/status"], widgets.group))
    http.post(widgets.path(namespace), widgets.obj("a", spec={"size": 1})).expect(201)
    me = http_as(user)
    me.patch(widgets.path(namespace, "a", "status"), {"status": {"phase": "Ready"}}).expect(200)
    me.patch(widgets.path(namespace, "a"), {"spec": {"size": 2}}).fails(403, "Forbidden")


def test_an_apply_that_creates_needs_create(http_as: As, namespace: str, grant: Grants) -> None:
    user = unique("user")
    grant(namespace, subject(user), rule(["patch"], ["configmaps"]))
    refused = http_as(user).apply(config_maps(namespace, "a"), config_map("a")).fails(403, "Forbidden")
    assert f'User "{user}" cannot create resource "configmaps"' in refused["message"]
    grant(namespace, subject(user), rule(["create"], ["configmaps"]))
    http_as(user).apply(config_maps(namespace, "a"), config_map("a")).expect(201)


def test_an_update_that_creates_needs_create(http_as: As, namespace: str, grant: Grants) -> None:
    user = unique("user")
    grant(namespace, subject(user), rule(["update"], ["leases"], "coordination.k8s.io"))
    path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/a"
    body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "a"}}
    refused = http_as(user).put(path, body).fails(403, "Forbidden")
    assert f'User "{user}" cannot create resource "leases"' in refused["message"]
    grant(namespace, subject(user), rule(["create"], ["leases"], "coordination.k8s.io"))
    http_as(user).put(path, body).expect(201)


def test_stars(http: Http, namespace: str, grant: Grants) -> None:
    user = unique("user")
    grant(namespace, subject(user), rule(["*"], ["configmaps"]), rule(["get"], ["leases"], "*"))
    assert may(http, user, "anything", "configmaps", namespace=namespace)
    assert may(http, user, "get", "leases", namespace=namespace, group="example.com")
    assert not may(http, user, "get", "secrets", namespace=namespace)


def test_groups(http_as: As, namespace: str, grant: Grants) -> None:
    group = unique("group")
    grant(namespace, subject(group, "Group"), rule(["list"], ["configmaps"]))
    http_as(unique("user"), ["others", group]).get(config_maps(namespace)).expect(200)
    http_as(unique("user"), ["others"]).get(config_maps(namespace)).fails(403, "Forbidden")


def test_service_accounts(http: Http, door: Door, namespace: str, grant: Grants) -> None:
    account(http, namespace, "robot")
    account(http, namespace, "other")
    grant(namespace, subject("robot", "ServiceAccount", namespace), rule(["list"], ["configmaps"]))
    grant(namespace, subject(f"system:serviceaccounts:{namespace}", "Group"), rule(["list"], ["secrets"]))
    robot, other = (door.bearing(token(http, namespace, name)) for name in ("robot", "other"))
    robot.get(config_maps(namespace)).expect(200)
    other.get(config_maps(namespace)).fails(403, "Forbidden")
    for one in (robot, other):
        one.get(f"/api/v1/namespaces/{namespace}/secrets").expect(200)


def test_a_cluster_role_bound_in_a_namespace_ends_there(http_as: As, namespace: str, grant: Grants) -> None:
    user = unique("user")
    rules = [rule(["list"], ["configmaps"]), {"nonResourceURLs": ["/metrics"], "verbs": ["get"]}]
    name = grant(namespace, subject(user), rules[0], kind="ClusterRole")
    assert name
    http_as(user).get(config_maps(namespace)).expect(200)
    http_as(user).get("/api/v1/configmaps").fails(403, "Forbidden")


def test_a_cluster_role_everywhere(http_as: As, namespace: str, grant: Grants) -> None:
    user = unique("user")
    grant("", subject(user), rule(["list"], ["configmaps"]))
    http_as(user).get(config_maps(namespace)).expect(200)
    http_as(user).get("/api/v1/configmaps").expect(200)


def test_paths(http: Http, http_as: As, grant: Grants) -> None:
    user = unique("user")
    grant("", subject(user), {"nonResourceURLs": ["/metrics", "/mine/*"], "verbs": ["get"]})
    http_as(user).get("/metrics").expect(200)

    def allowed(verb: str, path: str) -> bool:
        spec = {"user": user, "nonResourceAttributes": {"verb": verb, "path": path}}
        answer = http.post("/apis/authorization.k8s.io/v1/subjectaccessreviews", {"spec": spec})
        return bool(answer.expect(201)["status"]["allowed"])

    assert allowed("get", "/mine/deep/er") and allowed("get", "/mine/")
    assert not allowed("get", "/mine") and not allowed("post", "/metrics") and not allowed("get", "/metrics/more")
