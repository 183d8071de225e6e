"""Objects checked in sections: what is valid, what is skipped, and what is remembered."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.profiles import examples

from starlink.apiserver.schema import repeats
from starlink.apiserver.validation import json_schema, sections
from starlink.apiserver.validation.compiled import StructuralSchema

Obj = dict[str, Any]
NUMBER: Obj = {"type": "integer", "minimum": 0}
DEFAULTED: Obj = {"type": "string", "default": "Always"}


def of(required: tuple[str, ...] = (), **properties: Obj) -> Obj:
    return {"type": "object", "properties": properties, **({"required": list(required)} if required else {})}


PORTS: Obj = {
    "type": "array", "items": of(("name",), name={"type": "string"}, port=NUMBER),
    "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
}  # fmt: skip
INNER = of(("count",), count=NUMBER, ports=PORTS, policy=DEFAULTED)
TEMPLATE = {**INNER, "x-kubernetes-validations": [{"rule": "self.count < 5", "message": "too many"}]}
SPEC = of(("template",), template=TEMPLATE, size=NUMBER, server={"type": "string"})
NEVER_MOVES = {
    **SPEC,
    "x-kubernetes-validations": [{"rule": "self.server == oldSelf.server", "message": "it never moves"}],
}
RISES = {"type": "object", "properties": {"n": NUMBER}, "x-kubernetes-validations": [{"rule": "self.n > oldSelf.n"}]}
SCHEMA = of(("spec",), spec=NEVER_MOVES, status=of(phase={"type": "string"}, slots=PORTS))
JOINED = of(spec={**SPEC, "anyOf": [{"required": ["size"]}, {"properties": {"template": {"required": ["ports"]}}}]})
AT_THE_ROOT = {**of(spec=SPEC), "not": {"required": ["spec"]}}

scalars = st.none() | st.integers(-1, 6) | st.text(max_size=2)
ports = st.lists(st.fixed_dictionaries({}, optional={"name": st.sampled_from(["a", "b"]), "port": scalars}), max_size=3)
templates = st.fixed_dictionaries({}, optional={"count": scalars, "ports": ports | scalars, "policy": scalars})
specs = st.fixed_dictionaries(
    {}, optional={"template": templates | scalars, "size": scalars, "server": st.sampled_from(["s", "t"])}
)
statuses = st.fixed_dictionaries({}, optional={"phase": scalars, "slots": ports})
objects = st.fixed_dictionaries(
    {"metadata": st.just({"name": "x"})}, optional={"spec": specs | scalars, "status": statuses | scalars}
)


@examples(400)
@given(objects)
def test_the_whole_is_valid_when_each_section_is(obj: Obj) -> None:
    for openapi in (SCHEMA, JOINED, AT_THE_ROOT):
        schema = StructuralSchema(openapi)
        translated = json_schema.translated(openapi, root=True)
        made = sections.build(translated, schema.node)
        assert sections.is_valid(made, obj, None) is json_schema.validator(translated).is_valid(obj)


@examples(300)
@example({"metadata": {"name": "x"}}, [{"metadata": {"name": "x"}, "status": None}])
@given(objects, st.lists(objects, min_size=1, max_size=6))
def test_nothing_that_is_skipped_or_remembered_changes_an_answer(first: Obj, later: list[Obj]) -> None:
    remembering, plain = StructuralSchema(SCHEMA, remembers=True), StructuralSchema(SCHEMA)
    old: Obj | None = None
    for obj in (first, *later, first):
        shared = {name: old[name] if old and name in old and old[name] == part else part for name, part in obj.items()}
        got, unknown = remembering.conform(shared, defaults=True, old=old)
        wanted = plain.conform(obj, defaults=True)
        assert (got, unknown) == wanted
        found = remembering.validate(got, old)
        assert found == plain.validate(wanted[0], old)
        old = got if not found else old


def test_the_rules_of_a_change_run_of_what_did_not_change() -> None:
    schema = StructuralSchema(of(spec=RISES, status=of(phase={"type": "string"})))
    old: Obj = {"spec": {"n": 1}}
    (cause,) = schema.validate({**old, "status": {"phase": "x"}}, old)
    assert (cause.field, cause.message) == ("spec", "Invalid value: failed rule: self.n > oldSelf.n")


def test_what_was_only_let_pass_is_not_remembered_as_valid() -> None:
    schema = StructuralSchema(SCHEMA, remembers=True)
    old: Obj = conformed(schema, made(7))
    for changed in ({"spec": {**old["spec"], "size": 2}}, {**old, "status": {"phase": "x"}}, old):
        assert schema.validate(conformed(schema, changed), old) == ()
    assert [cause.message for cause in schema.validate(conformed(schema, made(7)), None)] == ["Invalid value: too many"]


def made(count: Any = 1, server: str = "s") -> Obj:
    return {"spec": {"server": server, "template": {"count": count, "ports": [{"name": "a", "port": 1}]}}}


def conformed(schema: StructuralSchema, obj: Obj) -> Obj:
    shaped, unknown = schema.conform(obj, defaults=True)
    assert unknown == []
    return shaped


def test_equal_parts_of_objects_are_one() -> None:
    schema = StructuralSchema(SCHEMA, remembers=True)
    one, other = conformed(schema, made()), conformed(schema, made(server="t"))
    assert one["spec"]["template"] is other["spec"]["template"] and other["spec"]["template"]["policy"] == "Always"
    assert one["spec"]["server"] == "s" and schema.validate(one, None) == schema.validate(other, None) == ()


@pytest.mark.parametrize("count", [9, "1", True, 1.5, None])
def test_a_wrong_part_is_refused_every_time(count: Any) -> None:
    schema = StructuralSchema(SCHEMA, remembers=True)
    schema.validate(conformed(schema, made()), None)
    first = schema.validate(conformed(schema, made(count)), None)
    assert first and schema.validate(conformed(schema, made(count)), None) == first
    assert StructuralSchema(SCHEMA).validate(conformed(schema, made(count)), None) == first


def test_what_only_looks_like_a_known_part_is_another() -> None:
    known = repeats.Repeats()
    key, nothing = known.recalled({"1": "a"})
    assert nothing is None
    known.remember(key, {"1": "a"}, {"1": "a"})
    assert known.recalled({"1": "a"})[1] == {"1": "a"}
    of_yaml: Any = {1: "a"}
    assert known.recalled(of_yaml) == (key, None)


def test_only_so_much_is_remembered() -> None:
    known = repeats.Repeats()
    parts: list[Obj] = [{"n": number} for number in range(repeats._MOST + 1)]
    for part in [*parts, {"n": "x" * repeats._LONGEST}]:
        known.remember(known.recalled(part)[0], part, part)
    assert known.of(parts[0]) is None and known.of(parts[-1]) is not None and known.of({"n": 1}) is None
    assert known.recalled({"n": "x" * repeats._LONGEST})[1] is None
