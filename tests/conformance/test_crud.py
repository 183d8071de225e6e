"""Create, get, update and delete, in the words of the real server."""

import re
import uuid
from typing import Any

import pytest
from tests.conformance.conftest import Crds, Http, causes, configmap, configmaps, obj_of

Obj = dict[str, Any]
SIZED = obj_of(spec=obj_of(size={"type": "integer"}))


def test_create_and_get(http: Http, namespace: str) -> None:
    made = http.post(configmaps(namespace), configmap("a", {"k": "v"}, labels={"app": "x"})).expect(201)
    meta = made["metadata"]
    assert (made["apiVersion"], made["kind"], made["data"]) == ("v1", "ConfigMap", {"k": "v"})
    assert (meta["name"], meta["namespace"], meta["labels"]) == ("a", namespace, {"app": "x"})
    assert str(uuid.UUID(meta["uid"])) == meta["uid"]
    assert re.match(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$", meta["creationTimestamp"])
    assert meta["resourceVersion"].isdigit()
    assert "generation" not in meta
    answer = http.get(configmaps(namespace, "a"))
    assert answer.expect(200) == made
    assert answer.headers["content-type"] == "application/json"


def test_generate_name(http: Http, namespace: str) -> None:
    made = [http.post(configmaps(namespace), {"metadata": {"generateName": "a-"}}).expect(201) for _ in range(3)]
    names = [obj["metadata"]["name"] for obj in made]
    assert len(set(names)) == 3
    assert all(re.match(r"^a-[bcdfghjklmnpqrstvwxz2456789]{5}$", name) for name in names)
    assert made[0]["metadata"]["generateName"] == "a-"


def test_what_the_server_says_itself_is_not_taken(http: Http, namespace: str) -> None:
    body = configmap(
        "a", uid=str(uuid.uuid4()), creationTimestamp="2001-01-01T00:00:00Z", deletionTimestamp="2001-01-01T00:00:00Z"
    )
    meta = http.post(configmaps(namespace), body).expect(201)["metadata"]
    assert meta["uid"] != body["metadata"]["uid"]
    assert not meta["creationTimestamp"].startswith("2001")
    assert "deletionTimestamp" not in meta


def test_create_with_a_resource_version(http: Http, namespace: str) -> None:
    answer = http.post(configmaps(namespace), configmap("a", resourceVersion="1"))
    assert answer.status >= 400
    assert answer.json["message"] == "resourceVersion should not be set on objects to be created"


def test_namespaces_are_born_active(http: Http, namespace: str) -> None:
    found = http.get(f"/api/v1/namespaces/{namespace}").expect(200)
    assert found["spec"]["finalizers"] == ["kubernetes"]
    assert found["status"]["phase"] == "Active"
    assert found["metadata"]["labels"]["kubernetes.io/metadata.name"] == namespace


def test_already_exists(http: Http, namespace: str) -> None:
    http.post(configmaps(namespace), configmap("a")).expect(201)
    refused = http.post(configmaps(namespace), configmap("a")).fails(409, "AlreadyExists")
    assert refused["message"] == 'configmaps "a" already exists'
    assert refused["details"] == {"name": "a", "kind": "configmaps"}


def test_not_found(http: Http, namespace: str, crd: Crds) -> None:
    for answer in (
        http.get(configmaps(namespace, "a")),
        http.delete(configmaps(namespace, "a")),
        http.put(configmaps(namespace, "a"), configmap("a")),
        http.patch(configmaps(namespace, "a"), {"data": {}}),
    ):
        refused = answer.fails(404, "NotFound")
        assert refused["message"] == 'configmaps "a" not found'
        assert refused["details"] == {"name": "a", "kind": "configmaps"}
    widgets = crd()
    refused = http.get(widgets.path(namespace, "a")).fails(404, "NotFound")
    assert refused["message"] == f'{widgets.name} "a" not found'
    assert refused["details"] == {"name": "a", "group": widgets.group, "kind": widgets.plural}


def test_a_namespace_must_exist(http: Http) -> None:
    name = f"conformance-{uuid.uuid4().hex[:8]}"
    refused = http.post(configmaps(name), configmap("a")).fails(404, "NotFound")
    assert refused["message"] == f'namespaces "{name}" not found'
    assert http.get(configmaps(name)).expect(200)["items"] == []


def test_update(http: Http, namespace: str) -> None:
    made = http.post(configmaps(namespace), configmap("a", {"k": "v"})).expect(201)
    changed = http.put(configmaps(namespace, "a"), {**made, "data": {"k": "w"}}).expect(200)
    assert changed["data"] == {"k": "w"}
    assert changed["metadata"]["resourceVersion"] != made["metadata"]["resourceVersion"]
    assert changed["metadata"]["uid"] == made["metadata"]["uid"]
    assert changed["metadata"]["creationTimestamp"] == made["metadata"]["creationTimestamp"]


def test_a_write_that_changes_nothing_keeps_its_resource_version(http: Http, namespace: str) -> None:
    made = http.post(configmaps(namespace), configmap("a", {"k": "v"})).expect(201)
    assert http.put(configmaps(namespace, "a"), made).expect(200) == made
    assert http.patch(configmaps(namespace, "a"), {"data": {"k": "v"}}).expect(200) == made


def test_a_stale_update_is_a_conflict(http: Http, namespace: str) -> None:
    made = http.post(configmaps(namespace), configmap("a", {"k": "v"})).expect(201)
    http.put(configmaps(namespace, "a"), {**made, "data": {"k": "w"}}).expect(200)
    refused = http.put(configmaps(namespace, "a"), {**made, "data": {"k": "x"}}).fails(409, "Conflict")
    assert refused["message"] == (
        'Operation cannot be fulfilled on configmaps "a": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )
    assert refused["details"] == {"name": "a", "kind": "configmaps"}


def test_an_update_without_a_resource_version(http: Http, namespace: str, crd: Crds) -> None:
    """Goes through for most built-in kinds, never for custom ones."""
    http.post(configmaps(namespace), configmap("a", {"k": "v"})).expect(201)
    assert http.put(configmaps(namespace, "a"), configmap("a", {"k": "w"})).expect(200)["data"] == {"k": "w"}
    widgets = crd()
    http.post(widgets.path(namespace), widgets.obj("a")).expect(201)
    refused = http.put(widgets.path(namespace, "a"), widgets.obj("a", spec={"k": 1})).fails(422, "Invalid")
    assert "must be specified for an update" in causes(refused)["metadata.resourceVersion"]


def test_an_update_of_another_incarnation_is_a_conflict(http: Http, namespace: str) -> None:
    made = http.post(configmaps(namespace), configmap("a")).expect(201)
    other = str(uuid.uuid4())
    refused = http.put(configmaps(namespace, "a"), configmap("a", uid=other)).fails(409, "Conflict")
    words = f"Precondition failed: UID in precondition: {other}, UID in object meta: {made['metadata']['uid']}"
    assert words in refused["message"]


def test_an_update_may_create_a_lease(http: Http, namespace: str) -> None:
    path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/a"
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "a"},
        "spec": {"holderIdentity": "me"},
    }
    made = http.put(path, lease).expect(201)
    assert http.get(path).expect(200) == made


def test_generation_counts_changes_of_the_spec(http: Http, namespace: str, crd: Crds) -> None:
    widgets = crd(SIZED)
    made = http.post(widgets.path(namespace), widgets.obj("a", spec={"size": 1})).expect(201)
    assert made["metadata"]["generation"] == 1
    path = widgets.path(namespace, "a")
    labelled = http.patch(path, {"metadata": {"labels": {"a": "b"}}}).expect(200)
    assert labelled["metadata"]["generation"] == 1
    assert http.patch(path, {"spec": {"size": 2}}).expect(200)["metadata"]["generation"] == 2
    assert (
        http.patch(path, {"spec": {"size": 2}, "metadata": {"generation": 9}}).expect(200)["metadata"]["generation"]
        == 2
    )


def test_delete_says_what_it_deleted(http: Http, namespace: str, crd: Crds) -> None:
    made = http.post(configmaps(namespace), configmap("a")).expect(201)
    gone = http.delete(configmaps(namespace, "a")).expect(200)
    assert (gone["kind"], gone["apiVersion"], gone["status"]) == ("Status", "v1", "Success")
    assert gone["details"] == {"name": "a", "kind": "configmaps", "uid": made["metadata"]["uid"]}
    http.get(configmaps(namespace, "a")).fails(404, "NotFound")
    widgets = crd()
    made = http.post(widgets.path(namespace), widgets.obj("a")).expect(201)
    gone = http.delete(widgets.path(namespace, "a")).expect(200)
    uid = made["metadata"]["uid"]
    assert gone["details"] == {"name": "a", "group": widgets.group, "kind": widgets.plural, "uid": uid}


def test_delete_with_preconditions(http: Http, namespace: str) -> None:
    made = http.post(configmaps(namespace), configmap("a")).expect(201)
    uid, version = made["metadata"]["uid"], made["metadata"]["resourceVersion"]
    other = str(uuid.uuid4())
    refused = http.delete(configmaps(namespace, "a"), {"preconditions": {"uid": other}}).fails(409, "Conflict")
    assert f"the UID in the precondition ({other}) does not match the UID in record ({uid})" in refused["message"]
    refused = http.delete(configmaps(namespace, "a"), {"preconditions": {"resourceVersion": "1"}}).fails(
        409, "Conflict"
    )
    words = f"the ResourceVersion in the precondition (1) does not match the ResourceVersion in record ({version})"
    assert words in refused["message"]
    http.delete(configmaps(namespace, "a"), {"preconditions": {"uid": uid, "resourceVersion": version}}).expect(200)


def test_dry_run_leaves_no_trace(http: Http, namespace: str) -> None:
    path = configmaps(namespace, "a")
    tried = http.post(configmaps(namespace), configmap("a", {"k": "v"}), dryRun="All").expect(201)
    assert tried["metadata"]["uid"]
    assert "resourceVersion" not in tried["metadata"]
    http.get(path).fails(404, "NotFound")
    made = http.post(configmaps(namespace), configmap("a", {"k": "v"})).expect(201)
    http.post(configmaps(namespace), configmap("a"), dryRun="All").fails(409, "AlreadyExists")
    assert http.put(path, {**made, "data": {"k": "w"}}, dryRun="All").expect(200)["data"] == {"k": "w"}
    assert http.patch(path, {"data": {"k": "w"}}, dryRun="All").expect(200)["data"] == {"k": "w"}
    assert http.delete(path, dryRun="All").expect(200)["status"] == "Success"
    assert http.delete(path, {"dryRun": ["All"]}).expect(200)["status"] == "Success"
    assert http.get(path).expect(200) == made


@pytest.mark.parametrize("parameter", ["dryRun", "fieldValidation"])
def test_unknown_options_are_refused(http: Http, namespace: str, parameter: str) -> None:
    http.post(configmaps(namespace), configmap("a")).expect(201)
    for answer, kind in (
        (http.post(configmaps(namespace), configmap("b"), **{parameter: "Perhaps"}), "CreateOptions"),
        (http.put(configmaps(namespace, "a"), configmap("a"), **{parameter: "Perhaps"}), "UpdateOptions"),
        (http.patch(configmaps(namespace, "a"), {}, **{parameter: "Perhaps"}), "PatchOptions"),
    ):
        refused = answer.fails(422, "Invalid")
        assert (refused["details"]["group"], refused["details"]["kind"]) == ("meta.k8s.io", kind)
        assert causes(refused)[parameter].startswith("Unsupported value: ")


def test_methods_that_are_not_there(http: Http, namespace: str) -> None:
    http.put(configmaps(namespace), configmap("a")).fails(405, "MethodNotAllowed")
    http.post(configmaps(namespace, "a"), configmap("a")).fails(405, "MethodNotAllowed")
    http.delete("/api/v1/configmaps").fails(405, "MethodNotAllowed")


def test_a_patch_of_a_status_is_of_a_version_and_not_of_a_uid(http: Http, namespace: str, crd: Crds) -> None:
    widgets = crd(subresources={"status": {}})
    made = http.post(widgets.path(namespace), widgets.obj("a")).expect(201)
    path, other = widgets.path(namespace, "a", "status"), str(uuid.uuid4())
    http.patch(path, {"metadata": {"uid": other}, "status": {"phase": "one"}}).expect(200)
    stale = {"metadata": {"resourceVersion": made["metadata"]["resourceVersion"]}, "status": {"phase": "two"}}
    http.patch(path, stale).fails(409, "Conflict")
    told = http.apply(path, widgets.obj("a", metadata={"uid": other}, status={"phase": "three"}), force=True)
    assert told.expect(200)["metadata"]["uid"] == made["metadata"]["uid"]
    version = http.get(path).expect(200)["metadata"]["resourceVersion"]
    replaced = widgets.obj("a", metadata={"uid": other, "resourceVersion": version}, status={"phase": "four"})
    http.put(path, replaced).fails(409, "Conflict")
    assert http.get(path).expect(200)["status"] == {"phase": "three"}


@pytest.mark.parametrize("version", ["", "0"])
def test_a_patch_that_names_no_version(http: Http, namespace: str, crd: Crds, version: str) -> None:
    """Is refused of a custom kind, and changes whatever is there of most built-in ones."""
    widgets = crd()
    http.post(widgets.path(namespace), widgets.obj("a")).expect(201)
    patch = {"metadata": {"resourceVersion": version, "labels": {"a": "b"}}}
    refused = http.patch(widgets.path(namespace, "a"), patch).fails(422, "Invalid")
    assert causes(refused) == {"metadata.resourceVersion": "Invalid value: 0x0: must be specified for an update"}
    http.post(configmaps(namespace), configmap("a")).expect(201)
    assert http.patch(configmaps(namespace, "a"), patch).expect(200)["metadata"]["labels"] == {"a": "b"}


def test_a_new_object_has_no_version(http: Http, namespace: str) -> None:
    """One that can't be a version is passed over, and so is any in a dry run."""
    http.post(configmaps(namespace), configmap("a", resourceVersion="1"), dryRun="All").expect(201)
    assert http.post(configmaps(namespace), configmap("a", resourceVersion="1")).status in (400, 500)
    for version in ("0", "x"):
        made = http.post(configmaps(namespace), configmap(f"a{version}", resourceVersion=version)).expect(201)
        assert made["metadata"]["resourceVersion"] != version


def test_what_lasts_of_metadata(http: Http, namespace: str) -> None:
    http.post(configmaps(namespace), configmap("a")).expect(201)
    for field, value in (("uid", str(uuid.uuid4())), ("deletionGracePeriodSeconds", 5)):
        refused = http.patch(configmaps(namespace, "a"), {"metadata": {field: value}}).fails(422, "Invalid")
        assert causes(refused)[f"metadata.{field}"].endswith(": field is immutable")
        config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", field: value}}
        refused = http.apply(configmaps(namespace, "a"), config).fails(422, "Invalid")
        assert causes(refused)[f"metadata.{field}"].endswith(": field is immutable")
