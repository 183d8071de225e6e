"""The schemas of CustomResourceDefinitions: which are taken, and how they shape objects."""

from typing import Any

import pytest
from tests.conformance.conftest import CRDS, SECONDS, Crds, Http, Installed, causes, obj_of
from tests.conftest import eventually

Obj = dict[str, Any]
TEXT: Obj = {"type": "string"}
NUMBER: Obj = {"type": "integer"}
FREE: Obj = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def change(http: Http, widgets: Installed, versions: Any) -> Obj:
    """Writes `versions` into the CRD."""
    changed: Obj = http.patch(widgets.definition, {"spec": {"versions": versions}}).expect(200)
    return changed


def with_spec(**properties: Obj) -> Obj:
    return obj_of(spec=obj_of(**properties))


@pytest.mark.parametrize(
    ("part", "field", "message"),
    [
        ({"properties": {"a": NUMBER}}, "openAPIV3Schema.properties[spec].type", "Required value: must not be empty for specified object fields"),
        ({"type": "array"}, "openAPIV3Schema.properties[spec].items", "Required value: must be specified"),
        ({"type": "object", "properties": {"a": NUMBER}, "additionalProperties": NUMBER}, "openAPIV3Schema.properties[spec].additionalProperties", "Forbidden: additionalProperties and properties are mutual exclusive"),
        ({"type": "word"}, "openAPIV3Schema.properties[spec].type", 'Unsupported value: "word": supported values: "array", "boolean", "integer", "number", "object", "string"'),
        ({"type": "array", "items": {"type": "object"}, "x-kubernetes-list-type": "map"}, "openAPIV3Schema.properties[spec].x-kubernetes-list-map-keys", "Required value: must not be empty if x-kubernetes-list-type is map"),
        ({"type": "array", "items": TEXT, "uniqueItems": True}, "openAPIV3Schema.properties[spec].uniqueItems", "Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic"),
    ],
)  # fmt: skip
def test_schemas_that_are_not_structural(http: Http, crd: Crds, part: Obj, field: str, message: str) -> None:
    status = http.post(CRDS, crd.draft(obj_of(spec=part)), dryRun="All").fails(422, "Invalid")
    told = {
        name.partition(".openAPI")[1][1:] + name.partition(".openAPI")[2]: text for name, text in causes(status).items()
    }
    assert told[field] == message


def test_defaults(http: Http, namespace: str, crd: Crds) -> None:
    spec = obj_of(
        size={"type": "integer", "default": 3}, deep={**obj_of(on={"type": "boolean", "default": True}), "default": {}},
        loose=obj_of(a={"type": "string", "default": "x"}), maybe={"type": "string", "nullable": True, "default": "y"},
        items={"type": "array", "items": obj_of(port={"type": "integer", "default": 80})},
    )  # fmt: skip
    widgets = crd(obj_of(spec={**spec, "default": {}}))
    made = http.post(widgets.path(namespace), widgets.obj("a")).expect(201)
    assert made["spec"] == {"size": 3, "deep": {"on": True}, "maybe": "y"}
    given: Obj = {"size": None, "maybe": None, "loose": {}, "items": [{}, {"port": 1}]}
    made = http.post(widgets.path(namespace), widgets.obj("b", spec=given)).expect(201)
    assert made["spec"] == {
        "size": 3, "deep": {"on": True}, "maybe": None, "loose": {"a": "x"}, "items": [{"port": 80}, {"port": 1}],
    }  # fmt: skip


def test_pruning(http: Http, namespace: str, crd: Crds) -> None:
    widgets = crd(
        with_spec(
            size=NUMBER,
            free=FREE,
            items={"type": "array", "items": obj_of(a=TEXT)},
            half={**FREE, "properties": {"deep": obj_of(a=TEXT)}},
        )
    )
    given = {
        "size": 1, "wide": 2, "free": {"a": {"b": 1}}, "items": [{"a": "x", "b": "y"}],
        "half": {"x": 1, "deep": {"a": "b", "c": "d"}},
    }  # fmt: skip
    made = http.post(widgets.path(namespace), widgets.obj("a", spec=given, extra=1), fieldValidation="Ignore").expect(
        201
    )
    assert made["spec"] == {
        "size": 1, "free": {"a": {"b": 1}}, "items": [{"a": "x"}], "half": {"x": 1, "deep": {"a": "b"}},
    }  # fmt: skip
    assert "extra" not in made


def test_metadata_is_pruned_too(http: Http, namespace: str, crd: Crds) -> None:
    widgets = crd()
    made = http.post(widgets.path(namespace), widgets.obj("a", metadata={"strange": 1}), fieldValidation="Ignore")
    assert "strange" not in made.expect(201)["metadata"]


def test_int_or_string(http: Http, namespace: str, crd: Crds) -> None:
    widgets = crd(with_spec(port={"x-kubernetes-int-or-string": True}))
    for name, value in (("a", 80), ("b", "50%")):
        made = http.post(widgets.path(namespace), widgets.obj(name, spec={"port": value})).expect(201)
        assert made["spec"]["port"] == value
    told = causes(http.post(widgets.path(namespace), widgets.obj("c", spec={"port": True})).fails(422, "Invalid"))
    words = 'Invalid value: "boolean": spec.port in body must be of type integer,string: "boolean"'
    assert told == {"spec.port": words}


def test_embedded_resources(http: Http, namespace: str, crd: Crds) -> None:
    widgets = crd(with_spec(template={**FREE, "x-kubernetes-embedded-resource": True}))
    template = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x", "strange": 1}, "data": {"k": "dg=="}}
    made = http.post(
        widgets.path(namespace), widgets.obj("a", spec={"template": template}), fieldValidation="Ignore"
    ).expect(201)
    assert made["spec"]["template"] == {**template, "metadata": {"name": "x"}}
    told = causes(
        http.post(widgets.path(namespace), widgets.obj("b", spec={"template": {"k": 1}})).fails(422, "Invalid")
    )
    why = "Required value: must not be empty"
    assert told == {"spec.template.apiVersion": why, "spec.template.kind": why}
    wrong = {**template, "metadata": {"labels": {"a": "not so"}}}
    told = causes(http.post(widgets.path(namespace), widgets.obj("b", spec={"template": wrong})).fails(422, "Invalid"))
    assert set(told) == {"spec.template.metadata.labels"}


def test_nullable(http: Http, namespace: str, crd: Crds) -> None:
    widgets = crd(with_spec(maybe={"type": "string", "nullable": True}, never=TEXT))
    made = http.post(widgets.path(namespace), widgets.obj("a", spec={"maybe": None})).expect(201)
    assert made["spec"] == {"maybe": None}
    made = http.post(widgets.path(namespace), widgets.obj("b", spec={"never": None})).expect(201)
    assert made["spec"] == {}


def test_schemas_may_change(http: Http, namespace: str, crd: Crds) -> None:
    def version(spec: Obj) -> Obj:
        return {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": obj_of(spec=spec)}}

    widgets = crd(versions=[version(obj_of(size=NUMBER, old=TEXT))])
    http.post(widgets.path(namespace), widgets.obj("a", spec={"size": 1, "old": "x"})).expect(201)
    changed = change(
        http, widgets, [version(obj_of(size={"type": "integer", "minimum": 5}, new={"type": "string", "default": "y"}))]
    )
    assert changed["metadata"]["generation"] == 2

    def read() -> Obj:
        found: Obj = http.get(widgets.path(namespace, "a")).expect(200)["spec"]
        return found

    eventually(lambda: "new" in read(), "the new schema", SECONDS)
    assert read() == {"size": 1, "new": "y"}, "read by the new schema, not checked by it"
    body = widgets.obj("b", spec={"size": 1})
    assert "spec.size" in causes(http.post(widgets.path(namespace), body).fails(422, "Invalid"))
    assert http.patch(widgets.path(namespace, "a"), {"spec": {"size": 7}}).expect(200)["spec"] == {
        "size": 7,
        "new": "y",
    }


def test_keywords_that_there_are_not_are_dropped_with_a_warning(http: Http, crd: Crds) -> None:
    draft = crd.draft(obj_of(spec={"type": "object", "more": 1, "properties": {"a": {"type": "string", "const": "x"}}}))
    made = http.post(CRDS, draft, dryRun="All")
    schema = made.expect(201)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    assert schema == obj_of(spec=obj_of(a={"type": "string"}))
    path = "spec.versions[0].schema.openAPIV3Schema.properties.spec"
    assert made.warnings == [f'unknown field "{path}.more"', f'unknown field "{path}.properties.a.const"']
    http.post(CRDS, draft, dryRun="All", fieldValidation="Strict").fails(400, "BadRequest")


def test_a_schema_is_told_as_its_crd_s_where_all_versions_share_it(http: Http, crd: Crds) -> None:
    wrong = {"type": "object", "properties": {"a": {}}}
    assert set(causes(http.post(CRDS, crd.draft(wrong)).fails(422, "Invalid"))) == {
        "spec.validation.openAPIV3Schema.properties[a].type"
    }
