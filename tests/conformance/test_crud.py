"""Create, get, update and delete, in the words of the real server."""

import re
import uuid
from typing import Any

import pytest
from tests.conformance.conftest import Crds, Http, causes, configmap, configmaps, obj_of

Obj = dict[str, Any]
SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
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


def test_field_validation_of_built_in_kinds(http: Http, namespace: str) -> None:
    body = {**configmap("a", {"k": "v"}), "extra": 1}
    warned = http.post(configmaps(namespace), body)
    assert "extra" not in warned.expect(201)
    assert warned.warnings == ['unknown field "extra"']
    http.delete(configmaps(namespace, "a")).expect(200)
    quiet = http.post(configmaps(namespace), body, fieldValidation="Ignore")
    quiet.expect(201)
    assert quiet.warnings == []
    refused = http.post(configmaps(namespace), {**body, "metadata": {"name": "b"}}, fieldValidation="Strict")
    words = 'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field "extra"'
    assert refused.fails(400, "BadRequest")["message"] == words


def test_field_validation_of_custom_kinds(http: Http, namespace: str, crd: Crds) -> None:
    widgets = crd(
        obj_of(
            spec=obj_of(size={"type": "integer"}, ports={"type": "array", "items": obj_of(port={"type": "integer"})})
        )
    )
    body = widgets.obj("a", spec={"size": 1, "wide": 2, "ports": [{"port": 1, "host": "x"}]})
    warned = http.post(widgets.path(namespace), body, fieldValidation="Warn")
    assert warned.expect(201)["spec"] == {"size": 1, "ports": [{"port": 1}]}
    assert sorted(warned.warnings) == ['unknown field "spec.ports[0].host"', 'unknown field "spec.wide"']
    refused = http.post(widgets.path(namespace), {**body, "metadata": {"name": "b"}}, fieldValidation="Strict")
    message = refused.fails(400, "BadRequest")["message"]
    assert "strict decoding error: " in message
    assert 'unknown field "spec.wide"' in message
    refused = http.patch(widgets.path(namespace, "a"), {"spec": {"wide": 2}}, fieldValidation="Strict")
    assert 'strict decoding error: unknown field "spec.wide"' in causes(refused.fails(422, "Invalid"))["patch"]


def test_duplicate_fields_are_told(http: Http, namespace: str) -> None:
    body = (
        '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "v"}, "data": {"k": "w"}}'
    )
    json = {"Content-Type": "application/json"}
    warned = http.request("POST", configmaps(namespace), body, headers=json)
    assert warned.expect(201)["data"] == {"k": "w"}
    assert warned.warnings == ['duplicate field "data"']
    refused = http.request("POST", configmaps(namespace), body, headers=json, query={"fieldValidation": "Strict"})
    assert 'strict decoding error: duplicate field "data"' in refused.fails(400, "BadRequest")["message"]


def test_a_body_without_a_content_type_is_json(http: Http, namespace: str) -> None:
    body = '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}'
    assert http.request("POST", configmaps(namespace), body).expect(201)["metadata"]["name"] == "a"


def test_yaml_is_taken(http: Http, namespace: str) -> None:
    body = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {k: v}\n"
    made = http.request("POST", configmaps(namespace), body, headers={"Content-Type": "application/yaml"})
    assert made.expect(201)["data"] == {"k": "v"}


def test_unknown_media(http: Http, namespace: str) -> None:
    answer = http.request("POST", configmaps(namespace), "<a/>", headers={"Content-Type": "application/xml"})
    message = answer.fails(415, "UnsupportedMediaType")["message"]
    assert message.startswith("the body of the request was in an unknown format - accepted media types include: ")
    assert "application/json, application/yaml" in message
    refused = http.get(configmaps(namespace), accept="application/xml").fails(406, "NotAcceptable")
    assert refused["message"].startswith("only the following media types are accepted: application/json")


@pytest.mark.parametrize("body", ["{", "[]", '"a"', "", '{"metadata": {"name": "a"}', "{'a': 1}"])
def test_malformed_bodies(http: Http, namespace: str, body: str) -> None:
    answer = http.request("POST", configmaps(namespace), body, headers={"Content-Type": "application/json"})
    answer.fails(400, "BadRequest")


@pytest.mark.parametrize("data", [5, ["a"], {"k": 1}, {"k": {"a": "b"}}])
def test_built_in_fields_of_another_type(http: Http, namespace: str, data: Any) -> None:
    refused = http.post(configmaps(namespace), {**configmap("a"), "data": data}).fails(400, "BadRequest")
    assert 'ConfigMap in version "v1" cannot be handled as a ConfigMap: ' in refused["message"]


def test_bodies_that_are_too_large(http: Http, namespace: str) -> None:
    body = configmap("a", {"k": "x" * (4 << 20)})
    http.post(configmaps(namespace), body).fails(413, "RequestEntityTooLarge")
    refused = http.post(configmaps(namespace), configmap("a", {"k": "x" * (1_100_000)})).fails(422, "Invalid")
    assert refused["details"]["causes"][0]["reason"] == "FieldValueTooLong"


def test_a_body_of_another_built_in_kind(http: Http, namespace: str) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}}
    refused = http.post(configmaps(namespace), secret).fails(400, "BadRequest")
    assert 'Secret in version "v1" cannot be handled as a ConfigMap' in refused["message"]
    later = {**configmap("a"), "apiVersion": "v2"}
    refused = http.post(configmaps(namespace), later).fails(400, "BadRequest")
    assert 'ConfigMap in version "v2" cannot be handled as a ConfigMap' in refused["message"]


def test_a_body_of_another_custom_kind(http: Http, namespace: str, crd: Crds) -> None:
    widgets = crd()
    later = widgets.obj("a", version="v9")
    refused = http.post(widgets.path(namespace), later).fails(400, "BadRequest")
    assert refused["message"] == (
        f"the API version in the data ({widgets.group}/v9) does not match the expected API version ({widgets.api_version})"
    )
    other = {**widgets.obj("a"), "kind": "Gadget"}
    refused = http.post(widgets.path(namespace), other).fails(422, "Invalid")
    assert causes(refused) == {"kind": f'Invalid value: "Gadget": must be {widgets.kind}'}


def test_another_name_in_the_body(http: Http, namespace: str) -> None:
    http.post(configmaps(namespace), configmap("a")).expect(201)
    refused = http.put(configmaps(namespace, "a"), configmap("b")).fails(400, "BadRequest")
    assert refused["message"] == "the name of the object (b) does not match the name on the URL (a)"
    refused = http.post(configmaps(namespace), configmap("b", namespace="default")).fails(400, "BadRequest")
    words = "the namespace of the provided object does not match the namespace sent on the request"
    assert refused["message"] == words
    http.put(configmaps(namespace, "a"), configmap("a", namespace="default")).fails(400, "BadRequest")


def test_names(http: Http, namespace: str) -> None:
    refused = http.post(configmaps(namespace), configmap("Bad_Name")).fails(422, "Invalid")
    assert refused["message"].startswith('ConfigMap "Bad_Name" is invalid: metadata.name: Invalid value: "Bad_Name": ')
    assert refused["details"]["kind"] == "ConfigMap"
    assert causes(refused)["metadata.name"] == f'Invalid value: "Bad_Name": {SUBDOMAIN}'
    assert refused["details"]["causes"][0]["reason"] == "FieldValueInvalid"
    refused = http.post("/api/v1/namespaces", {"metadata": {"name": "a.b"}}).fails(422, "Invalid")
    assert causes(refused)["metadata.name"] == f'Invalid value: "a.b": {LABEL}'
    refused = http.post(configmaps(namespace), configmap("")).fails(422, "Invalid")
    assert causes(refused)["metadata.name"] == "Required value: name or generateName is required"
    refused = http.post(configmaps(namespace), configmap("a" * 254)).fails(422, "Invalid")
    assert "must be no more than 253 " in causes(refused)["metadata.name"]


def test_labels_and_annotations(http: Http, namespace: str) -> None:
    refused = http.post(configmaps(namespace), configmap("a", labels={"app": "not so"})).fails(422, "Invalid")
    words = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.'"
    assert causes(refused)["metadata.labels"].startswith(f'Invalid value: "not so": {words}')
    refused = http.post(configmaps(namespace), configmap("a", labels={"a/b/c": "d"})).fails(422, "Invalid")
    words = "a qualified name must consist of alphanumeric characters, '-', '_' or '.'"
    assert causes(refused)["metadata.labels"].startswith(f'Invalid value: "a/b/c": {words}')
    refused = http.post(configmaps(namespace), configmap("a", annotations={"a": "x" * 300_000})).fails(422, "Invalid")
    assert causes(refused)["metadata.annotations"].startswith("Too long: ")


def test_owner_references(http: Http, namespace: str) -> None:
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "", "uid": "u"}
    refused = http.post(configmaps(namespace), configmap("a", ownerReferences=[owner])).fails(422, "Invalid")
    assert causes(refused) == {"metadata.ownerReferences[0].name": "Required value: must not be empty"}
    owners = [{**owner, "name": name, "uid": name, "controller": True} for name in ("b", "c")]
    refused = http.post(configmaps(namespace), configmap("a", ownerReferences=owners)).fails(422, "Invalid")
    assert "Only one reference can have Controller set to true" in causes(refused)["metadata.ownerReferences"]


def test_secrets(http: Http, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/secrets"
    made = http.post(path, {"metadata": {"name": "a"}, "stringData": {"k": "v"}, "data": {"l": "dw=="}}).expect(201)
    assert (made["type"], made["data"]) == ("Opaque", {"k": "dg==", "l": "dw=="})
    assert "stringData" not in made
    refused = http.patch(f"{path}/a", {"type": "example.com/other"}).fails(422, "Invalid")
    assert causes(refused)["type"] == 'Invalid value: "example.com/other": field is immutable'
    refused = http.post(path, {"metadata": {"name": "b"}, "data": {"not so": ""}}).fails(422, "Invalid")
    assert causes(refused)["data[not so]"].startswith('Invalid value: "not so": a valid config key must consist of ')
    http.post(path, {"metadata": {"name": "b"}, "data": {"k": "%"}}).fails(400, "BadRequest")


def test_immutable_config_maps(http: Http, namespace: str) -> None:
    http.post(configmaps(namespace), {**configmap("a", {"k": "v"}), "immutable": True}).expect(201)
    refused = http.patch(configmaps(namespace, "a"), {"data": {"k": "w"}}).fails(422, "Invalid")
    assert causes(refused)["data"] == "Forbidden: field is immutable when `immutable` is set"
    refused = http.patch(configmaps(namespace, "a"), {"immutable": False}).fails(422, "Invalid")
    assert causes(refused)["immutable"] == "Forbidden: field is immutable when `immutable` is set"
    http.patch(configmaps(namespace, "a"), {"metadata": {"labels": {"a": "b"}}}).expect(200)


def test_methods_that_are_not_there(http: Http, namespace: str) -> None:
    http.put(configmaps(namespace), configmap("a")).fails(405, "MethodNotAllowed")
    http.post(configmaps(namespace, "a"), configmap("a")).fails(405, "MethodNotAllowed")
    http.delete("/api/v1/configmaps").fails(405, "MethodNotAllowed")
