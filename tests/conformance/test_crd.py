"""CustomResourceDefinitions, and the life of what they define."""

from typing import Any

import pytest
from tests.conformance.conftest import (
    CRDS,
    GROUP,
    OPEN,
    SECONDS,
    TABLE,
    Crds,
    Http,
    Installed,
    causes,
    condition,
    gone,
    obj_of,
)
from tests.conftest import eventually

Obj = dict[str, Any]
HOLD = "conformance.example.com/hold"
TEXT: Obj = {"type": "string"}
NUMBER: Obj = {"type": "integer"}
FREE: Obj = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def with_spec(**properties: Obj) -> Obj:
    return obj_of(spec=obj_of(**properties))


def reason(obj: Obj, type_: str) -> tuple[str, str, str]:
    """The status, reason and message of a condition."""
    found = next(one for one in obj["status"]["conditions"] if one["type"] == type_)
    return found["status"], found["reason"], found["message"]


def refused(http: Http, namespace: str, widgets: Installed, **fields: Any) -> dict[str, str]:
    """The causes for which an object is refused."""
    body = widgets.obj("a", **fields)
    status = http.post(widgets.path(namespace), body).fails(422, "Invalid")
    assert status["message"].startswith(f'{widgets.kind}.{GROUP} "a" is invalid: ')
    assert (status["details"]["name"], status["details"]["kind"]) == ("a", widgets.kind)
    return causes(status)


def test_established(http: Http, crd: Crds) -> None:
    widgets = crd()
    found = http.get(widgets.definition).expect(200)
    assert reason(found, "Established")[:2] == ("True", "InitialNamesAccepted")
    assert reason(found, "NamesAccepted") == ("True", "NoConflicts", "no conflicts found")
    status = found["status"]
    assert (status["acceptedNames"]["kind"], status["storedVersions"]) == (widgets.kind, ["v1"])
    assert found["metadata"]["generation"] == 1


def test_names_are_filled_in(http: Http, crd: Crds) -> None:
    draft = crd.draft()
    names = draft["spec"]["names"]
    draft["spec"]["names"] = {"plural": names["plural"], "kind": names["kind"]}
    spec = http.post(CRDS, draft).expect(201)["spec"]
    crd.installed(draft)
    assert spec["names"]["singular"] == names["kind"].lower()
    assert spec["names"]["listKind"] == f"{names['kind']}List"
    assert spec["conversion"] == {"strategy": "None"}


def test_names_that_are_taken(http: Http, crd: Crds) -> None:
    first = crd(names={"shortNames": ["cnfrmd"]})
    draft = crd.draft(names={"shortNames": ["cnfrmd"]})
    http.post(CRDS, draft).expect(201)
    path = f"{CRDS}/{draft['metadata']['name']}"
    try:
        eventually(
            lambda: condition(http.get(path).expect(200), "NamesAccepted") == "False", "the conflict told", SECONDS
        )
        found = http.get(path).expect(200)
        assert reason(found, "NamesAccepted") == ("False", "ShortNamesConflict", '"cnfrmd" is already in use')
        assert reason(found, "Established") == ("False", "NotAccepted", "not all names are accepted")
        assert http.get(f"/apis/{GROUP}/v1/{draft['spec']['names']['plural']}").status == 404
        http.delete(first.definition).expect(200)
        eventually(lambda: gone(http, first.definition), "the first CRD gone", SECONDS)
        eventually(lambda: condition(http.get(path).expect(200), "Established") == "True", "Established", SECONDS)
    finally:
        http.delete(path)


def test_kinds_that_are_taken(http: Http, crd: Crds) -> None:
    first = crd()
    draft = crd.draft(names={"kind": first.kind})
    http.post(CRDS, draft).expect(201)
    path = f"{CRDS}/{draft['metadata']['name']}"
    try:
        eventually(
            lambda: condition(http.get(path).expect(200), "NamesAccepted") == "False", "the conflict told", SECONDS
        )
        found = http.get(path).expect(200)
        assert reason(found, "NamesAccepted") == ("False", "KindConflict", f'"{first.kind}" is already in use')
    finally:
        http.delete(path)


def test_crds_that_are_none(http: Http, crd: Crds) -> None:
    def told(draft: Obj) -> dict[str, str]:
        status = http.post(CRDS, draft, dryRun="All").fails(422, "Invalid")
        assert (status["details"]["group"], status["details"]["kind"]) == (
            "apiextensions.k8s.io",
            "CustomResourceDefinition",
        )
        return causes(status)

    draft = crd.draft()
    draft["metadata"]["name"] = f"other.{GROUP}"
    plural = draft["spec"]["names"]["plural"]
    assert told(draft)["metadata.name"].endswith('must be spec.names.plural+"."+spec.group')
    schema = {"openAPIV3Schema": {"type": "object"}}
    both = [{"name": name, "served": True, "storage": True, "schema": schema} for name in ("v1", "v2")]
    found = told(crd.draft(versions=both))["spec.versions"]
    assert found.endswith("must have exactly one version marked as storage version")
    assert any(
        field.endswith("schema.openAPIV3Schema")
        for field in told(crd.draft(schema=None, versions=[{**both[0], "schema": {}}]))
    )
    assert "spec.names.plural" in told(crd.draft(names={"plural": "Not_So"}))
    assert plural


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


@pytest.mark.parametrize(
    ("schema", "value", "reason", "message"),
    [
        (NUMBER, "x", "FieldValueTypeInvalid", 'Invalid value: "string": spec.f in body must be of type integer: "string"'),
        (TEXT, 5, "FieldValueTypeInvalid", 'Invalid value: "integer": spec.f in body must be of type string: "integer"'),
        ({"type": "boolean"}, "x", "FieldValueTypeInvalid", 'Invalid value: "string": spec.f in body must be of type boolean: "string"'),
        ({"type": "object"}, [], "FieldValueTypeInvalid", 'Invalid value: "array": spec.f in body must be of type object: "array"'),
        ({"type": "string", "enum": ["a", "b"]}, "c", "FieldValueNotSupported", 'Unsupported value: "c": supported values: "a", "b"'),
        ({"type": "string", "pattern": "^[a-z]+$"}, "X", "FieldValueInvalid", "Invalid value: \"X\": spec.f in body should match '^[a-z]+$'"),
        ({"type": "integer", "minimum": 1}, 0, "FieldValueInvalid", "Invalid value: 0: spec.f in body should be greater than or equal to 1"),
        ({"type": "integer", "maximum": 9}, 10, "FieldValueInvalid", "Invalid value: 10: spec.f in body should be less than or equal to 9"),
        ({"type": "integer", "minimum": 1, "exclusiveMinimum": True}, 1, "FieldValueInvalid", "Invalid value: 1: spec.f in body should be greater than 1"),
        ({"type": "integer", "multipleOf": 5}, 7, "FieldValueInvalid", "Invalid value: 7: spec.f in body should be a multiple of 5"),
        ({"type": "string", "minLength": 3}, "ab", "FieldValueInvalid", 'Invalid value: "ab": spec.f in body should be at least 3 chars long'),
        ({"type": "array", "items": NUMBER, "maxItems": 2}, [1, 2, 3], "FieldValueTooMany", "Too many: 3: must have at most 2 items"),
        ({"type": "array", "items": NUMBER, "minItems": 1}, [], "FieldValueInvalid", "Invalid value: 0: spec.f in body should have at least 1 items"),
        ({"type": "object", "additionalProperties": TEXT, "maxProperties": 1}, {"a": "b", "c": "d"}, "FieldValueTooMany", "Too many: 2: must have at most 1 items"),
    ],
)  # fmt: skip
def test_values(http: Http, namespace: str, crd: Crds, schema: Obj, value: Any, reason: str, message: str) -> None:
    widgets = crd(with_spec(f=schema))
    status = http.post(widgets.path(namespace), widgets.obj("a", spec={"f": value})).fails(422, "Invalid")
    assert status["details"]["causes"] == [{"reason": reason, "message": message, "field": "spec.f"}]
    assert status["message"] == f'{widgets.kind}.{GROUP} "a" is invalid: spec.f: {message}'


def test_long_strings_and_formats(http: Http, namespace: str, crd: Crds) -> None:
    """The words vary by version, what they begin with does not."""
    widgets = crd(with_spec(word={"type": "string", "maxLength": 2}, when={"type": "string", "format": "date-time"}))
    assert refused(http, namespace, widgets, spec={"word": "abc"})["spec.word"].startswith("Too long: may not be ")
    told = refused(http, namespace, widgets, spec={"when": "soon"})["spec.when"]
    assert told == 'Invalid value: "soon": spec.when in body must be of type date-time: "soon"'


def test_where_a_value_is_wrong(http: Http, namespace: str, crd: Crds) -> None:
    item = {**obj_of(port={"type": "integer", "minimum": 1}), "required": ["port"]}
    schema = obj_of(
        spec={
            **obj_of(
                items={"type": "array", "items": item}, by={"type": "object", "additionalProperties": NUMBER}, name=TEXT
            ),
            "required": ["name"],
        }
    )
    widgets = crd({**schema, "required": ["spec"]})
    assert refused(http, namespace, widgets) == {"spec": "Required value"}
    told = refused(http, namespace, widgets, spec={"items": [{"port": 1}, {"port": 0}, {}], "by": {"k": "v"}})
    assert set(told) == {"spec.name", "spec.items[1].port", "spec.items[2].port", "spec.by.k"}
    assert told["spec.name"] == told["spec.items[2].port"] == "Required value"
    status = http.post(widgets.path(namespace), widgets.obj("a", spec={"items": [{"port": 0}]})).fails(422, "Invalid")
    assert status["message"].count("[spec.") == 1, "several causes are told in brackets"


def test_list_maps_and_sets_have_no_twins(http: Http, namespace: str, crd: Crds) -> None:
    port = {**obj_of(name=TEXT, port=NUMBER), "required": ["name"]}
    widgets = crd(with_spec(
        ports={"type": "array", "items": port, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        tags={"type": "array", "items": TEXT, "x-kubernetes-list-type": "set"},
    ))  # fmt: skip
    told = refused(http, namespace, widgets, spec={"ports": [{"name": "a"}, {"name": "a"}], "tags": ["x", "y", "x"]})
    assert told == {"spec.ports[1]": 'Duplicate value: {"name":"a"}', "spec.tags[2]": 'Duplicate value: "x"'}


def test_logical_schemas(http: Http, namespace: str, crd: Crds) -> None:
    either = {**obj_of(a=NUMBER, b=NUMBER), "oneOf": [{"required": ["a"]}, {"required": ["b"]}]}
    widgets = crd(obj_of(spec={**either, "not": {"properties": {"a": {"enum": [13]}}, "required": ["a"]}}))
    http.post(widgets.path(namespace), widgets.obj("a", spec={"a": 1})).expect(201)
    for spec in ({}, {"a": 1, "b": 2}, {"a": 13}):
        body = widgets.obj("b", spec=spec)
        assert "spec" in causes(http.post(widgets.path(namespace), body).fails(422, "Invalid"))


def test_rules(http: Http, namespace: str, crd: Crds) -> None:
    bounds = {
        **obj_of(low=NUMBER, high=NUMBER, word=TEXT),
        "x-kubernetes-validations": [
            {"rule": "self.low <= self.high", "message": "low must not be above high"},
            {"rule": "!has(self.word) || self.word.startsWith('w')"},
            {"rule": "self.high < 100", "messageExpression": "'high is ' + string(self.high)", "reason": "FieldValueForbidden", "fieldPath": ".high"},
        ],
    }  # fmt: skip
    widgets = crd(obj_of(spec=bounds))
    http.post(widgets.path(namespace), widgets.obj("ok", spec={"low": 1, "high": 2, "word": "word"})).expect(201)
    body = widgets.obj("a", spec={"low": 3, "high": 2, "word": "other"})
    found = http.post(widgets.path(namespace), body).fails(422, "Invalid")["details"]["causes"]
    assert [(one["field"], one["reason"]) for one in found] == [("spec", "FieldValueInvalid")] * 2
    assert found[0]["message"].startswith("Invalid value")
    assert found[0]["message"].endswith(": low must not be above high")
    assert found[1]["message"].endswith(": failed rule: !has(self.word) || self.word.startsWith('w')")
    body = widgets.obj("a", spec={"low": 1, "high": 200})
    (found,) = http.post(widgets.path(namespace), body).fails(422, "Invalid")["details"]["causes"]
    assert found == {"reason": "FieldValueForbidden", "message": "Forbidden: high is 200", "field": "spec.high"}


def test_transition_rules(http: Http, namespace: str, crd: Crds) -> None:
    fixed = {"type": "string", "x-kubernetes-validations": [{"rule": "self == oldSelf", "message": "may not change"}]}
    growing = {
        "type": "integer",
        "x-kubernetes-validations": [{"rule": "self >= oldSelf", "message": "may not shrink"}],
    }
    widgets = crd(with_spec(fixed=fixed, growing=growing))
    http.post(widgets.path(namespace), widgets.obj("a", spec={"fixed": "x"})).expect(201)
    path = widgets.path(namespace, "a")
    http.patch(path, {"spec": {"growing": 5}}).expect(200)
    http.patch(path, {"spec": {"growing": 6}}).expect(200)
    told = causes(http.patch(path, {"spec": {"growing": 1, "fixed": "y"}}).fails(422, "Invalid"))
    assert set(told) == {"spec.fixed", "spec.growing"}
    assert told["spec.fixed"].endswith(": may not change")
    http.patch(path, {"spec": {"fixed": None}}).expect(200)


def test_rules_see_the_whole_object(http: Http, namespace: str, crd: Crds) -> None:
    rule = {"rule": "self.metadata.name.startsWith(self.spec.prefix)", "message": "the name must have the prefix"}
    widgets = crd({**with_spec(prefix=TEXT), "x-kubernetes-validations": [rule]})
    http.post(widgets.path(namespace), widgets.obj("ab", spec={"prefix": "a"})).expect(201)
    status = http.post(widgets.path(namespace), widgets.obj("b", spec={"prefix": "a"})).fails(422, "Invalid")
    assert "the name must have the prefix" in status["message"]


@pytest.mark.parametrize("rule", ["self.nothing > 1", "self.size >", "self.size + 'x'", "self.size"])
def test_rules_that_do_not_compile(http: Http, crd: Crds, rule: str) -> None:
    schema = obj_of(spec={**obj_of(size=NUMBER), "x-kubernetes-validations": [{"rule": rule}]})
    told = causes(http.post(CRDS, crd.draft(schema), dryRun="All").fails(422, "Invalid"))
    (field,) = told
    assert field.endswith("openAPIV3Schema.properties[spec].x-kubernetes-validations[0].rule")
    assert "compilation failed" in told[field] or "must evaluate to a bool" in told[field]


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
    assert told == {"spec.template.apiVersion": "Required value", "spec.template.kind": "Required value"}
    wrong = {**template, "metadata": {"labels": {"a": "not so"}}}
    told = causes(http.post(widgets.path(namespace), widgets.obj("b", spec={"template": wrong})).fails(422, "Invalid"))
    assert set(told) == {"spec.template.metadata.labels"}


def test_nullable(http: Http, namespace: str, crd: Crds) -> None:
    widgets = crd(with_spec(maybe={"type": "string", "nullable": True}, never=TEXT))
    made = http.post(widgets.path(namespace), widgets.obj("a", spec={"maybe": None})).expect(201)
    assert made["spec"] == {"maybe": None}
    made = http.post(widgets.path(namespace), widgets.obj("b", spec={"never": None})).expect(201)
    assert made["spec"] == {}


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


def change(http: Http, widgets: Installed, versions: Any) -> Obj:
    """Writes `versions` into the CRD."""
    changed: Obj = http.patch(widgets.definition, {"spec": {"versions": versions}}).expect(200)
    return changed


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
    assert "spec.versions" in causes(refusal)["status.storedVersions[0]"]
    assert '"v1"' in causes(refusal)["status.storedVersions[0]"]
    http.patch(f"{widgets.definition}/status", {"status": {"storedVersions": ["v2"]}}).expect(200)
    change(http, widgets, only)
    eventually(lambda: http.get(widgets.path(namespace)).status == 404, "v1 withdrawn", SECONDS)
    assert http.get(widgets.definition).expect(200)["status"]["storedVersions"] == ["v2"]


def test_what_of_a_crd_stays(http: Http, crd: Crds) -> None:
    widgets = crd()
    told = causes(http.patch(widgets.definition, {"spec": {"scope": "Cluster"}}).fails(422, "Invalid"))
    assert told["spec.scope"].endswith('"Cluster": field is immutable')
    told = causes(http.patch(widgets.definition, {"spec": {"names": {"kind": "Gadget"}}}).fails(422, "Invalid"))
    assert told["spec.names.kind"].endswith('"Gadget": field is immutable')


def test_deprecated_versions_warn(http: Http, namespace: str, crd: Crds) -> None:
    widgets = crd(deprecated=True)
    assert http.get(widgets.path(namespace)).warnings == [f"{GROUP}/v1 {widgets.kind} is deprecated"]
    told = crd(deprecated=True, deprecationWarning="use something else")
    assert http.get(told.path(namespace)).warnings == ["use something else"]


def test_cluster_scope(http: Http, namespace: str, crd: Crds) -> None:
    widgets = crd(scope="Cluster")
    made = http.post(widgets.path(), widgets.obj("a")).expect(201)
    assert "namespace" not in made["metadata"]
    assert http.get(widgets.path("", "a")).expect(200) == made
    http.get(widgets.path(namespace)).fails(404, "NotFound")


def test_deletion_takes_all_objects(http: Http, namespace: str, crd: Crds) -> None:
    draft = crd.draft()
    http.post(CRDS, draft).expect(201)
    widgets = crd.installed(draft)
    http.post(widgets.path(namespace), widgets.obj("a")).expect(201)
    http.delete(widgets.definition).expect(200)
    eventually(lambda: gone(http, widgets.definition), "the CRD gone", SECONDS)
    eventually(lambda: http.get(widgets.path(namespace)).status == 404, "its path gone", SECONDS)
    http.post(CRDS, draft).expect(201)
    crd.installed(draft)
    assert http.get(widgets.path(namespace)).expect(200)["items"] == []


def test_deletion_waits_for_finalizers(http: Http, namespace: str, crd: Crds) -> None:
    widgets = crd()
    http.post(widgets.path(namespace), widgets.obj("a", metadata={"finalizers": [HOLD]})).expect(201)
    http.delete(widgets.definition).expect(200)
    path = widgets.path(namespace, "a")
    eventually(lambda: http.get(path).expect(200)["metadata"].get("deletionTimestamp"), "the object marked", SECONDS)
    found = http.get(widgets.definition).expect(200)
    assert condition(found, "Terminating") == "True"
    assert found["metadata"]["finalizers"] == ["customresourcecleanup.apiextensions.k8s.io"]
    refusal = http.post(widgets.path(namespace), widgets.obj("b")).fails(403, "Forbidden")
    assert refusal["message"].endswith("create not allowed while custom resource definition is terminating")
    http.patch(path, {"metadata": {"finalizers": None}}).expect(200)
    eventually(lambda: gone(http, widgets.definition), "the CRD gone", SECONDS)
