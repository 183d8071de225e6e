"""Status, scale and columns of what CustomResourceDefinitions define."""

from typing import Any

import pytest
from tests.conformance.conftest import OPEN, TABLE, Crds, Http, causes, obj_of

Obj = dict[str, Any]
NUMBER: Obj = {"type": "integer"}


def test_status(http: Http, namespace: str, crd: Crds) -> None:
    schema = obj_of(spec=obj_of(size=NUMBER), status=obj_of(ready={"type": "integer", "minimum": 0}))
    widgets = crd(schema, subresources={"status": {}})
    path, status = widgets.path(namespace, "a"), widgets.path(namespace, "a", "status")
    made = http.post(widgets.path(namespace), widgets.obj("a", spec={"size": 1}, status={"ready": 1})).expect(201)
    assert "status" not in made
    assert "status" not in http.patch(path, {"status": {"ready": 1}}).expect(200)
    told = http.patch(status, {"spec": {"size": 9}, "status": {"ready": 1}, "metadata": {"labels": {"a": "b"}}}).expect(
        200
    )
    assert (told["spec"], told["status"], told["metadata"]["generation"]) == ({"size": 1}, {"ready": 1}, 1)
    assert "labels" not in told["metadata"]
    told = http.put(status, {**told, "status": {"ready": 2}}).expect(200)
    assert http.get(status).expect(200) == told
    changed = http.put(path, {**told, "spec": {"size": 2}, "status": {"ready": 7}}).expect(200)
    assert (changed["spec"], changed["status"], changed["metadata"]["generation"]) == ({"size": 2}, {"ready": 2}, 2)
    assert "status.ready" in causes(http.patch(status, {"status": {"ready": -1}}).fails(422, "Invalid"))
    http.put(status, {**made, "status": {"ready": 3}}).fails(409, "Conflict")


def test_no_status_without_the_subresource(http: Http, namespace: str, crd: Crds) -> None:
    widgets = crd()
    made = http.post(widgets.path(namespace), widgets.obj("a", status={"ready": 1})).expect(201)
    assert made["status"] == {"ready": 1}
    http.get(widgets.path(namespace, "a", "status")).fails(404, "NotFound")
    http.get(widgets.path(namespace, "a", "scale")).fails(404, "NotFound")
    assert http.patch(widgets.path(namespace, "a"), {"status": {"ready": 2}}).expect(200)["metadata"]["generation"] == 2


def test_scale(http: Http, namespace: str, crd: Crds) -> None:
    scale = {
        "specReplicasPath": ".spec.replicas",
        "statusReplicasPath": ".status.replicas",
        "labelSelectorPath": ".status.selector",
    }
    widgets = crd(subresources={"status": {}, "scale": scale})
    made = http.post(widgets.path(namespace), widgets.obj("a", spec={"replicas": 2})).expect(201)
    http.patch(widgets.path(namespace, "a", "status"), {"status": {"replicas": 1, "selector": "app=x"}}).expect(200)
    path = widgets.path(namespace, "a", "scale")
    found = http.get(path).expect(200)
    assert (found["kind"], found["apiVersion"]) == ("Scale", "autoscaling/v1")
    assert (found["spec"], found["status"]) == ({"replicas": 2}, {"replicas": 1, "selector": "app=x"})
    assert (found["metadata"]["name"], found["metadata"]["uid"]) == ("a", made["metadata"]["uid"])
    assert http.patch(path, {"spec": {"replicas": 5}}).expect(200)["spec"] == {"replicas": 5}
    assert http.get(widgets.path(namespace, "a")).expect(200)["spec"] == {"replicas": 5}
    http.put(path, {**found, "spec": {"replicas": 6}}).fails(409, "Conflict")
    now = http.get(path).expect(200)
    assert http.put(path, {**now, "spec": {"replicas": 6}}).expect(200)["spec"] == {"replicas": 6}
    assert "spec.replicas" in str(causes(http.patch(path, {"spec": {"replicas": -1}}).fails(422, "Invalid")))
    assert http.get(widgets.path(namespace, "a")).expect(200)["metadata"]["generation"] == 3


def test_what_is_no_scale_of_the_object(http: Http, namespace: str, crd: Crds) -> None:
    scale = {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}
    widgets = crd(subresources={"status": {}, "scale": scale})
    http.post(widgets.path(namespace), widgets.obj("a", spec={"replicas": 2})).expect(201)
    path, spec = widgets.path(namespace, "a", "scale"), {"replicas": 3}
    before = http.get(path).expect(200)
    for wrong, code in (
        ({"metadata": {"name": "other"}, "spec": spec}, 400),
        ({"metadata": {"namespace": "other"}, "spec": spec}, 400),
        ({"metadata": None, "spec": spec}, 400),
        ({"metadata": 1, "spec": spec}, 422),
        ({"metadata": {"creationTimestamp": "no"}, "spec": spec}, 422),
        ({"metadata": {"labels": {"a": 1}}, "spec": spec}, 422),
        ({"kind": "Other", "spec": spec}, 422),
        ({"apiVersion": "v1", "spec": spec}, 422),
        ({"spec": {"replicas": 2**31}}, 422),
        ({"spec": {"replicas": "x"}}, 422),
        ({"spec": 1}, 422),
    ):
        assert http.patch(path, wrong).status == code, wrong
    http.put(path, {**before, "metadata": {"name": "other"}}).fails(400, "BadRequest")
    stranger = {**before["metadata"], "uid": "other"}
    http.put(path, {**before, "metadata": stranger}).fails(409, "Conflict")
    assert http.get(path).expect(200) == before
    assert http.patch(path, {"spec": None}).expect(200)["spec"] == {}


def test_replicas_that_no_scale_holds(http: Http, namespace: str, crd: Crds) -> None:
    scale = {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}
    widgets = crd(subresources={"status": {}, "scale": scale})
    for replicas, why in (
        (-1, "should be a non-negative integer"),
        (2**31, "should be less than or equal to 2147483647"),
    ):
        body = widgets.obj("a", spec={"replicas": replicas})
        refused = causes(http.post(widgets.path(namespace), body).fails(422, "Invalid"))
        assert refused[".spec.replicas"] == f"Invalid value: {replicas}: {why}"


@pytest.mark.parametrize("spec", [{"of": "text"}, {"of": [1]}])
def test_what_holds_the_replicas_is_an_object(http: Http, namespace: str, crd: Crds, spec: Obj) -> None:
    widgets = crd(
        OPEN, subresources={"scale": {"specReplicasPath": ".spec.of.replicas", "statusReplicasPath": ".status.n"}}
    )
    refused = causes(http.post(widgets.path(namespace), widgets.obj("a", spec=spec)).fails(422, "Invalid"))
    assert " accessor error: " in refused[".spec.of.replicas"]


def test_columns(http: Http, namespace: str, crd: Crds) -> None:
    widgets = crd(additionalPrinterColumns=[
        {"name": "Size", "type": "integer", "jsonPath": ".spec.size", "description": "How large it is."},
        {"name": "Word", "type": "string", "jsonPath": ".spec.size", "priority": 1},
        {"name": "Ready", "type": "string", "jsonPath": ".status.conditions[?(@.type=='Ready')].status"},
        {"name": "On", "type": "boolean", "jsonPath": ".spec.on"},
        {"name": "When", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    ])  # fmt: skip
    conditions = [{"type": "Other", "status": "False"}, {"type": "Ready", "status": "True"}]
    body = widgets.obj("a", spec={"size": 3, "on": True}, status={"conditions": conditions})
    http.post(widgets.path(namespace), body).expect(201)
    http.post(widgets.path(namespace), widgets.obj("b", spec={"size": "big"})).expect(201)
    table = http.get(widgets.path(namespace), accept=TABLE).expect(200)
    columns = table["columnDefinitions"]
    assert [(column["name"], column["type"], column["priority"]) for column in columns] == [
        ("Name", "string", 0), ("Size", "integer", 0), ("Word", "string", 1), ("Ready", "string", 0),
        ("On", "boolean", 0), ("When", "date", 0),
    ]  # fmt: skip
    assert columns[1]["description"] == "How large it is."
    assert columns[2]["description"] == "Custom resource definition column (in JSONPath format): .spec.size"
    first, second = (row["cells"] for row in table["rows"])
    assert first[:5] == ["a", 3, "3", "True", True]
    assert first[5].endswith("s")
    assert second[:5] == ["b", None, "big", None, None]


def test_columns_without_any(http: Http, namespace: str, crd: Crds) -> None:
    widgets = crd()
    http.post(widgets.path(namespace), widgets.obj("a")).expect(201)
    table = http.get(widgets.path(namespace), accept=TABLE).expect(200)
    assert [(column["name"], column["type"]) for column in table["columnDefinitions"]] == [
        ("Name", "string"),
        ("Age", "date"),
    ]


@pytest.mark.parametrize("wrong", [{"replicas": {"a": None}}, {"replicas": ""}, {"replicas": []}, [], ""])
def test_a_malformed_scale_scales_nothing_to_zero(http: Http, namespace: str, crd: Crds, wrong: Any) -> None:
    scale = {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}
    widgets = crd(subresources={"scale": scale})
    http.post(widgets.path(namespace), widgets.obj("a", spec={"replicas": 2})).expect(201)
    assert http.patch(widgets.path(namespace, "a", "scale"), {"spec": wrong}).status in (400, 422)
    assert http.get(widgets.path(namespace, "a")).expect(200)["spec"] == {"replicas": 2}
