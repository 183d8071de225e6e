"""What deletion takes with it, and what holds it up."""

from functools import partial
from typing import Any

import pytest
from tests.conformance.conftest import (
    JSON_PATCH,
    SECONDS,
    Crds,
    Http,
    Watching,
    causes,
    condition,
    configmap,
    configmaps,
    gone,
)
from tests.conftest import eventually

Obj = dict[str, Any]
HOLD = "conformance.example.com/hold"
# Kubernetes' garbage collector looks for new kinds each 30 s, and asks ever more seldom, up to as long again, after an
# owner whose kind it does not know.
UNTIL_KINDS_ARE_KNOWN = 120.0


def owned(http: Http, namespace: str, name: str, owner: Obj, *, blocks: bool = False, **metadata: Any) -> Obj:
    """A ConfigMap that belongs to another."""
    reference = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
    }
    body = configmap(name, ownerReferences=[{**reference, "blockOwnerDeletion": blocks}], **metadata)
    made: Obj = http.post(configmaps(namespace), body).expect(201)
    return made


def release(http: Http, path: str) -> None:
    http.patch(path, [{"op": "remove", "path": "/metadata/finalizers"}], JSON_PATCH).expect(200)


@pytest.fixture
def owner(http: Http, namespace: str) -> Obj:
    """A ConfigMap named owner."""
    made: Obj = http.post(configmaps(namespace), configmap("owner")).expect(201)
    return made


def test_finalizers_hold_an_object(http: Http, namespace: str, watch: Watching) -> None:
    path = configmaps(namespace, "a")
    made = http.post(configmaps(namespace), configmap("a", finalizers=[HOLD])).expect(201)
    events = watch(configmaps(namespace), resourceVersion=made["metadata"]["resourceVersion"])
    marked = http.delete(path).expect(200)
    assert (marked["kind"], marked["metadata"]["finalizers"]) == ("ConfigMap", [HOLD])
    assert marked["metadata"]["deletionTimestamp"]
    assert marked["metadata"]["deletionGracePeriodSeconds"] == 0
    assert http.get(path).expect(200) == marked
    assert events.until("MODIFIED", "a")["metadata"]["deletionTimestamp"]
    http.post(configmaps(namespace), configmap("a")).fails(409, "AlreadyExists")
    again = http.delete(path).expect(200)
    assert again["metadata"]["deletionTimestamp"] == marked["metadata"]["deletionTimestamp"]
    release(http, path)
    http.get(path).fails(404, "NotFound")
    assert events.until("DELETED", "a")


def test_deletion_bumps_the_generation(http: Http, namespace: str, crd: Crds) -> None:
    widgets = crd()
    http.post(widgets.path(namespace), widgets.obj("a", metadata={"finalizers": [HOLD]})).expect(201)
    assert http.delete(widgets.path(namespace, "a")).expect(200)["metadata"]["generation"] == 2
    release(http, widgets.path(namespace, "a"))


def test_no_finalizer_joins_a_deletion(http: Http, namespace: str) -> None:
    path = configmaps(namespace, "a")
    http.post(configmaps(namespace), configmap("a", finalizers=[HOLD])).expect(201)
    http.delete(path).expect(200)
    refused = http.patch(path, {"metadata": {"finalizers": [HOLD, "example.com/more"]}}).fails(422, "Invalid")
    assert causes(refused)["metadata.finalizers"] == (
        "Forbidden: no new finalizers can be added if the object is being deleted, "
        'found new finalizers []string{"example.com/more"}'
    )
    assert http.patch(path, {"data": {"k": "v"}}).expect(200)["data"] == {"k": "v"}
    release(http, path)


@pytest.mark.parametrize("policy", ["", "Background"])
def test_background(http: Http, namespace: str, owner: Obj, controllers: None, policy: str) -> None:
    owned(http, namespace, "below", owner)
    query = {"propagationPolicy": policy} if policy else {}
    assert http.delete(configmaps(namespace, "owner"), **query).expect(200)["status"] == "Success"
    assert gone(http, configmaps(namespace, "owner"))
    eventually(lambda: gone(http, configmaps(namespace, "below")), "the dependent gone", SECONDS)


def test_foreground(http: Http, namespace: str, owner: Obj, controllers: None) -> None:
    owned(http, namespace, "below", owner, blocks=True, finalizers=[HOLD])
    marked = http.delete(configmaps(namespace, "owner"), {"propagationPolicy": "Foreground"}).expect(200)
    assert marked["metadata"]["finalizers"] == ["foregroundDeletion"]
    assert marked["metadata"]["deletionTimestamp"]

    def below() -> Any:
        return http.get(configmaps(namespace, "below")).expect(200)["metadata"].get("deletionTimestamp")

    eventually(below, "the dependent on its way", SECONDS)
    assert http.get(configmaps(namespace, "owner")).expect(200)["metadata"]["deletionTimestamp"]
    release(http, configmaps(namespace, "below"))
    eventually(lambda: gone(http, configmaps(namespace, "owner")), "the owner gone", SECONDS)


def test_orphan(http: Http, namespace: str, owner: Obj, controllers: None) -> None:
    owned(http, namespace, "below", owner)
    marked = http.delete(configmaps(namespace, "owner"), propagationPolicy="Orphan").expect(200)
    assert marked["metadata"]["finalizers"] == ["orphan"]
    eventually(lambda: gone(http, configmaps(namespace, "owner")), "the owner gone", SECONDS)
    assert "ownerReferences" not in http.get(configmaps(namespace, "below")).expect(200)["metadata"]


def test_another_owner_keeps_an_object(http: Http, namespace: str, owner: Obj, controllers: None) -> None:
    other = http.post(configmaps(namespace), configmap("other")).expect(201)
    below = owned(http, namespace, "below", owner)
    second = {"apiVersion": "v1", "kind": "ConfigMap", "name": "other", "uid": other["metadata"]["uid"]}
    owners = [*below["metadata"]["ownerReferences"], second]
    http.patch(configmaps(namespace, "below"), {"metadata": {"ownerReferences": owners}}).expect(200)
    http.delete(configmaps(namespace, "owner")).expect(200)

    def left() -> list[str]:
        found = http.get(configmaps(namespace, "below")).expect(200)["metadata"]["ownerReferences"]
        return [one["name"] for one in found]

    eventually(lambda: left() == ["other"], "the dangling reference removed", SECONDS)
    http.delete(configmaps(namespace, "other")).expect(200)
    eventually(lambda: gone(http, configmaps(namespace, "below")), "the dependent gone", SECONDS)


def test_an_owner_of_another_uid_is_none(http: Http, namespace: str, owner: Obj, controllers: None) -> None:
    stranger = {"metadata": {"name": "owner", "uid": "00000000-0000-4000-8000-000000000000"}}
    owned(http, namespace, "below", stranger)
    eventually(lambda: gone(http, configmaps(namespace, "below")), "the dependent gone", SECONDS)


def test_chains_of_custom_objects(http: Http, namespace: str, crd: Crds, controllers: None) -> None:
    widgets = crd()
    top = http.post(widgets.path(namespace), widgets.obj("top")).expect(201)
    reference = {"apiVersion": widgets.api_version, "kind": widgets.kind, "name": "top", "uid": top["metadata"]["uid"]}
    middle = http.post(configmaps(namespace), configmap("middle", ownerReferences=[reference])).expect(201)
    owned(http, namespace, "end", middle)
    http.delete(widgets.path(namespace, "top")).expect(200)
    for name in ("middle", "end"):
        path = configmaps(namespace, name)
        eventually(partial(gone, http, path), f"{name} gone", UNTIL_KINDS_ARE_KNOWN)


def test_propagation_policies_that_are_none(http: Http, namespace: str, owner: Obj) -> None:
    for answer in (
        http.delete(configmaps(namespace, "owner"), propagationPolicy="Sideways"),
        http.delete(configmaps(namespace, "owner"), {"propagationPolicy": "Sideways"}),
    ):
        refused = answer.fails(422, "Invalid")
        assert (refused["details"]["group"], refused["details"]["kind"]) == ("meta.k8s.io", "DeleteOptions")
        assert causes(refused)["propagationPolicy"] == (
            'Unsupported value: "Sideways": supported values: "Foreground", "Background", "Orphan", "nil"'
        )
    both = {"propagationPolicy": "Orphan", "orphanDependents": True}
    assert "propagationPolicy" in causes(http.delete(configmaps(namespace, "owner"), both).fails(422, "Invalid"))
    assert http.delete(configmaps(namespace, "owner"), "{").status in (400, 500)  # the real server fails at it
    assert not gone(http, configmaps(namespace, "owner"))


def test_delete_collection(http: Http, namespace: str) -> None:
    for name, app in (("a", "x"), ("b", "x"), ("c", "y")):
        http.post(configmaps(namespace), configmap(name, labels={"app": app})).expect(201)
    tried = http.delete(configmaps(namespace), labelSelector="app=x", dryRun="All").expect(200)
    assert tried["kind"] == "ConfigMapList"
    assert not gone(http, configmaps(namespace, "a"))
    taken = http.delete(configmaps(namespace), labelSelector="app=x").expect(200)
    assert sorted(item["metadata"]["name"] for item in taken["items"]) == ["a", "b"]
    assert [gone(http, configmaps(namespace, name)) for name in "abc"] == [True, True, False]
    http.delete(configmaps(namespace), fieldSelector="metadata.name=c").expect(200)
    assert gone(http, configmaps(namespace, "c"))


def test_delete_collection_marks_what_is_held(http: Http, namespace: str, crd: Crds) -> None:
    widgets = crd()
    for name, finalizers in (("a", [HOLD]), ("b", [])):
        http.post(widgets.path(namespace), widgets.obj(name, metadata={"finalizers": finalizers})).expect(201)
    http.delete(widgets.path(namespace)).expect(200)
    assert gone(http, widgets.path(namespace, "b"))
    assert http.get(widgets.path(namespace, "a")).expect(200)["metadata"]["deletionTimestamp"]
    release(http, widgets.path(namespace, "a"))
    assert gone(http, widgets.path(namespace, "a"))


def is_marked(http: Http, path: str) -> bool:
    return "deletionTimestamp" in http.get(path).expect(200)["metadata"]


def test_namespaces_end_with_all_that_is_in_them(http: Http, crd: Crds, controllers: None) -> None:
    widgets = crd()
    namespace = http.post("/api/v1/namespaces", {"metadata": {"generateName": "conformance-"}}).expect(201)["metadata"][
        "name"
    ]
    path = f"/api/v1/namespaces/{namespace}"
    http.post(configmaps(namespace), configmap("a", finalizers=[HOLD])).expect(201)
    http.post(widgets.path(namespace), widgets.obj("b")).expect(201)
    marked = http.delete(path).expect(200)
    assert marked["kind"] == "Namespace"
    assert marked["status"]["phase"] == "Terminating"
    assert marked["metadata"]["deletionTimestamp"]
    refused = http.post(configmaps(namespace), configmap("late")).fails(403, "Forbidden")
    assert refused["message"] == (
        f'configmaps "late" is forbidden: unable to create new content in namespace {namespace} '
        "because it is being terminated"
    )
    (cause,) = refused["details"]["causes"]
    assert (cause["reason"], cause["field"]) == ("NamespaceTerminating", "metadata.namespace")
    assert cause["message"] == f"namespace {namespace} is being terminated"
    eventually(lambda: gone(http, widgets.path(namespace, "b")), "the contents gone", SECONDS)
    eventually(lambda: is_marked(http, configmaps(namespace, "a")), "what is held marked", SECONDS)  # in any order
    assert http.get(path).expect(200)["status"]["phase"] == "Terminating"
    release(http, configmaps(namespace, "a"))
    eventually(lambda: gone(http, path), "the namespace gone", SECONDS)


def test_held_namespaces_say_why(http: Http, controllers: None) -> None:
    namespace = http.post("/api/v1/namespaces", {"metadata": {"generateName": "conformance-"}}).expect(201)["metadata"][
        "name"
    ]
    path = f"/api/v1/namespaces/{namespace}"
    http.post(configmaps(namespace), configmap("a", finalizers=[HOLD])).expect(201)
    http.delete(path).expect(200)

    def held() -> bool:
        return condition(http.get(path).expect(200), "NamespaceFinalizersRemaining") == "True"

    try:
        eventually(held, "NamespaceFinalizersRemaining", SECONDS)
        found = http.get(path).expect(200)
        assert condition(found, "NamespaceContentRemaining") == "True"
        assert condition(found, "NamespaceDeletionContentFailure") == "False"
        told = {one["type"]: one["message"] for one in found["status"]["conditions"]}
        words = f"Some content in the namespace has finalizers remaining: {HOLD} in 1 resource instances"
        assert told["NamespaceFinalizersRemaining"] == words
        assert "configmaps. has 1 resource instances" in told["NamespaceContentRemaining"]
    finally:
        release(http, configmaps(namespace, "a"))
    eventually(lambda: gone(http, path), "the namespace gone", SECONDS)


def test_namespaces_may_be_finalized_by_hand(http: Http) -> None:
    """A finalizer of one's own in spec.finalizers holds a namespace until /finalize is written without it."""
    body = {"metadata": {"generateName": "conformance-"}, "spec": {"finalizers": ["example.com/mine"]}}
    namespace = http.post("/api/v1/namespaces", body).expect(201)["metadata"]["name"]
    path = f"/api/v1/namespaces/{namespace}"
    http.delete(path).expect(200)
    marked = http.get(path).expect(200)
    assert "example.com/mine" in marked["spec"]["finalizers"]
    by_hand = {"metadata": {"name": namespace}, "spec": {"finalizers": []}}  # its status may be written meanwhile
    http.put(f"{path}/finalize", by_hand).expect(200)
    eventually(lambda: gone(http, path), "the namespace gone", SECONDS)
