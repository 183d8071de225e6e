"""What is served, as clients discover it."""

import json
import re
from typing import Any

from tests.conformance.conftest import GROUP, Answer, Crds, Http
from tests.conftest import eventually

Obj = dict[str, Any]
VERBS = {"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"}
AGGREGATED = ",".join(
    f"application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList" for version in ("v2", "v2beta1")
)


def resources(http: Http, path: str) -> dict[str, Obj]:
    found = http.get(path).expect(200)
    assert (found["kind"], found["apiVersion"] if path != "/api/v1" else "v1") == ("APIResourceList", "v1")
    return {entry["name"]: entry for entry in found["resources"]}


def test_version(http: Http) -> None:
    told = http.get("/version").expect(200)
    assert told["major"] == "1"
    assert re.match(r"^v1\.\d+\.\d+", told["gitVersion"])


def test_health(http: Http) -> None:
    for path in ("/healthz", "/readyz", "/livez"):
        answer = http.get(path)
        assert (answer.status, answer.body) == (200, b"ok"), path


def test_groups(http: Http) -> None:
    core = http.get("/api").expect(200)
    assert core["kind"] == "APIVersions"
    assert "v1" in core["versions"]
    listed = http.get("/apis").expect(200)
    assert (listed["kind"], listed["apiVersion"]) == ("APIGroupList", "v1")
    groups = {group["name"]: group for group in listed["groups"]}
    assert groups["apiextensions.k8s.io"]["preferredVersion"] == {
        "groupVersion": "apiextensions.k8s.io/v1", "version": "v1",
    }  # fmt: skip
    one = http.get("/apis/apiextensions.k8s.io").expect(200)
    assert (one["kind"], one["apiVersion"], one["name"]) == ("APIGroup", "v1", "apiextensions.k8s.io")
    assert {"groupVersion": "apiextensions.k8s.io/v1", "version": "v1"} in one["versions"]


def test_paths_may_end_with_a_slash(http: Http) -> None:
    assert http.get("/api/").expect(200)["kind"] == "APIVersions"
    assert http.get("/apis/").expect(200)["kind"] == "APIGroupList"


def test_core_resources(http: Http) -> None:
    core = resources(http, "/api/v1")
    configmaps = core["configmaps"]
    assert (configmaps["kind"], configmaps["namespaced"], configmaps["singularName"]) == (
        "ConfigMap",
        True,
        "configmap",
    )
    assert configmaps["shortNames"] == ["cm"]
    assert set(configmaps["verbs"]) == VERBS
    assert core["namespaces"]["namespaced"] is False
    assert set(core["namespaces"]["verbs"]) == VERBS - {"deletecollection"}
    assert core["namespaces/finalize"]["verbs"] == ["update"]
    assert set(core["namespaces/status"]["verbs"]) == {"get", "patch", "update"}
    token = core["serviceaccounts/token"]
    assert (token["group"], token["version"], token["kind"]) == ("authentication.k8s.io", "v1", "TokenRequest")
    assert token["verbs"] == ["create"]


def test_what_is_not_served(http: Http) -> None:
    for path in ("/api/v1/nothings", "/apis/rbac.authorization.k8s.io/v1/nothings", "/api/v9", "/api/v1/configmaps/a"):
        refused = http.get(path).fails(404, "NotFound")
        assert refused["message"] == "the server could not find the requested resource"
    for path in ("/apis/nothing.example.com", "/apis/nothing.example.com/v1", f"/apis/{GROUP}/v1/nothings", "/nothing"):
        assert is_page_not_found(http.get(path)), path


def test_what_custom_kinds_have_not(http: Http, namespace: str, crd: Crds) -> None:
    """Where the path is none of theirs nobody answers; a subresource is looked for in their group."""
    widgets = crd(subresources={"status": {}})
    racks = crd(scope="Cluster")
    http.post(widgets.path(namespace), widgets.obj("a")).expect(201)
    for path in (widgets.path(name="a"), widgets.path(namespace, version="v9"), racks.path(namespace)):
        assert is_page_not_found(http.get(path)), path
    assert is_page_not_found(http.post(widgets.path(), widgets.obj("b", metadata={"namespace": namespace})))
    assert is_page_not_found(http.delete(widgets.path()))
    below = http.get(widgets.path(namespace, "a", "scale")).fails(404, "NotFound")
    assert below["message"] == f'{widgets.name} "a" not found'
    assert below["details"] == {"name": "a", "group": GROUP, "kind": widgets.plural}
    refused = http.delete(widgets.path(namespace, "a", "status")).fails(405, "MethodNotAllowed")
    assert refused["message"] == f'delete is not supported on resources of kind "{widgets.name}"'
    for method, path in (
        ("POST", "/api/v1/configmaps"),
        ("DELETE", "/api/v1/configmaps"),
        ("PUT", "/api/v1/namespaces"),
    ):
        refused = http.request(method, path, {"metadata": {"name": "a", "namespace": namespace}}).fails(
            405, "MethodNotAllowed"
        )
        assert refused["message"] == "the server does not allow this method on the requested resource"


def is_page_not_found(answer: Answer) -> bool:
    text = answer.headers["content-type"].startswith("text/plain")
    return (answer.status, text, answer.body) == (404, True, b"404 page not found\n")


def test_custom_resources_are_discovered(http: Http, crd: Crds) -> None:
    scale = {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}
    widgets = crd(
        names={"shortNames": ["wdgt"], "categories": ["conformed"]}, subresources={"status": {}, "scale": scale}
    )
    path = f"/apis/{GROUP}/v1"
    found = eventually(lambda: resources(http, path).get(widgets.plural), "the resource discovered")
    assert (found["kind"], found["shortNames"], found["categories"]) == (widgets.kind, ["wdgt"], ["conformed"])
    assert set(found["verbs"]) == VERBS
    below = resources(http, path)[f"{widgets.plural}/scale"]
    assert (below["group"], below["version"], below["kind"]) == ("autoscaling", "v1", "Scale")
    assert set(resources(http, path)[f"{widgets.plural}/status"]["verbs"]) == {"get", "patch", "update"}


def test_versions_are_sorted_by_stability(http: Http, crd: Crds) -> None:
    names = ("v1", "v1beta1", "v2", "v10", "v2alpha1")
    schema = {"openAPIV3Schema": {"type": "object"}}
    crd(versions=[{"name": n, "served": True, "storage": n == "v1", "schema": schema} for n in names])

    def versions() -> list[str]:
        return [one["version"] for one in http.get(f"/apis/{GROUP}").expect(200)["versions"]]

    eventually(lambda: set(names) <= set(versions()), "all versions discovered")
    assert [version for version in versions() if version in names] == ["v10", "v2", "v1", "v1beta1", "v2alpha1"]
    assert http.get(f"/apis/{GROUP}").expect(200)["preferredVersion"]["version"] == versions()[0]


def test_aggregated(http: Http) -> None:
    for path, group in (("/api", ""), ("/apis", "apiextensions.k8s.io")):
        answer = http.get(path, accept=f"{AGGREGATED},application/json")
        body = answer.expect(200)
        version = body["apiVersion"].removeprefix("apidiscovery.k8s.io/")
        assert version in ("v2", "v2beta1")
        media = f"application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"
        assert answer.headers["content-type"] == media
        assert "Accept" in answer.headers["vary"]
        assert body["kind"] == "APIGroupDiscoveryList"
        item = next(item for item in body["items"] if item["metadata"].get("name", "") == group)
        assert "v1" in [version["version"] for version in item["versions"]]
    resource = next(one for one in item["versions"][0]["resources"] if one["resource"] == "customresourcedefinitions")
    assert resource["responseKind"]["kind"] == "CustomResourceDefinition"
    assert (resource["scope"], resource["singularResource"]) == ("Cluster", "customresourcedefinition")
    assert set(resource["verbs"]) == VERBS
    assert [below["subresource"] for below in resource["subresources"]] == ["status"]


def test_aggregated_is_cached_by_etag(http: Http) -> None:
    first = http.get("/api", accept=AGGREGATED)
    first.expect(200)
    again = http.request("GET", "/api", headers={"Accept": AGGREGATED, "If-None-Match": first.headers["etag"]})
    assert (again.status, again.body) == (304, b"")


def openapi_paths(http: Http) -> Obj:
    """What the index lists, which the real server sends as text."""
    answer = http.get("/openapi/v3")
    answer.expect(200)
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    found: Obj = json.loads(answer.body)["paths"]
    return found


def test_openapi_index_and_documents(http: Http) -> None:
    paths = openapi_paths(http)
    url = paths["apis/apiextensions.k8s.io/v1"]["serverRelativeURL"]
    assert re.match(r"^/openapi/v3/apis/apiextensions.k8s.io/v1\?hash=\w+$", url)
    answer = http.get(url)
    document = answer.expect(200)
    assert document["openapi"].startswith("3.0")
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "public, immutable"
    assert answer.headers["expires"]
    assert answer.headers["vary"] == "Accept"
    assert answer.headers["etag"].strip('"') == url.rpartition("=")[2]


def test_openapi_without_a_hash_is_not_kept(http: Http) -> None:
    answer = http.get("/openapi/v3/api/v1")
    answer.expect(200)
    assert "immutable" not in answer.headers.get("cache-control", "")
    again = http.request("GET", "/openapi/v3/api/v1", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status, again.body) == (304, b"")


def test_openapi_with_an_old_hash_leads_to_the_new(http: Http) -> None:
    url = openapi_paths(http)["api/v1"]["serverRelativeURL"]
    answer = http.get("/openapi/v3/api/v1", hash="0" * 32)
    assert answer.status == 301
    assert answer.headers["location"] == url


def test_patch_operations_say_what_they_take(http: Http) -> None:
    document = http.get("/openapi/v3/api/v1").expect(200)
    patch = document["paths"]["/api/v1/namespaces/{namespace}/configmaps/{name}"]["patch"]
    assert patch["x-kubernetes-group-version-kind"] == {"group": "", "version": "v1", "kind": "ConfigMap"}
    assert patch["x-kubernetes-action"] == "patch"
    assert {"dryRun", "fieldManager", "fieldValidation", "force"} <= {one["name"] for one in patch["parameters"]}
    assert set(patch["requestBody"]["content"]) >= {
        "application/json-patch+json", "application/merge-patch+json", "application/strategic-merge-patch+json",
        "application/apply-patch+yaml",
    }  # fmt: skip


def test_custom_kinds_are_published(http: Http, crd: Crds) -> None:
    spec = {"type": "object", "properties": {"size": {"type": "integer", "description": "How large it is."}}}
    widgets = crd({"type": "object", "properties": {"spec": spec}})
    gvk = {"group": GROUP, "version": "v1", "kind": widgets.kind}

    def published() -> Obj | None:
        answer = http.get(f"/openapi/v3/apis/{GROUP}/v1")
        document = answer.json if answer.status == 200 else None  # `null` where a group has just lost its last kind
        schemas = document["components"]["schemas"] if document else {}
        return next((s for s in schemas.values() if gvk in s.get("x-kubernetes-group-version-kind", ())), None)

    schema = eventually(published, "the kind published")
    assert schema["properties"]["spec"]["properties"]["size"]["description"] == "How large it is."
    http.delete(widgets.definition).expect(200)
    eventually(lambda: published() is None, "the kind withdrawn")
