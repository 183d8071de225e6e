"""Updates of objects that a stricter schema would refuse: what is as it was passes, and what has changed does not."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.profiles import examples

from starlink.api.errors import MOST_CAUSES
from starlink.apiserver.validation.compiled import StructuralSchema

Obj = dict[str, Any]
SMALL: Obj = {"type": "integer", "maximum": 5}
TEXT: Obj = {"type": "string"}


def of(required: tuple[str, ...] = (), **properties: Obj) -> Obj:
    return {"type": "object", "properties": properties, **({"required": list(required)} if required else {})}


def many(schema: Obj) -> Obj:
    return {"type": "object", "additionalProperties": schema}


def listed(schema: Obj, kind: str = "", *keys: str) -> Obj:
    found: Obj = {"type": "array", "items": schema}
    if kind:
        found["x-kubernetes-list-type"] = kind
    return {**found, "x-kubernetes-list-map-keys": list(keys)} if keys else found


def ruled(schema: Obj, rule: str, **more: Any) -> Obj:
    return {**schema, "x-kubernetes-validations": [{"rule": rule, "message": "broken", **more}]}


PART = of(name=TEXT, n=SMALL)
EMBEDDED: Obj = {"type": "object", "x-kubernetes-embedded-resource": True, "x-kubernetes-preserve-unknown-fields": True}
SHORT = ruled(TEXT, "size(self) < 3")


def refused(spec: Obj, new: Any, old: Any) -> list[str]:
    """The fields of the causes when `old` becomes `new` in an object that changes elsewhere too."""
    schema = StructuralSchema(of(spec=of(f=spec, other=TEXT)))
    made, before = {"spec": {"f": new, "other": "b"}}, {"spec": {"f": old, "other": "a"}}
    return [cause.field for cause in schema.validate(made, before)]


CASES: dict[str, tuple[Obj, Any, Any, list[str]]] = {
    "a value as it was": (SMALL, 9, 9, []),
    "a value that changed": (SMALL, 8, 9, ["spec.f"]),
    "a number that only Python takes for the same": (TEXT, 1.0, 1, ["spec.f"]),
    "true, which Python takes for one": ({"type": "integer", "maximum": 0}, True, 1, ["spec.f"]),
    "a type that changed": (TEXT, {"a": 1}, {"a": 1}, []),
    "fields by their names": (of(a=SMALL, b=SMALL), {"a": 9, "b": 1}, {"a": 9, "b": 2}, []),
    "a field beside one as it was": (of(a=SMALL, b=SMALL), {"a": 9, "b": 8}, {"a": 9, "b": 2}, ["spec.f.b"]),
    "a field that is new": (of(a=SMALL, b=SMALL), {"a": 9, "b": 8}, {"a": 9}, ["spec.f.b"]),
    "required, of an object as it was": (of(("b",), a=SMALL), {"a": 9}, {"a": 9}, []),
    "required, of an object that changed": (of(("b",), a=SMALL), {"a": 1}, {"a": 2}, ["spec.f.b"]),
    "keys of a map": (many(SMALL), {"a": 9, "b": 1}, {"a": 9}, []),
    "a new key of a map": (many(SMALL), {"a": 9, "b": 8}, {"a": 9}, ["spec.f.b"]),
    "maxProperties, of a map that shrank": ({**many(SMALL), "maxProperties": 1}, {"a": 1, "b": 1}, {"a": 1, "b": 1, "c": 1}, ["spec.f"]),
    "entries of a list map by their keys": (listed(PART, "map", "name"), [{"name": "b", "n": 1}, {"name": "a", "n": 9}], [{"name": "a", "n": 9}], []),
    "an entry of a list map that changed": (listed(PART, "map", "name"), [{"name": "a", "n": 8}], [{"name": "a", "n": 9}], ["spec.f[0].n"]),
    "an entry of a list map under another key": (listed(PART, "map", "name"), [{"name": "b", "n": 9}], [{"name": "a", "n": 9}], ["spec.f[0].n"]),
    "entries of a list without a type by their places": (listed(SMALL), [9, 1], [9], []),
    "an entry at another place": (listed(SMALL), [1, 9], [9, 1], ["spec.f[1]"]),
    "an atomic list that changed": (listed(SMALL, "atomic"), [9, 1], [9], ["spec.f[0]"]),
    "an atomic list as it was": (listed(SMALL, "atomic"), [9], [9], []),
    "a set that changed": (listed(SMALL, "set"), [9, 1], [9], ["spec.f[0]"]),
    "maxItems, of a list that shrank": ({**listed(SMALL), "maxItems": 1}, [1, 2], [1, 2, 3], ["spec.f"]),
    "maxItems, of a list as it was": ({**listed(SMALL), "maxItems": 1}, [1, 2], [1, 2], []),
    "anyOf sees an object that changed whole": (
        {**of(a=TEXT, b=TEXT), "anyOf": [{"properties": {"a": {"maxLength": 1}}}]}, {"a": "aa", "b": "x"}, {"a": "aa", "b": "y"},
        ["<nil>", "spec.f.a"],
    ),
    "anyOf, of an object as it was": ({**of(a=TEXT), "anyOf": [{"properties": {"a": {"maxLength": 1}}}]}, {"a": "aa"}, {"a": "aa"}, []),
    "allOf sees an object that changed whole": (
        {**of(a=TEXT, b=TEXT), "allOf": [{"properties": {"a": {"maxLength": 1}}}]}, {"a": "aa", "b": "x"}, {"a": "aa", "b": "y"},
        ["spec.f.a", "<nil>"],
    ),
    "below anyOf, fields of its own": (
        {**of(a=TEXT, b=SMALL), "anyOf": [{"required": ["a"]}]}, {"a": "x", "b": 9}, {"a": "y", "b": 9}, [],
    ),
    "twins that were there": (listed(TEXT, "set"), ["a", "a", "b"], ["a", "a"], []),
    "twins that are new": (listed(TEXT, "set"), ["a", "a"], ["a"], ["spec.f[1]"]),
    "an embedded object as it was": (EMBEDDED, {"kind": "A"}, {"kind": "A"}, []),
    "an embedded object that changed": (EMBEDDED, {"kind": "B"}, {"kind": "A"}, ["spec.f.apiVersion"]),
    "a rule, of what is as it was": (SHORT, "long", "long", []),
    "a rule, of what changed": (SHORT, "longer", "long", ["spec.f"]),
    "a rule that fails, of what is as it was": (ruled(of(a=TEXT), "self.a != ''"), {}, {}, []),
    "a rule, of an object that changed": (ruled(of(a=TEXT, b=TEXT), "self.a != 'x'"), {"a": "x", "b": "1"}, {"a": "x"}, ["spec.f"]),
    "rules of entries by their places": (listed(SHORT), ["long", "b"], ["long"], []),
    "rules of entries of an atomic list": (listed(SHORT, "atomic"), ["long", "b"], ["long"], ["spec.f[0]"]),
    "rules in an atomic list as it was": (listed(SHORT, "atomic"), ["long"], ["long"], []),
    "rules of entries by their keys": (
        listed(ruled(PART, "self.n < 3"), "map", "name"), [{"name": "b", "n": 1}, {"name": "a", "n": 4}], [{"name": "a", "n": 4}], [],
    ),
    "a rule of a change, of what is as it was": (ruled(SMALL, "self > oldSelf"), 3, 3, ["spec.f"]),
    "one with an optional old value": (ruled(SMALL, "oldSelf.hasValue() && self > oldSelf.value()", optionalOldSelf=True), 3, 3, ["spec.f"]),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_ratchets(case: str) -> None:
    spec, new, old, fields = CASES[case]
    assert refused(spec, new, old) == fields


def test_a_part_is_shown_by_its_path_and_an_update_in_the_words_of_a_creation() -> None:
    schema = StructuralSchema(of(spec=of(f=listed({**PART, "anyOf": [{"required": ["n"]}]}))))
    made: Obj = {"spec": {"f": [{"name": "a"}, {"name": "b", "n": 9}]}}
    assert schema.validate(made, {"spec": {}}) == schema.validate(made, {"spec": {"f": []}})
    assert set(schema.validate(made, {"spec": {}})) == set(schema.validate(made, None))


@pytest.mark.parametrize("count", [40, 4_000])
def test_among_many_that_are_wrong_the_changed_one_is_found(count: int) -> None:
    schema = StructuralSchema(of(spec=of(f=listed(SMALL), g=many(SMALL))))
    old: Obj = {"spec": {"f": [9] * count, "g": {str(n): 9 for n in range(count)}}}
    new = copy.deepcopy(old)
    new["spec"]["f"][-1] = 8
    assert [cause.field for cause in schema.validate(new, old)] == [f"spec.f[{count - 1}]"]
    new["spec"]["f"] = [8] * count
    assert len(schema.validate(new, old)) <= MOST_CAUSES + 1


def test_a_status_is_written_whatever_the_rest_lacks() -> None:
    schema = StructuralSchema({**of(("spec",), spec=of(), status=of(n=SMALL)), "minProperties": 7})
    old: Obj = {"metadata": {}, "status": {"n": 1}}
    assert schema.validate({**old, "status": {"n": 2}}, old, subresource="status") == ()
    assert [c.field for c in schema.validate({**old, "status": {"n": 9}}, old, subresource="status")] == ["status.n"]
    assert {c.field for c in schema.validate({**old, "status": {"n": 2}}, old)} == {"spec", ""}


LOOSE = st.recursive(st.integers(3, 9) | st.text(max_size=3) | st.booleans(), lambda below: st.lists(below, max_size=3) | st.dictionaries(st.sampled_from("abcn"), below, max_size=3), max_leaves=8)  # fmt: skip
STRICT = {
    **ruled(
        of(
            ("a",), a=SMALL, b=listed(SHORT), c=many(SMALL),
            n=listed(ruled(PART, "self.n > oldSelf.n"), "map", "name"), e=EMBEDDED, s=listed(SMALL, "set"),
        ),
        "self.a == 1 && self.b.size() == 2 && oldSelf.a == 1",
    ),
    "minProperties": 3,
}  # fmt: skip
ROOT = ruled({**of(("spec", "status"), spec=STRICT), "allOf": [{"required": ["status"]}]}, "has(self.spec)")


@examples(200)
@given(
    st.dictionaries(st.sampled_from(["spec", "status", "x"]), LOOSE | st.dictionaries(st.sampled_from("abcnes"), LOOSE))
)
def test_what_changes_nothing_outside_metadata_passes_whatever_the_schema_says(obj: Obj) -> None:
    schema = StructuralSchema(ROOT)
    old = {**copy.deepcopy(obj), "metadata": {"finalizers": ["a/b"]}}
    assert schema.validate({**obj, "metadata": {}}, old) == ()


places = st.sampled_from([("a",), ("b", 0), ("c", "k"), ("n", 0, "n"), ("s", 0)])
FITTING: Obj = {"a": 1, "b": ["x", "y"], "c": {"k": 1}, "n": [{"name": "m", "n": 1}], "s": [1]}


@examples(200)
@given(st.lists(places, max_size=4), places, st.sampled_from([90, "long", None, [], {}]))
def test_a_changed_field_that_is_wrong_never_passes(wrong: list[Any], changed: Any, value: Any) -> None:
    """Whatever else was wrong before."""
    schema = StructuralSchema(of(spec={key: part for key, part in STRICT.items() if key != "x-kubernetes-validations"}))
    old: Obj = {"spec": copy.deepcopy(FITTING)}
    for place in wrong:
        put(old["spec"], place, 99 if place[0] != "b" else "longer")
    new = copy.deepcopy(old)
    put(new["spec"], changed, "longest" if changed[0] == "b" and value == 90 else value)
    assert schema.validate(new, old)


def put(spec: Obj, place: Any, value: Any) -> None:
    below: Any = spec
    for step in place[:-1]:
        below = below[step]
    below[place[-1]] = value
