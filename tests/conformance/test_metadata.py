"""Metadata of wrong types, of what is there twice, and of other names and namespaces."""

from typing import Any

import pytest
from tests.conformance.conftest import JSON_PATCH, Crds, Http, causes, configmap, configmaps, obj_of

Obj = dict[str, Any]

OWNER = {"apiVersion": "conformance.example.com/v1", "kind": "Nothing", "name": "a", "uid": "u"}
TWICE = ".metadata.ownerReferences contains duplicate entries"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("creationTimestamp", "no"),
        ("creationTimestamp", ""),
        ("creationTimestamp", 1),
        ("deletionTimestamp", {}),
        ("deletionGracePeriodSeconds", "x"),
        ("generation", "x"),
        ("generation", 1.5),
        ("labels", {"a": 1}),
        ("annotations", []),
        ("finalizers", "x"),
        ("finalizers", [1]),
        ("ownerReferences", {}),
        ("ownerReferences", [1]),
        ("ownerReferences", [{**OWNER, "controller": "yes"}]),
        ("ownerReferences", [{**OWNER, "blockOwnerDeletion": 1}]),
        ("ownerReferences", [{**OWNER, "uid": 1}]),
        ("managedFields", [1]),
        ("managedFields", [{"manager": 1}]),
        ("managedFields", [{"time": "no"}]),
    ],
)
def test_metadata_of_wrong_types(http: Http, namespace: str, field: str, value: Any) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", field: value}}
    http.post(configmaps(namespace), body).fails(400, "BadRequest")
    before = http.post(configmaps(namespace), configmap("a")).expect(201)
    path = configmaps(namespace, "a")
    http.put(path, body).fails(400, "BadRequest")
    http.patch(path, {"metadata": {field: value}}).fails(422, "Invalid")
    http.patch(path, [{"op": "add", "path": f"/metadata/{field}", "value": value}], JSON_PATCH).fails(422, "Invalid")
    assert http.get(path).expect(200) == before


def test_metadata_of_wrong_types_in_a_patch_of_a_subresource(http: Http, namespace: str, crd: Crds) -> None:
    widgets = crd(subresources={"status": {}})
    http.post(widgets.path(namespace), widgets.obj("a")).expect(201)
    patch = {"metadata": {"ownerReferences": [{**OWNER, "controller": "yes"}]}, "status": {"phase": "x"}}
    http.patch(widgets.path(namespace, "a", "status"), patch).fails(422, "Invalid")


def test_an_owner_that_is_named_twice_is_kept_once(http: Http, namespace: str) -> None:
    other = {**OWNER, "name": "b"}
    answer = http.post(configmaps(namespace), configmap("a", ownerReferences=[OWNER, OWNER, other]))
    assert answer.expect(201)["metadata"]["ownerReferences"] == [OWNER, other]
    (warning,) = answer.warnings
    assert warning.startswith(TWICE) and warning.endswith("duplicate UID(s) observed: u")
    answer = http.patch(configmaps(namespace, "a"), {"metadata": {"ownerReferences": [OWNER, OWNER]}})
    assert answer.expect(200)["metadata"]["ownerReferences"] == [OWNER]
    assert answer.warnings[0].startswith(TWICE)


def test_a_finalizer_that_is_named_twice_is_kept_twice(http: Http, namespace: str) -> None:
    twice = ["example.com/a", "example.com/a"]
    made = http.post(configmaps(namespace), configmap("a", finalizers=twice)).expect(201)
    assert made["metadata"]["finalizers"] == twice
    http.patch(configmaps(namespace, "a"), {"metadata": {"finalizers": None}}).expect(200)


def test_finalizers_without_a_domain(http: Http, namespace: str, crd: Crds) -> None:
    """Built-in kinds refuse them, custom ones warn of those that are new."""
    why = 'Invalid value: "foo": name is neither a standard finalizer name nor is it fully qualified'
    refused = http.post(configmaps(namespace), configmap("a", finalizers=["foo"])).fails(422, "Invalid")
    assert causes(refused) == {"metadata.finalizers[0]": why}
    widgets = crd()
    warning = "prefer a domain-qualified finalizer name to avoid accidental conflicts with other finalizer writers"
    answer = http.post(widgets.path(namespace), widgets.obj("a", metadata={"finalizers": ["foo"]}))
    answer.expect(201)
    assert answer.warnings == [f'metadata.finalizers: "foo": {warning}']
    path = widgets.path(namespace, "a")
    assert http.patch(path, {"metadata": {"labels": {"a": "b"}}}).warnings == []
    assert http.patch(path, {"metadata": {"finalizers": None}}).warnings == []


@pytest.mark.parametrize(
    ("wrong", "field", "message"),
    [
        ({"name": ""}, "name", 'Invalid value: "": name must not be empty'),
        ({"uid": None}, "uid", 'Invalid value: "": uid must not be empty'),
        ({"kind": ""}, "kind", 'Invalid value: "": kind must not be empty'),
        ({"apiVersion": "a/b/c"}, "apiVersion", 'Invalid value: "a/b/c": version must not be empty'),
        ({"apiVersion": "v1/"}, "apiVersion", 'Invalid value: "v1/": version must not be empty'),
    ],
)
def test_owners_that_name_nothing(http: Http, namespace: str, wrong: Obj, field: str, message: str) -> None:
    refused = http.post(configmaps(namespace), configmap("a", ownerReferences=[{**OWNER, **wrong}]))
    assert causes(refused.fails(422, "Invalid")) == {f"metadata.ownerReferences.{field}": message}


def test_a_namespace_of_what_lies_in_none_is_dropped(http: Http, crd: Crds) -> None:
    widgets = crd(scope="Cluster")
    body = widgets.obj("a", metadata={"namespace": "other"})
    assert "namespace" not in http.post(widgets.path(), body).expect(201)["metadata"]
    patched = http.patch(widgets.path(name="a"), {"metadata": {"namespace": "other", "labels": {"a": "b"}}})
    assert "namespace" not in patched.expect(200)["metadata"]
    assert "namespace" not in http.apply(widgets.path(name="a"), body).expect(200)["metadata"]


def test_a_write_names_its_object(http: Http, namespace: str, crd: Crds) -> None:
    widgets = crd(subresources={"status": {}})
    http.post(widgets.path(namespace), widgets.obj("a")).expect(201)
    http.post(configmaps(namespace), configmap("a")).expect(201)
    why = "the name of the object (a based on URL) was undeterminable: name must be provided"
    for path in (configmaps(namespace, "a"), widgets.path(namespace, "a"), widgets.path(namespace, "a", "status")):
        assert http.patch(path, {"metadata": None}).fails(400, "BadRequest")["message"] == why
        remove = [{"op": "remove", "path": "/metadata/name"}]
        assert http.patch(path, remove, JSON_PATCH).fails(400, "BadRequest")["message"] == why
    nameless: Obj = {"apiVersion": "v1", "kind": "ConfigMap"}
    assert http.put(configmaps(namespace, "a"), nameless).fails(400, "BadRequest")["message"] == why
    http.apply(configmaps(namespace, "a"), nameless).expect(200)
    nameless["metadata"] = {"name": ""}
    assert http.apply(configmaps(namespace, "a"), nameless).fails(400, "BadRequest")["message"] == why


def test_generate_name_begins_a_name(http: Http, namespace: str, crd: Crds) -> None:
    widgets = crd()
    for path, obj in ((configmaps(namespace), configmap("a")), (widgets.path(namespace), widgets.obj("a"))):
        made = {**obj, "metadata": {"name": "a", "generateName": "A_"}}
        assert "metadata.generateName" in causes(http.post(path, made).fails(422, "Invalid"))
        http.post(path, {**obj, "metadata": {"generateName": "a-"}}, dryRun="All").expect(201)


def test_a_grace_period_of_zero_is_one(http: Http, namespace: str) -> None:
    http.post(configmaps(namespace), configmap("a")).expect(201)
    refused = http.patch(configmaps(namespace, "a"), {"metadata": {"deletionGracePeriodSeconds": 0}})
    assert "metadata.deletionGracePeriodSeconds" in causes(refused.fails(422, "Invalid"))


def test_a_refusal_warns_too(http: Http, namespace: str, crd: Crds) -> None:
    widgets = crd(obj_of(spec=obj_of(size={"type": "integer"}, list={"type": "string"})))
    wrong = widgets.obj("a", spec={"size": "x", "more": 1, "list": [{"b": 1}]})
    refused = http.post(widgets.path(namespace), wrong)
    assert "spec.size" in causes(refused.fails(422, "Invalid"))
    assert refused.warnings == ['unknown field "spec.list[0].b"', 'unknown field "spec.more"']


def test_what_holds_a_namespace_is_written_by_finalize_alone(http: Http, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}"
    assert http.patch(path, {"spec": {"finalizers": []}}).expect(200)["spec"] == {"finalizers": ["kubernetes"]}


def test_secrets_of_a_service_account_are_names(http: Http, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    obj = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "a"}}
    made = http.post(path, {**obj, "secrets": [{"name": "s", "namespace": "other", "kind": "Secret"}]}).expect(201)
    assert made["secrets"] == [{"name": "s"}]


@pytest.mark.parametrize(
    ("part", "field"),
    [
        ({"endpoints": [{"addresses": ["10.0.0.1"], "hostname": "A_"}]}, "endpoints[0].hostname"),
        ({"ports": [{"name": "a", "port": 1}, {"name": "a", "port": 2}]}, "ports[1].name"),
    ],
)
def test_endpoint_slices(http: Http, namespace: str, part: Obj, field: str) -> None:
    path = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
    obj = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "a"},
        "addressType": "IPv4",
    }
    assert http.post(path, obj).expect(201)["metadata"]["generation"] == 1
    assert causes(http.patch(f"{path}/a", part).fails(422, "Invalid")).keys() == {field}
