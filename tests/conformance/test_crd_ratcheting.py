"""A schema that becomes stricter than the objects it finds locks none of them.

https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation-ratcheting
"""

import json
from typing import Any

import pytest
from tests.conformance.clients import newest
from tests.conformance.conftest import SECONDS, Crds, Http, Installed, causes, obj_of
from tests.conftest import Kubectl, eventually

__all__ = ["newest"]

Obj = dict[str, Any]
TEXT: Obj = {"type": "string"}
LOOSE: Obj = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
HOLD = "conformance.example.com/hold"
STRICT = {
    **obj_of(
        spec={
            **obj_of(
                size={"type": "integer", "maximum": 3}, colour={**TEXT, "enum": ["red"]}, note=TEXT, shape=obj_of(a=TEXT),
                parts={
                    "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
                    "items": {**obj_of(name=TEXT, port={"type": "integer", "minimum": 10}), "required": ["name"]},
                },
            ),
            "required": ["owner"],
            "x-kubernetes-validations": [{"rule": "!has(self.note) || self.note != 'bad'", "message": "a bad note"}],
        },
        status=obj_of(phase=TEXT),
    ),
    "required": ["needed"],
    "x-kubernetes-validations": [{"rule": "has(self.spec.size) && self.spec.size < 3", "message": "too large"}],
}  # fmt: skip
SPEC: Obj = {"size": 9, "colour": "green", "note": "bad", "shape": "round", "parts": [{"name": "a", "port": 1}]}


@pytest.fixture
def tightened(http: Http, namespace: str, crd: Crds) -> Installed:
    """A kind whose object `w` was right before its schema was changed: it lacks, breaks and misses all it can."""
    widgets = crd(obj_of(spec=LOOSE, status=LOOSE), subresources={"status": {}})
    http.post(widgets.path(namespace), widgets.obj("w", metadata={"finalizers": [HOLD]}, spec=SPEC)).expect(201)
    stricter = {"name": "v1", "served": True, "storage": True, "subresources": {"status": {}}}
    stricter["schema"] = {"openAPIV3Schema": STRICT}
    http.patch(widgets.definition, {"spec": {"versions": [stricter]}}).expect(200)
    probe = widgets.obj("probe", spec=SPEC)
    eventually(lambda: http.post(widgets.path(namespace), probe, dryRun="All").status == 422, "it stricter", SECONDS)
    return widgets


def test_metadata_is_written_and_the_object_goes(
    http: Http, newest: Kubectl, namespace: str, tightened: Installed
) -> None:
    name, path = f"{tightened.plural}.{tightened.group}/w", tightened.path(namespace, "w")

    def k(*words: str, **options: Any) -> str:
        return newest("--namespace", namespace, *words, **options).stdout

    assert "labeled" in k("label", name, "a=b")
    assert "annotated" in k("annotate", name, "a=b")
    assert "edited" in k("edit", name, env={"KUBE_EDITOR": "sed -i 's/^    a: b/    a: c/'"})
    assert "patched" in k("patch", name, "--type=json", "-p", '[{"op":"remove","path":"/metadata/labels"}]')
    whole = http.get(path).expect(200)
    whole["metadata"]["labels"] = {"by": "put"}
    assert http.put(path, whole).expect(200)["metadata"]["labels"] == {"by": "put"}
    applied = {**tightened.obj("w"), "metadata": {"name": "w", "labels": {"by": "apply"}}}
    assert "serverside-applied" in k(
        "apply", "--server-side", "--force-conflicts", "-f", "-", stdin=json.dumps(applied)
    )
    http.delete(path).expect(200)
    assert "patched" in k("patch", name, "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    assert http.get(path).status == 404


def test_what_changed_is_checked_and_what_did_not_is_not(
    http: Http, newest: Kubectl, namespace: str, crd: Crds
) -> None:
    """Without the rules at the root, which see an object that changed whole."""
    widgets = crd(obj_of(spec=obj_of(f=LOOSE)))
    spec = {"f": SPEC}
    http.post(widgets.path(namespace), widgets.obj("w", spec=spec)).expect(201)
    strict = {key: part for key, part in STRICT["properties"]["spec"].items() if key == "properties"}
    schema = {"openAPIV3Schema": obj_of(spec=obj_of(f={"type": "object", **strict}))}
    version = {"name": "v1", "served": True, "storage": True, "schema": schema}
    http.patch(widgets.definition, {"spec": {"versions": [version]}}).expect(200)
    path = widgets.path(namespace, "w")
    refused = {"spec": {"f": {"size": 8}}}
    eventually(lambda: http.patch(path, refused, dryRun="All").status == 422, "it stricter", SECONDS)
    assert http.patch(path, {"spec": {"f": {"note": "good"}}}).expect(200)["spec"]["f"] == {**SPEC, "note": "good"}
    wrong = causes(http.patch(path, {"spec": {"f": {"size": 8, "shape": "flat"}}}).fails(422, "Invalid"))
    assert set(wrong) == {"spec.f.size", "spec.f.shape"}
    mended = json.dumps(widgets.obj("w", spec={"f": {**SPEC, "size": 3, "note": "good"}}))
    assert "configured" in newest("--namespace", namespace, "apply", "-f", "-", stdin=mended).stdout
    assert set(causes(http.patch(path, refused).fails(422, "Invalid"))) == {"spec.f.size"}


def test_a_status_is_written(http: Http, namespace: str, crd: Crds) -> None:
    """What the spec has wrong is none of its business; it is itself checked."""
    widgets = crd(obj_of(spec=LOOSE, status=LOOSE), subresources={"status": {}})
    http.post(widgets.path(namespace), widgets.obj("w", spec=SPEC)).expect(201)
    schema = {"openAPIV3Schema": {key: part for key, part in STRICT.items() if key != "x-kubernetes-validations"}}
    version = {"name": "v1", "served": True, "storage": True, "subresources": {"status": {}}, "schema": schema}
    http.patch(widgets.definition, {"spec": {"versions": [version]}}).expect(200)
    path = widgets.path(namespace, "w", "status")
    eventually(lambda: http.patch(path, {"status": {"phase": 1}}, dryRun="All").status == 422, "it stricter", SECONDS)
    assert http.patch(path, {"status": {"phase": "On"}}).expect(200)["status"] == {"phase": "On"}
    assert "status.phase" in causes(http.patch(path, {"status": {"phase": 1}}).fails(422, "Invalid"))
