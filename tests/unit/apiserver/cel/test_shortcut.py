"""Shortcuts of rules and conditions say what CEL says, or nothing."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import ROOT
from tests.profiles import examples

from starlink.apiserver.cel import library, views
from starlink.apiserver.cel.opaque import DYN
from starlink.apiserver.cel.rules import environment
from starlink.apiserver.cel.shapes import Shape, shape_of
from starlink.apiserver.cel.shortcut import refuted, shortcut
from starlink.apiserver.schema import structure
from starlink.http.message import OPERATOR
from starlink.manifest import load

Obj = dict[str, Any]
TEXT, NUMBER = {"type": "string"}, {"type": "integer"}
SCHEMA: Obj = {
    "type": "object",
    "properties": {
        "word": TEXT,
        "count": NUMBER,
        "on": {"type": "boolean"},
        "share": {"type": "number"},
        "port": {"x-kubernetes-int-or-string": True},
        "when": {"type": "string", "format": "date-time"},
        "names": {"type": "array", "items": TEXT},
        "labels": {"type": "object", "additionalProperties": TEXT},
        "part": {"type": "object", "properties": {"word": TEXT, "count": NUMBER}},
        "a-b": NUMBER,
    },
}
SHAPE = shape_of(structure.build(SCHEMA))

words, counts = st.sampled_from(["", "a", "b", "ä😀"]), st.sampled_from([0, 1, 2, 2**63 - 1])
PART = st.fixed_dictionaries({}, optional={"word": words, "count": counts})
OBJECTS = st.fixed_dictionaries(
    {},
    optional={
        "word": words,
        "count": counts,
        "on": st.booleans() | st.none(),
        "share": st.sampled_from([1, 1.0, 1.5]),
        "port": words | counts | st.booleans(),
        "when": st.sampled_from(["2024-01-01T00:00:00Z", "2024-01-01T00:00:00+00:00"]),
        "names": st.lists(words, max_size=2),
        "labels": st.dictionaries(words, words, max_size=2),
        "part": PART,
        "a-b": counts,
    },
)
NAMES = [
    "word",
    "count",
    "on",
    "share",
    "port",
    "when",
    "names",
    "labels",
    "part",
    "part.word",
    "part.count",
    "labels.a",
    "a__dash__b",
]
FIELDS = st.sampled_from(NAMES).flatmap(lambda name: st.sampled_from([f"self.{name}", f"oldSelf.{name}"]))
VALUES = FIELDS | st.sampled_from(["'a'", '"b"', "1", "2", "true", "false", "['a', 'b']", "[1]", "self", "oldSelf"])
SIZES = FIELDS.map(lambda field: f"{field}.size()") | FIELDS.map(lambda field: f"size({field})")
RELATIONS = st.sampled_from(["==", "!=", "<", "<=", ">", ">=", "in"])
ATOMS = (
    st.tuples(VALUES | SIZES, RELATIONS, VALUES | SIZES).map(" ".join)
    | FIELDS.map(lambda field: f"has({field})")
    | st.sampled_from(["self.on", "self.word.startsWith('a')", "type(self.port) == int", "self.names.all(n, n != '')"])
)
RULES = st.recursive(
    ATOMS,
    lambda rule: (
        rule.map(lambda one: f"!({one})")
        | st.tuples(rule, st.sampled_from(["&&", "||", "==", "!="]), rule).map(
            lambda three: "({}) {} ({})".format(*three)
        )
    ),
    max_leaves=5,
)


def by_cel(text: str, new: Any, old: Any) -> Any:
    view = views.view_of(SHAPE) or (lambda value: value)
    program = library.compiled(environment(), text)
    outcome = library.evaluate(program, environment().Activation({"self": view(new), "oldSelf": view(old)}))
    return outcome.error or outcome.value


@examples(1500)
@given(RULES, OBJECTS, OBJECTS)
def test_what_is_certain_is_what_cel_says(text: str, new: Obj, old: Obj) -> None:
    made = shortcut(text, SHAPE)
    assert made is not None
    try:
        said = by_cel(text, new, old)
    except library.BadExpression:
        return  # a rule that does not compile is never run
    negated = shortcut(f"!({text})", SHAPE)
    assert negated is not None
    assert not made(new, old) or said is True
    assert not negated(new, old) or said is False


FULL: Obj = {
    "word": "ab",
    "count": 2,
    "on": True,
    "names": ["a"],
    "labels": {"a": "b"},
    "part": {"word": "x"},
    "a-b": 1,
}


@pytest.mark.parametrize(
    "text",
    [
        "self.word == oldSelf.word",
        "self.part == oldSelf.part && self.names == oldSelf.names && self == oldSelf",
        "has(self.share) == has(oldSelf.share) && (!has(self.share) || self.share == oldSelf.share)",
        "!has(self.share) || self.share > 2",
        "self.word.size() <= 63 && size(self.names) == 1 && self.count in [1, 2]",
        "has(self.part.word) != has(self.part.count)",
        "self.labels.a == 'b' && self.on",
        "!has(self.share) || duration(self.when) >= duration('12s')",
    ],
)
def test_simple_rules_need_no_cel(text: str) -> None:
    made = shortcut(text, SHAPE)
    assert made is not None and made(FULL, {**FULL})
    assert by_cel(text, FULL, FULL) is True


@pytest.mark.parametrize(
    "text",
    ["self.names.exists(n, n == 'a')", "self.count + 1 == 3", "self.count == 2.0", "self.names[0] == 'a'", r"self.word == 'a\x62'",
     "self.a__dash__b == 1", "self.word == r'ab'", "self.on ? true : false", "self.?word.hasValue()", "self.word == 'ab' // so"],
)  # fmt: skip
def test_all_else_is_left_to_cel(text: str) -> None:
    made = shortcut(text, SHAPE)
    assert made is None or not made(FULL, FULL)


def test_a_value_that_rules_see_as_another_is_left_to_cel() -> None:
    made = shortcut("self == oldSelf", Shape("timestamp"))
    assert made is not None and not made("2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z")


KNOWN = st.fixed_dictionaries(
    {"object": st.none() | OBJECTS, "oldObject": st.none() | OBJECTS, "request": st.just({"operation": "CREATE", "userInfo": {"username": "a"}})}
)  # fmt: skip
CONDITIONS = RULES.map(lambda rule: rule.replace("oldSelf", "oldObject").replace("self", "object")) | st.sampled_from(
    ["request.operation == 'CREATE'", "!(request.userInfo.username in ['a', 'b'])", "request.userInfo.groups == ['a']"]
)
VARIABLES = ("object", "oldObject", "request")
UNTYPED = library.environment(dict.fromkeys(VARIABLES, DYN))


@examples(1500)
@given(CONDITIONS, KNOWN)
def test_a_condition_that_is_refuted_is_false(text: str, known: Obj) -> None:
    made = refuted(text, VARIABLES)
    assert made is not None
    if not made(known):
        return
    try:
        program = library.compiled(UNTYPED, text)
    except library.BadExpression:
        return  # a policy that does not compile is never in force
    outcome = library.evaluate(program, UNTYPED.Activation(known))
    assert not outcome.error and outcome.value is False


def test_the_conditions_of_the_shipped_policy_need_no_cel() -> None:
    policy = load(ROOT / "crds" / "admission-drivers.yaml")
    conditions = [one["expression"] for one in policy["spec"]["matchConditions"]]
    by_jane, by_operator = ({"operation": "UPDATE", "userInfo": {"username": name}} for name in ("jane", OPERATOR))
    process, driver = ({"spec": {"template": {"runtime": name}}} for name in ("Process", "Driver"))

    def which(new: Obj, old: Obj | None, request: Obj) -> list[bool]:
        known = {"object": new, "oldObject": old, "request": request}
        return [bool((made := refuted(text, VARIABLES)) and made(known)) for text in conditions]

    assert which(process, {**process}, by_jane) == [False, True, True]
    assert which(process, None, {**by_jane, "operation": "CREATE"}) == [False, True, False]
    assert which(driver, {**driver}, by_operator) == [True, False, True]
    assert which(driver, process, by_jane) == which(process, driver, by_jane) == [False, False, False]
    assert which(driver, {"spec": {**driver["spec"], "suspend": True}}, by_jane) == [False, False, False]
