"""CEL rules of schemas: checked by its types, and run along an object."""

from typing import Any

import pytest

from starlink.api.errors import Cause
from starlink.apiserver import cel
from starlink.apiserver.cel import forms
from starlink.apiserver.validation.compiled import StructuralSchema

Obj = dict[str, Any]
INT, TEXT = {"type": "integer"}, {"type": "string"}
KEYED = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}


def of(**properties: Any) -> Obj:
    return {"type": "object", "properties": properties}


def many(schema: Obj) -> Obj:
    return {"type": "object", "additionalProperties": schema}


SPEC = of(
    size=INT, word=TEXT, share={"type": "number"}, on={"type": "boolean"}, port={"x-kubernetes-int-or-string": True},
    when={"type": "string", "format": "date-time"}, day={"type": "string", "format": "date"},
    wait={"type": "string", "format": "duration"}, key={"type": "string", "format": "byte"}, namespace=TEXT,
    rows={"type": "array", "items": {"type": "array", "items": INT}}, free={"x-kubernetes-preserve-unknown-fields": True},
    parts={"type": "array", "items": of(name=TEXT, count=INT), **KEYED}, labels=many(TEXT), deep=many(of(a=INT)),
    LabelsEntry=INT, deep_a=INT, deepA=INT,
    template={"type": "object", "x-kubernetes-embedded-resource": True, "x-kubernetes-preserve-unknown-fields": True},
    **{"a-b": INT, "1bad": INT},
)  # fmt: skip
VALUE: Obj = {
    "size": 3, "word": "w", "share": 2, "on": True, "port": "50%", "when": "2024-05-01T00:00:00Z", "day": "2024-05-01",
    "wait": "90s", "key": "YQ==", "namespace": "ns", "rows": [[1]], "parts": [{"name": "a", "count": 1}],
    "labels": {"app": "x"}, "deep": {"k": {"a": 1}}, "LabelsEntry": 1, "deep_a": 1, "deepA": 2, "a-b": 4,
    "template": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "t"}},
}  # fmt: skip


def schema(*rules: Obj, **root: Any) -> Obj:
    return {**of(spec={**SPEC, "x-kubernetes-validations": list(rules)}), **root}


def refusals(*rules: Obj) -> list[Cause]:
    return list(cel.verify(schema(*rules), "S"))


def outcome(rule: Obj, spec: Obj, old: Obj | None = None) -> tuple[Cause, ...]:
    before = {"spec": old} if old is not None else None
    return StructuralSchema(schema(rule)).validate({"spec": spec}, before)


@pytest.mark.parametrize(
    "rule",
    [
        "self.size > 2 && self.word == 'w' && self.on",
        "self.share > 1 && self.share == 2.0 && self.share + 0.5 > 2.4 && self.size > 1.5",
        "self.when > timestamp('2024-01-01T00:00:00Z') && self.when.getFullYear() == 2024",
        "self.day < timestamp('2024-05-02T00:00:00Z')",
        "self.wait == duration('1m30s')",
        "self.key == b'a'",
        "self.__namespace__ == 'ns' && self.a__dash__b == 4",
        "self.deep_a + self.deepA + self.LabelsEntry == 4",
        "self.rows[0][0] == 1",
        "self.parts.all(p, p.count > 0 && p.name.startsWith('a'))",
        "self.labels.app == 'x' && self.labels.all(k, self.labels[k] != '')",
        "self.deep.k.a == 1",
        "type(self.port) == string && self.port.endsWith('%')",
        "self.template.metadata.name == 't' && self.template.kind == 'Pod'",
        "self.?word.orValue('') == 'w'",
        "quantity('1Gi').isGreaterThan(quantity('1M'))",
    ],
)
def test_rules_see_the_types_of_the_schema(rule: str) -> None:
    assert refusals({"rule": rule}) == []
    assert outcome({"rule": rule}, VALUE) == ()


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ("self.nothing > 1", "<input>:1:5: undefined field 'nothing'\n | self.nothing > 1\n | ....^"),
        ("self.size + 'x' == ''", "found no matching overload for '_+_' applied to '(int, string)'"),
        ("self.size >", "Syntax error: "),
        ("self.parts.exists(p, p.size == 1)", "undefined field 'size'"),
        ("self.when.startsWith('2')", "applied to '(timestamp, string)'"),
        ("self.namespace == ''", "undefined field 'namespace'"),
        ("self.free == 1", "undefined field 'free'"),
        ("self.template.metadata.labels.a == ''", "undefined field 'labels'"),
        ("nobody == 1", "undeclared reference to 'nobody'"),
    ],
)
def test_rules_that_do_not_compile(rule: str, why: str) -> None:
    (cause,) = refusals({"rule": rule})
    assert cause.field == "S.properties[spec].x-kubernetes-validations[0].rule"
    assert cause.message.startswith('Invalid value: {"Rule":')
    assert ": compilation failed: ERROR: <input>:1:" in cause.message
    assert why in cause.message


def test_rules_and_messages_are_of_one_type() -> None:
    (cause,) = refusals({"rule": "self.size"})
    assert cause.message.endswith(": cel expression must evaluate to a bool")
    (cause,) = refusals({"rule": "true", "messageExpression": "self.size"})
    assert cause.field.endswith("[0].messageExpression")
    assert cause.message.endswith(": messageExpression must evaluate to a string")
    (cause,) = refusals({"rule": "true", "messageExpression": "self.nothing"})
    assert ": messageExpression compilation failed: ERROR: " in cause.message


def test_rules_where_there_is_no_type() -> None:
    ruled = of(spec={"x-kubernetes-preserve-unknown-fields": True, "x-kubernetes-validations": [{"rule": "true"}]})
    (cause,) = cel.verify(ruled, "S")
    assert (cause.reason, cause.field) == ("InternalError", "S.properties[spec].x-kubernetes-validations")


def test_the_old_value_of_a_list_that_has_no_keys() -> None:
    rule = {"x-kubernetes-validations": [{"rule": "self == oldSelf"}]}
    plain = of(spec={"type": "array", "items": {**INT, **rule}})
    (cause,) = cel.verify(plain, "S")
    within = "oldSelf cannot be used on the uncorrelatable portion of the schema within S.properties[spec]"
    assert cause.message == f'Invalid value: "self == oldSelf": {within}'
    keyed = of(spec={"type": "array", "items": {**of(name=TEXT), **rule}, **KEYED})
    assert list(cel.verify(keyed, "S")) == []


GROWS = {"rule": "!oldSelf.hasValue() || oldSelf.value().size <= self.size", "optionalOldSelf": True, "message": "no"}


def test_an_optional_old_value() -> None:
    assert refusals(GROWS) == []
    assert outcome(GROWS, {"size": 1}) == ()
    assert outcome(GROWS, {"size": 2}, {"size": 1}) == ()
    assert [cause.message for cause in outcome(GROWS, {"size": 1}, {"size": 2})] == ["Invalid value: no"]
    (cause,) = refusals({"rule": "oldSelf.hasValue() ||\noldSelf.value().nothing", "optionalOldSelf": True})
    assert "<input>:2:16: undefined field 'nothing'" in cause.message
    (cause,) = refusals({"rule": "self.on", "optionalOldSelf": True})
    assert cause.message == "Invalid value: true: may not be set if oldSelf is not used in rule"


FAILED: dict[str, tuple[Obj, Cause]] = {
    "plain": ({"rule": " self.size > 5 "}, Cause("FieldValueInvalid", "Invalid value: failed rule: self.size > 5", "spec", has_value=False)),
    "message": ({"rule": "false", "message": " no "}, Cause("FieldValueInvalid", "Invalid value: no", "spec", has_value=False)),
    "field": ({"rule": "false", "message": "no", "fieldPath": ".labels['app']"}, Cause("FieldValueInvalid", "Invalid value: no", "spec.labels[app]", has_value=False)),
    "forbidden": ({"rule": "false", "message": "no", "reason": "FieldValueForbidden", "fieldPath": ".size"}, Cause("FieldValueForbidden", "Forbidden: no", "spec.size")),
    "required": ({"rule": "false", "message": "no", "reason": "FieldValueRequired"}, Cause("FieldValueRequired", "Required value: no", "spec")),
    "duplicate": ({"rule": "false", "message": "no", "reason": "FieldValueDuplicate"}, Cause("FieldValueDuplicate", "Duplicate value", "spec")),
    "message expression": ({"rule": "false", "messageExpression": "'size ' + string(self.size)"}, Cause("FieldValueInvalid", "Invalid value: size 3", "spec", has_value=False)),
    "message expression of lines": ({"rule": "false", "message": "no", "messageExpression": "'a\\nb'"}, Cause("FieldValueInvalid", "Invalid value: no", "spec", has_value=False)),
    "no key": ({"rule": "self.labels.none == ''"}, Cause("FieldValueInvalid", 'Invalid value: "object": no such key: none evaluating rule: self.labels.none == \'\'', "spec")),
    "no overload": (
        {"rule": "self.port > 5", "message": "above 5"},
        Cause("FieldValueInvalid", "Invalid value: \"object\": 'no such overload: _>_(string, int64)': call arguments did not match a supported operator, function or macro signature for rule: above 5", "spec"),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("rule", "wanted"), FAILED.values(), ids=FAILED)
def test_what_a_failed_rule_says(rule: Obj, wanted: Cause) -> None:
    assert outcome(rule, VALUE) == (wanted,)


def test_rules_of_the_root_and_of_scalars() -> None:
    root = {"x-kubernetes-validations": [{"rule": "self.metadata.name == self.spec.word"}]}
    made = StructuralSchema({**of(spec=SPEC), **root})
    obj = {"apiVersion": "a/v1", "kind": "A", "metadata": {"name": "a"}, "spec": {"word": "b"}}
    assert [cause.field for cause in made.validate(obj, None)] == ["<nil>"]
    scalar = of(spec=many({**TEXT, "x-kubernetes-validations": [{"rule": "self != 'x'"}]}))
    assert StructuralSchema(scalar).validate({"spec": {"k": "x"}}, None) == (
        Cause("FieldValueInvalid", "Invalid value: \"x\": failed rule: self != 'x'", "spec[k]"),
    )


@pytest.mark.parametrize(
    ("rule", "field", "why"),
    [
        ({"rule": " "}, "rule", "Required value: rule is not specified"),
        ({"rule": "true", "message": " "}, "message", 'Invalid value: " ": must be non-empty if specified'),
        ({"rule": "true", "message": "a\nb"}, "message", 'Invalid value: "a\\nb": must not contain line breaks'),
        ({"rule": "true ||\ntrue"}, "message", "Required value: message must be specified if rule contains line breaks"),
        ({"rule": "true", "messageExpression": " "}, "messageExpression", "Required value: messageExpression must be non-empty if specified"),
        ({"rule": "true", "reason": "Bad"}, "reason", 'Unsupported value: "Bad": supported values: "FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"'),
        ({"rule": "true", "fieldPath": ".nothing"}, "fieldPath", 'Invalid value: ".nothing": must be a valid path'),
        ({"rule": "true", "fieldPath": "size"}, "fieldPath", 'Invalid value: "size": must be a valid path'),
        ({"rule": "true", "fieldPath": ".labels['a"}, "fieldPath", 'Invalid value: ".labels[\'a": must be a valid path'),
    ],
)  # fmt: skip
def test_the_form_of_rules(rule: Obj, field: str, why: str) -> None:
    ruled = {**SPEC, "x-kubernetes-validations": [rule]}
    assert next(forms.check(ruled, "S")) == Cause(
        {"R": "FieldValueRequired", "U": "FieldValueNotSupported", "I": "FieldValueInvalid"}[why[0]],
        why,
        f"S.x-kubernetes-validations[0].{field}",
    )
