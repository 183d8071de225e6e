"""Server-side apply: who owns which field.

https://kubernetes.io/docs/reference/using-api/server-side-apply/
"""

import json
import uuid
from typing import Any

import pytest
from tests.conformance.conftest import APPLY, Crds, Http, Installed, causes, configmap, configmaps, obj_of

Obj = dict[str, Any]
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
PORT = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}, "port": {"type": "integer"}}}
LISTS = obj_of(
    spec=obj_of(
        ports={"type": "array", "items": PORT, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        tags={"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
        words={"type": "array", "items": {"type": "string"}},
        fixed={"type": "object", "additionalProperties": {"type": "string"}, "x-kubernetes-map-type": "atomic"},
        size={"type": "integer"},
    ),
    status=obj_of(ready={"type": "integer"}),
)


@pytest.fixture
def widgets(crd: Crds) -> Installed:
    """A kind with lists of every type, and a status subresource."""
    return crd(LISTS, subresources={"status": {}})


def entries(obj: Obj) -> dict[tuple[str, str, str], Obj]:
    """The fields of each manager, operation and subresource."""
    found = obj["metadata"].get("managedFields", [])
    return {(one["manager"], one["operation"], one.get("subresource", "")): one["fieldsV1"] for one in found}


def test_apply_creates_and_owns(http: Http, namespace: str) -> None:
    path = configmaps(namespace, "a")
    config = configmap("a", {"k": "v"}, labels={"app": "x"})
    made = http.apply(path, config, "one").expect(201)
    assert made["data"] == {"k": "v"}
    (entry,) = made["metadata"]["managedFields"]
    assert (entry["manager"], entry["operation"], entry["apiVersion"]) == ("one", "Apply", "v1")
    assert (entry["fieldsType"], entry["time"].endswith("Z")) == ("FieldsV1", True)
    assert entry["fieldsV1"] == {"f:data": {"f:k": {}}, "f:metadata": {"f:labels": {"f:app": {}}}}
    assert http.apply(path, config, "one").expect(200) == made


def test_other_writes_own_what_they_changed(http: Http, namespace: str) -> None:
    made = http.post(configmaps(namespace), configmap("a", {"k": "v"}), fieldManager="one").expect(201)
    assert entries(made) == {("one", "Update", ""): {"f:data": {".": {}, "f:k": {}}}}
    patched = http.patch(configmaps(namespace, "a"), {"data": {"l": "w"}}, fieldManager="two").expect(200)
    assert entries(patched)["two", "Update", ""] == {"f:data": {"f:l": {}}}
    patched = http.patch(configmaps(namespace, "a"), {"data": {"k": "x"}}, fieldManager="two").expect(200)
    assert entries(patched)["two", "Update", ""] == {"f:data": {"f:k": {}, "f:l": {}}}
    assert entries(patched)["one", "Update", ""] == {"f:data": {}}


def test_the_user_agent_is_a_manager(http: Http, namespace: str) -> None:
    headers = {"User-Agent": "robot/1.0 (linux)"}
    made = http.request("POST", configmaps(namespace), configmap("a", {"k": "v"}), headers=headers).expect(201)
    assert ("robot", "Update", "") in entries(made)


def test_yaml_is_taken(http: Http, namespace: str) -> None:
    config = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  k: v\n"
    assert http.apply(configmaps(namespace, "a"), config).expect(201)["data"] == {"k": "v"}


def test_conflicts(http: Http, namespace: str) -> None:
    path = configmaps(namespace, "a")
    http.apply(path, configmap("a", {"k": "v", "l": "w"}), "one").expect(201)
    refused = http.apply(path, configmap("a", {"k": "x"}), "two").fails(409, "Conflict")
    assert refused["message"] == 'Apply failed with 1 conflict: conflict with "one": .data.k'
    assert refused["details"]["causes"] == [
        {"reason": "FieldManagerConflict", "message": 'conflict with "one"', "field": ".data.k"}
    ]
    refused = http.apply(path, configmap("a", {"k": "x", "l": "y"}), "two").fails(409, "Conflict")
    assert refused["message"] == (
        'Apply failed with 2 conflicts: conflicts with "one":\n- .data.k\n- .data.l'
    )  # fmt: skip
    http.apply(path, configmap("a", {"k": "v"}), "two").expect(200)


def test_conflicts_with_other_writes(http: Http, namespace: str) -> None:
    http.post(configmaps(namespace), configmap("a", {"k": "v"}), fieldManager="one").expect(201)
    refused = http.apply(configmaps(namespace, "a"), configmap("a", {"k": "x"}), "two").fails(409, "Conflict")
    message = refused["details"]["causes"][0]["message"]
    assert message.startswith('conflict with "one" using v1')


def test_force_takes_fields_over(http: Http, namespace: str) -> None:
    path = configmaps(namespace, "a")
    http.apply(path, configmap("a", {"k": "v", "l": "w"}), "one").expect(201)
    forced = http.apply(path, configmap("a", {"k": "x"}), "two", force=True).expect(200)
    assert forced["data"] == {"k": "x", "l": "w"}
    assert entries(forced) == {
        ("one", "Apply", ""): {"f:data": {"f:l": {}}},
        ("two", "Apply", ""): {"f:data": {"f:k": {}}},
    }


def test_what_is_no_longer_applied_goes(http: Http, namespace: str) -> None:
    path = configmaps(namespace, "a")
    http.apply(path, configmap("a", {"k": "v", "l": "w"}), "one").expect(201)
    http.apply(path, configmap("a", {"l": "w", "m": "x"}), "two").expect(200)
    left = http.apply(path, configmap("a", {}), "one").expect(200)
    assert left["data"] == {"l": "w", "m": "x"}, "what another manager wants stays"
    left = http.apply(path, configmap("a", {"m": "x"}), "two").expect(200)
    assert left["data"] == {"m": "x"}


def test_what_others_wrote_stays(http: Http, namespace: str) -> None:
    path = configmaps(namespace, "a")
    http.apply(path, configmap("a", {"k": "v"}), "one").expect(201)
    http.patch(path, {"data": {"m": "x"}, "metadata": {"labels": {"a": "b"}}}, fieldManager="two").expect(200)
    applied = http.apply(path, configmap("a", {"k": "w"}), "one").expect(200)
    assert applied["data"] == {"k": "w", "m": "x"}
    assert applied["metadata"]["labels"] == {"a": "b"}


def test_list_maps_are_merged(http: Http, namespace: str, widgets: Installed) -> None:
    path = widgets.path(namespace, "a")
    http.apply(path, widgets.obj("a", spec={"ports": [{"name": "web", "port": 80}]}), "one").expect(201)
    applied = http.apply(path, widgets.obj("a", spec={"ports": [{"name": "ssh", "port": 22}]}), "two").expect(200)
    assert applied["spec"]["ports"] == [{"name": "web", "port": 80}, {"name": "ssh", "port": 22}]
    assert entries(applied)["two", "Apply", ""] == {
        "f:spec": {"f:ports": {'k:{"name":"ssh"}': {".": {}, "f:name": {}, "f:port": {}}}}
    }
    refused = http.apply(path, widgets.obj("a", spec={"ports": [{"name": "web", "port": 81}]}), "two")
    message = refused.fails(409, "Conflict")["message"]
    assert message == 'Apply failed with 1 conflict: conflict with "one": .spec.ports[name="web"].port'
    left = http.apply(path, widgets.obj("a", spec={"size": 1}), "two").expect(200)
    assert left["spec"]["ports"] == [{"name": "web", "port": 80}]


def test_sets_are_united(http: Http, namespace: str, widgets: Installed) -> None:
    path = widgets.path(namespace, "a")
    http.apply(path, widgets.obj("a", spec={"tags": ["x", "y"]}), "one").expect(201)
    applied = http.apply(path, widgets.obj("a", spec={"tags": ["y", "z"]}), "two").expect(200)
    assert sorted(applied["spec"]["tags"]) == ["x", "y", "z"]
    assert entries(applied)["two", "Apply", ""] == {"f:spec": {"f:tags": {'v:"y"': {}, 'v:"z"': {}}}}
    left = http.apply(path, widgets.obj("a", spec={"tags": ["x"]}), "one").expect(200)
    assert sorted(left["spec"]["tags"]) == ["x", "y", "z"]


@pytest.mark.parametrize(
    ("field", "one", "two"), [("words", ["x"], ["x", "y"]), ("fixed", {"k": "v"}, {"k": "v", "l": "w"})]
)
def test_atomic_values_have_one_owner(
    http: Http, namespace: str, widgets: Installed, field: str, one: Any, two: Any
) -> None:
    path = widgets.path(namespace, "a")
    made = http.apply(path, widgets.obj("a", spec={field: one}), "one").expect(201)
    assert entries(made)["one", "Apply", ""] == {"f:spec": {f"f:{field}": {}}}
    refused = http.apply(path, widgets.obj("a", spec={field: two}), "two").fails(409, "Conflict")
    assert refused["details"]["causes"][0]["field"] == f".spec.{field}"
    forced = http.apply(path, widgets.obj("a", spec={field: two}), "two", force=True).expect(200)
    assert forced["spec"][field] == two
    assert ("one", "Apply", "") not in entries(forced)


def test_migration_from_client_side_apply(http: Http, namespace: str) -> None:
    """kubectl may change what it had applied on the client's side, and the annotation follows."""
    config = configmap("a", {"k": "v"})
    text = json.dumps(config) + "\n"
    body = configmap("a", {"k": "v"}, annotations={LAST_APPLIED: text})
    http.post(configmaps(namespace), body, fieldManager="kubectl-client-side-apply").expect(201)
    changed = configmap("a", {"k": "w"})
    http.apply(configmaps(namespace, "a"), changed, "somebody").fails(409, "Conflict")
    applied = http.apply(configmaps(namespace, "a"), changed, "kubectl").expect(200)
    assert applied["data"] == {"k": "w"}
    assert json.loads(applied["metadata"]["annotations"][LAST_APPLIED])["data"] == {"k": "w"}


def test_objects_that_were_never_tracked(http: Http, namespace: str) -> None:
    """Fields of unknown origin belong to before-first-apply."""
    path = configmaps(namespace, "a")
    http.post(configmaps(namespace), configmap("a", {"k": "v"})).expect(201)
    reset = http.patch(path, {"metadata": {"managedFields": [{}]}}).expect(200)
    assert "managedFields" not in reset["metadata"]
    assert "managedFields" not in http.patch(path, {"data": {"l": "w"}}).expect(200)["metadata"]
    refused = http.apply(path, configmap("a", {"k": "x"}), "one").fails(409, "Conflict")
    assert refused["details"]["causes"][0]["message"].startswith('conflict with "before-first-apply" using v1')


def test_status_is_applied_by_its_subresource(http: Http, namespace: str, widgets: Installed) -> None:
    path = widgets.path(namespace, "a")
    made = http.apply(path, widgets.obj("a", spec={"size": 1}, status={"ready": 1}), "one").expect(201)
    assert "status" not in made
    assert entries(made) == {("one", "Apply", ""): {"f:spec": {"f:size": {}}}}
    status = widgets.path(namespace, "a", "status")
    told = http.apply(status, widgets.obj("a", spec={"size": 2}, status={"ready": 1}), "two").expect(200)
    assert (told["spec"], told["status"]) == ({"size": 1}, {"ready": 1})
    assert entries(told)["two", "Apply", "status"] == {"f:status": {"f:ready": {}}}
    assert told["metadata"]["generation"] == 1
    refused = http.apply(status, widgets.obj("a", status={"ready": 2}), "three").fails(409, "Conflict")
    assert refused["details"]["causes"][0]["message"] == 'conflict with "two" with subresource "status"'
    http.apply(widgets.path(namespace, "b", "status"), widgets.obj("b", status={"ready": 1})).fails(404, "NotFound")


def test_dry_run(http: Http, namespace: str) -> None:
    path = configmaps(namespace, "a")
    assert http.apply(path, configmap("a", {"k": "v"}), dryRun="All").expect(201)["data"] == {"k": "v"}
    http.get(path).fails(404, "NotFound")
    made = http.apply(path, configmap("a", {"k": "v"})).expect(201)
    assert http.apply(path, configmap("a", {"k": "w"}), dryRun="All").expect(200)["data"] == {"k": "w"}
    assert http.get(path).expect(200) == made


def test_a_manager_must_be_named(http: Http, namespace: str) -> None:
    refused = http.patch(configmaps(namespace, "a"), configmap("a"), APPLY).fails(422, "Invalid")
    assert (refused["details"]["group"], refused["details"]["kind"]) == ("meta.k8s.io", "PatchOptions")
    assert causes(refused) == {"fieldManager": "Required value: is required for apply patch"}
    refused = http.apply(configmaps(namespace, "a"), configmap("a"), "x" * 129).fails(422, "Invalid")
    assert "fieldManager" in causes(refused)


def test_managed_fields_are_not_applied(http: Http, namespace: str) -> None:
    made = http.apply(configmaps(namespace, "a"), configmap("a", {"k": "v"})).expect(201)
    config = configmap("a", {"k": "v"}, managedFields=made["metadata"]["managedFields"])
    refused = http.apply(configmaps(namespace, "a"), config).fails(400, "BadRequest")
    assert refused["message"] == "metadata.managedFields must be nil"


def test_invalid_managed_fields_are_passed_over(http: Http, namespace: str) -> None:
    made = http.apply(configmaps(namespace, "a"), configmap("a", {"k": "v"}), "one").expect(201)
    wrong = [{"manager": "two", "operation": "Guess", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": {}}]
    meta = {**made["metadata"], "managedFields": wrong}
    updated = http.put(configmaps(namespace, "a"), {**made, "metadata": meta}).expect(200)
    assert entries(updated) == entries(made)


def test_another_version_in_the_configuration(http: Http, namespace: str) -> None:
    http.apply(configmaps(namespace, "a"), {**configmap("a"), "apiVersion": "v9"}).fails(400, "BadRequest")
    http.apply(configmaps(namespace, "a"), {**configmap("a"), "kind": "Secret"}).fails(400, "BadRequest")


def test_unknown_fields_of_built_in_kinds(http: Http, namespace: str) -> None:
    answer = http.apply(configmaps(namespace, "a"), {**configmap("a"), "extra": 1})
    assert answer.status >= 400
    assert ".extra: field not declared in schema" in answer.json["message"]


def test_preconditions(http: Http, namespace: str) -> None:
    path = configmaps(namespace, "a")
    made = http.apply(path, configmap("a", {"k": "v"})).expect(201)
    http.apply(path, configmap("a", {"k": "w"})).expect(200)
    stale = configmap("a", {"k": "x"}, resourceVersion=made["metadata"]["resourceVersion"])
    assert "the object has been modified" in http.apply(path, stale).fails(409, "Conflict")["message"]
    other = configmap("b", uid=str(uuid.uuid4()))
    refused = http.apply(configmaps(namespace, "b"), other).fails(409, "Conflict")
    assert "uid mismatch: the provided object specified uid" in refused["message"]


FEATURED = obj_of(
    spec=obj_of(
        replicas={"type": "integer"},
        with_default={"type": "integer", "default": 7},
        nullable={"type": "string", "nullable": True},
        template=obj_of(a={"type": "string"}),
        ports={
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
            "items": {**obj_of(name={"type": "string"}, port={"type": "integer"}), "required": ["name"]},
        },
        tags={"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
    )
)


@pytest.mark.parametrize(
    ("spec", "field", "kind"),
    [
        ({"replicas": None}, "spec.replicas", "integer"),
        ({"template": None}, "spec.template", "object"),
        ({"template": {"a": None}}, "spec.template.a", "string"),
        ({"ports": None}, "spec.ports", "array"),
    ],
)
def test_null_is_not_absent(http: Http, namespace: str, crd: Crds, spec: Obj, field: str, kind: str) -> None:
    widgets = crd(FEATURED)
    why = f'Invalid value: "null": {field} in body must be of type {kind}: "null"'
    http.post(widgets.path(namespace), widgets.obj("a", spec={})).expect(201)
    for name in ("a", "b"):
        refused = http.apply(widgets.path(namespace, name), widgets.obj(name, spec=spec), force=True)
        assert causes(refused.fails(422, "Invalid"))[field] == why
    assert http.get(widgets.path(namespace, "a")).expect(200)["spec"] == {"with_default": 7}


def test_null_says_nothing_of_what_has_owners_of_its_parts(http: Http, namespace: str, crd: Crds) -> None:
    widgets = crd(FEATURED)
    spec = {"ports": [{"name": "a", "port": 1}], "template": {"a": "x"}, "tags": ["x"], "with_default": 1}
    http.post(widgets.path(namespace), widgets.obj("a", spec=spec)).expect(201)
    nothing = {"ports": None, "template": None, "tags": None, "nullable": None}
    told = http.apply(widgets.path(namespace, "a"), widgets.obj("a", spec=nothing)).expect(200)
    assert told["spec"] == {**spec, "nullable": None}


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ({"spec": {"ports": [{"name": "a"}, {"name": "a"}]}}, '.spec.ports: duplicate entries for key [name="a"]'),
        ({"spec": {"tags": ["x", "y", "x"]}}, '.spec.tags: duplicate entries for key [="x"]'),
        (
            {"metadata": {"finalizers": ["example.com/a", "example.com/a"]}},
            '.metadata.finalizers: duplicate entries for key [="example.com/a"]',
        ),
        ({"spec": {"unknown": 1}}, ".spec.unknown: field not declared in schema"),
    ],
)
def test_what_nobody_can_own(http: Http, namespace: str, crd: Crds, config: Obj, why: str) -> None:
    """Whatever fieldValidation says, and whether there is an object or not."""
    widgets = crd(FEATURED)
    http.post(widgets.path(namespace), widgets.obj("a")).expect(201)
    for name in ("a", "b"):
        body = {**widgets.obj(name), **config}
        body["metadata"] = {**config.get("metadata", {}), "name": name}
        for validation in ("Ignore", "Warn", "Strict"):
            refused = http.apply(widgets.path(namespace, name), body, fieldValidation=validation)
            assert refused.status in (400, 500) and refused.json["message"].endswith(f"): {why}")
    assert http.get(widgets.path(namespace, "b")).status == 404
