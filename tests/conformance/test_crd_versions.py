"""The versions of CustomResourceDefinitions."""

from typing import Any

from tests.conformance.conftest import GROUP, OPEN, SECONDS, Crds, Http, Installed, causes
from tests.conftest import eventually

Obj = dict[str, Any]


def change(http: Http, widgets: Installed, versions: Any) -> Obj:
    """Writes `versions` into the CRD."""
    changed: Obj = http.patch(widgets.definition, {"spec": {"versions": versions}}).expect(200)
    return changed


def versions(stored: str, *served: str) -> list[Obj]:
    return [
        {"name": name, "served": name in served, "storage": name == stored, "schema": {"openAPIV3Schema": OPEN}}
        for name in ("v1", "v2")
    ]


def test_versions(http: Http, namespace: str, crd: Crds) -> None:
    widgets = crd(versions=versions("v1", "v1", "v2"))
    made = http.post(widgets.path(namespace), widgets.obj("a", spec={"size": 1})).expect(201)
    other = http.get(widgets.path(namespace, "a", version="v2")).expect(200)
    assert (other["apiVersion"], other["spec"]) == (f"{GROUP}/v2", {"size": 1})
    assert other["metadata"]["uid"] == made["metadata"]["uid"]
    assert other["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    http.post(widgets.path(namespace, version="v2"), widgets.obj("b", version="v2")).expect(201)
    listed = http.get(widgets.path(namespace)).expect(200)["items"]
    assert [(item["metadata"]["name"], item["apiVersion"]) for item in listed] == [
        ("a", f"{GROUP}/v1"),
        ("b", f"{GROUP}/v1"),
    ]


def test_versions_that_are_not_served(http: Http, namespace: str, crd: Crds) -> None:
    widgets = crd(versions=versions("v1", "v1"))
    assert http.get(widgets.path(namespace, version="v2")).status == 404
    change(http, widgets, versions("v1", "v2"))
    eventually(lambda: http.get(widgets.path(namespace)).status == 404, "v1 withdrawn", SECONDS)
    crd.until_served(widgets.path(namespace, version="v2"))


def test_stored_versions(http: Http, namespace: str, crd: Crds) -> None:
    widgets = crd(versions=versions("v1", "v1", "v2"))
    http.post(widgets.path(namespace), widgets.obj("a", spec={"size": 1})).expect(201)
    change(http, widgets, versions("v2", "v1", "v2"))
    assert http.get(widgets.definition).expect(200)["status"]["storedVersions"] == ["v1", "v2"]
    assert http.get(widgets.path(namespace, "a", version="v2")).expect(200)["spec"] == {"size": 1}
    only = versions("v2", "v2")[1:]
    refusal = http.patch(widgets.definition, {"spec": {"versions": only}}).fails(422, "Invalid")
    assert "must appear in spec.versions" in causes(refusal)["status.storedVersions[0]"]
    http.patch(f"{widgets.definition}/status", {"status": {"storedVersions": ["v2"]}}).expect(200)
    change(http, widgets, only)
    eventually(lambda: http.get(widgets.path(namespace)).status == 404, "v1 withdrawn", SECONDS)
    assert http.get(widgets.definition).expect(200)["status"]["storedVersions"] == ["v2"]


def test_deprecated_versions_warn(http: Http, namespace: str, crd: Crds) -> None:
    widgets = crd(deprecated=True)
    assert http.get(widgets.path(namespace)).warnings == [f"{GROUP}/v1 {widgets.kind} is deprecated"]
    told = crd(deprecated=True, deprecationWarning="use something else")
    assert http.get(told.path(namespace)).warnings == ["use something else"]
