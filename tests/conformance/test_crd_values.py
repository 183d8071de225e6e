"""Objects that do not fit the schema of their CustomResourceDefinition."""

from typing import Any

import pytest
from tests.conformance.conftest import GROUP, Crds, Http, Installed, causes, obj_of

Obj = dict[str, Any]
TEXT: Obj = {"type": "string"}
NUMBER: Obj = {"type": "integer"}


_SHOWN = [f'Duplicate value: {shown}{{"name":"a"}}' for shown in ("", "map[string]interface {}")]
"""Until 1.32 the real server shows an object as Go, later as JSON."""


def with_spec(**properties: Obj) -> Obj:
    return obj_of(spec=obj_of(**properties))


def refused(http: Http, namespace: str, widgets: Installed, **fields: Any) -> dict[str, str]:
    """The causes for which an object is refused."""
    body = widgets.obj("a", **fields)
    status = http.post(widgets.path(namespace), body).fails(422, "Invalid")
    assert status["message"].startswith(f'{widgets.kind}.{GROUP} "a" is invalid: ')
    assert (status["details"]["name"], status["details"]["kind"]) == ("a", widgets.kind)
    return causes(status)


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
    assert told.pop("spec.ports[1]") in _SHOWN
    assert told == {"spec.tags[2]": 'Duplicate value: "x"'}


def test_logical_schemas(http: Http, namespace: str, crd: Crds) -> None:
    """What allOf, anyOf, oneOf and not refuse is told of no field, which the real server writes as <nil>."""
    either = {**obj_of(a=NUMBER, b=NUMBER), "oneOf": [{"required": ["a"]}, {"required": ["b"]}]}
    widgets = crd(obj_of(spec={**either, "not": {"properties": {"a": {"enum": [13]}}, "required": ["a"]}}))
    http.post(widgets.path(namespace), widgets.obj("a", spec={"a": 1})).expect(201)
    one = '"spec" must validate one and only one schema (oneOf). '
    told = refused(http, namespace, widgets, spec={})
    assert told == {"<nil>": f'Invalid value: "": {one}Found none valid', "spec.a": "Required value"}
    told = refused(http, namespace, widgets, spec={"a": 1, "b": 2})
    assert told == {"<nil>": f'Invalid value: "": {one}Found 2 valid alternatives'}
    told = refused(http, namespace, widgets, spec={"a": 13})
    assert told == {"<nil>": 'Invalid value: "": "spec" must not validate the schema (not)'}


def test_the_formats_of_numbers_bound_nothing(http: Http, namespace: str, crd: Crds) -> None:
    widgets = crd(with_spec(f={"type": "integer", "format": "int32"}, g={"type": "number", "format": "float"}))
    body = widgets.obj("a", spec={"f": 2**40, "g": 1e300})
    assert http.post(widgets.path(namespace), body).expect(201)["spec"] == {"f": 2**40, "g": 1e300}
    refused = http.post(widgets.path(namespace), widgets.obj("b", spec={"f": 1.5, "g": "x"})).fails(422, "Invalid")
    assert causes(refused)["spec.f"] == 'Invalid value: "number": spec.f in body must be of type integer: "number"'
    assert causes(refused)["spec.g"] == 'Invalid value: "string": spec.g in body must be of type number: "string"'
