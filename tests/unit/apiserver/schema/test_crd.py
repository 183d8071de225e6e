"""CustomResourceDefinitions as values: defaults, what is refused, what is served."""

import copy
from typing import Any

import pytest

from starlink.api.errors import StatusError
from starlink.apiserver.definitions import crd, crd_checks
from starlink.apiserver.resources import encoding

Obj = dict[str, Any]
LABEL = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is "
    "'[a-z]([-a-z0-9]*[a-z0-9])?')"
)
SPEC = {
    "type": "object",
    "properties": {"size": {"type": "integer"}, "tags": {"type": "array", "items": {"type": "string"}}},
}


def definition(**version: Any) -> Obj:
    schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": SPEC}}}
    return {
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "widgets", "kind": "Widget"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema, **version}],
        },
    }


def told(made: Obj) -> dict[str, str]:
    return {cause.field: cause.message for cause in crd_checks.validate(made)}


def test_defaults() -> None:
    made = definition()
    crd.fill_in(made)
    assert made["spec"]["names"] == {
        "plural": "widgets",
        "kind": "Widget",
        "singular": "widget",
        "listKind": "WidgetList",
    }
    assert made["spec"]["conversion"] == {"strategy": "None"}
    before = copy.deepcopy(made)
    crd.fill_in(made)
    assert made == before
    assert told(made) == {}


@pytest.mark.parametrize("spec", [None, [], {}, {"names": 5}, {"names": {"kind": 5}}])
def test_defaults_of_what_is_no_crd(spec: Any) -> None:
    crd.fill_in({"spec": spec})


@pytest.mark.parametrize(
    ("names", "field", "why"),
    [
        ({"plural": "9s"}, "spec.names.plural", f'Invalid value: "9s": {LABEL}'),
        ({"singular": "A"}, "spec.names.singular", f'Invalid value: "A": {LABEL}'),
        ({"kind": "A_b"}, "spec.names.kind", f'Invalid value: "A_b": may have mixed case, but should otherwise match: {LABEL}'),
        ({"listKind": "Widget"}, "spec.names.listKind", 'Invalid value: "Widget": kind and listKind may not be the same'),
        ({"shortNames": ["a", "B"]}, "spec.names.shortNames[1]", f'Invalid value: "B": {LABEL}'),
        ({"categories": [""]}, "spec.names.categories[0]", f'Invalid value: "": {LABEL}'),
    ],
)  # fmt: skip
def test_names(names: Obj, field: str, why: str) -> None:
    made = definition()
    made["spec"]["names"].update(names)
    assert told(made)[field] == why


def test_a_crd_is_named_after_its_plural_and_group() -> None:
    made = definition()
    made["metadata"]["name"] = "other.example.com"
    assert told(made) == {
        "metadata.name": 'Invalid value: "other.example.com": must be spec.names.plural+"."+spec.group'
    }
    made = definition()
    made["spec"]["group"] = "example"
    assert told(made)["spec.group"] == 'Invalid value: "example": should be a domain with at least one dot'


@pytest.mark.parametrize(
    ("version", "field", "why"),
    [
        ({"schema": None}, "spec.versions[0].schema.openAPIV3Schema", "Required value: schemas are required"),
        ({"deprecationWarning": "x"}, "spec.versions[0].deprecationWarning", 'Invalid value: "x": can only be set for deprecated versions'),
        ({"deprecated": True, "deprecationWarning": "äa\n"}, "spec.versions[0].deprecationWarning", 'Invalid value: "äa\\n": must only contain printable UTF-8 characters; non-printable character found at index 3'),
        ({"selectableFields": [{"jsonPath": ".spec.none"}]}, "spec.selectableFields[0].jsonPath", 'Invalid value: ".spec.none": is an invalid path: does not refer to a valid field'),
        ({"selectableFields": [{"jsonPath": ".spec.tags"}]}, "spec.selectableFields[0].jsonPath", 'Invalid value: ".spec.tags": must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.'),
        ({"selectableFields": [{"jsonPath": ".spec.size"}] * 2}, "spec.selectableFields[1].jsonPath", 'Duplicate value: ".spec.size"'),
        ({"name": "1"}, "spec.versions[0].name", f'Invalid value: "1": {LABEL}'),
    ],
)  # fmt: skip
def test_versions(version: Obj, field: str, why: str) -> None:
    assert told(definition(**version)) == {field: why}


def test_where_a_schema_is_wrong() -> None:
    schema = {"type": "object", "oneOf": [{"properties": {"q": {"minimum": 1}}}]}
    path = "spec.validation.openAPIV3Schema"
    assert told(definition(schema={"openAPIV3Schema": schema})) == {
        f"{path}.properties[q]": f"Required value: because it is defined in {path}.oneOf[0].properties[q]"
    }


def test_a_schema_is_told_as_its_version_s_where_versions_have_others() -> None:
    made = definition()
    other = {
        **made["spec"]["versions"][0],
        "name": "v2",
        "storage": False,
        "schema": {"openAPIV3Schema": {"type": "x"}},
    }
    made["spec"]["versions"].append(other)
    assert set(told(made)) == {"spec.versions[1].schema.openAPIV3Schema.type"}
    made["spec"]["versions"][0]["schema"] = other["schema"]
    assert set(told(made)) == {"spec.validation.openAPIV3Schema.type"}


def test_names_stay_once_they_are_established() -> None:
    old = definition()
    new = copy.deepcopy(old)
    new["spec"].update(scope="Cluster", names={"plural": "widgets", "kind": "Gadget"})
    assert crd_checks.validate_change(new, old) == []
    old["status"] = {"conditions": [{"type": "Established", "status": "True"}]}
    found = {cause.field: cause.message for cause in crd_checks.validate_change(new, old)}
    assert found == {
        "spec.scope": 'Invalid value: "Cluster": field is immutable',
        "spec.names.kind": 'Invalid value: "Gadget": field is immutable',
    }


def test_stored_versions_stay() -> None:
    old = {**definition(), "status": {"storedVersions": ["v0", "v1"]}}
    (cause,) = crd_checks.validate_change(old, old)
    assert cause.field == "status.storedVersions[0]"
    assert cause.message.startswith('Invalid value: "v0": must appear in spec.versions: v0 was previously a storage ')


def test_what_can_no_longer_be_served() -> None:
    made = definition()
    (resource,) = crd.resources(encoding.dump(made))
    assert (resource.plural, resource.singular, resource.list_kind) == ("widgets", "widget", "WidgetList")
    rules = {"type": "object", "x-kubernetes-validations": [{"rule": "self ="}]}
    (resource,) = crd.resources(encoding.dump(definition(schema={"openAPIV3Schema": rules})))
    with pytest.raises(StatusError, match=r"widgets\.example\.com/v1 can't be compiled") as refused:
        resource.schema.validate({}, None)
    assert refused.value.code == 500
    with pytest.raises(StatusError, match="error building validator"):
        crd.resources(encoding.dump(definition(schema={})))
