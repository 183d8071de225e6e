"""CEL rules in CustomResourceDefinitions."""

from typing import Any

import pytest
from tests.conformance.conftest import CRDS, Crds, Http, causes, obj_of

Obj = dict[str, Any]
TEXT: Obj = {"type": "string"}
NUMBER: Obj = {"type": "integer"}


def with_spec(**properties: Obj) -> Obj:
    return obj_of(spec=obj_of(**properties))


def test_rules(http: Http, namespace: str, crd: Crds) -> None:
    bounds = {
        **obj_of(low=NUMBER, high=NUMBER, word=TEXT),
        "x-kubernetes-validations": [
            {"rule": "self.low <= self.high", "message": "low must not be above high"},
            {"rule": "!has(self.word) || self.word.startsWith('w')"},
            {"rule": "self.high < 100", "messageExpression": "self.high > 150 ? 'far too high' : 'too high'", "reason": "FieldValueForbidden", "fieldPath": ".high"},
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
    assert found == {"reason": "FieldValueForbidden", "message": "Forbidden: far too high", "field": "spec.high"}


def test_rules_may_cost_so_much(http: Http, crd: Crds) -> None:
    """A text that nothing bounds, and what is looked up in a list without an end."""
    unbounded = {"type": "array", "items": NUMBER}
    for rule in (
        {"rule": "self.high < 100", "messageExpression": "'high is ' + string(self.high)"},
        {"rule": "self.few.all(x, x in self.many)"},
    ):
        spec = {**obj_of(high=NUMBER, few=unbounded, many=unbounded), "x-kubernetes-validations": [rule]}
        status = http.post(CRDS, crd.draft(obj_of(spec=spec)), dryRun="All").fails(422, "Invalid")
        assert "cost exceeds budget by factor of more than 100x (try simplifying the rule" in status["message"]


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
