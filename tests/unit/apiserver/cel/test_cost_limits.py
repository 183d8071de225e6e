"""What rules of a schema may cost, and which CRDs are not asked."""

from typing import Any

import pytest
from tests.crds import schema_of

from starlink.api.errors import Cause
from starlink.apiserver import cel
from starlink.apiserver.cel.cost import paths
from starlink.apiserver.cel.cost.sizes import MOST, Size, plus, scaled, times
from starlink.apiserver.definitions import crd_checks

Obj = dict[str, Any]
ADVICE = (
    "(try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are "
    "declared)"
)
DEAR = "self.a.all(x, x in self.b)"


def numbers(count: int | None) -> Obj:
    return {"type": "array", "items": {"type": "integer"}} | ({} if count is None else {"maxItems": count})


def schema(a: int | None = 9_000, b: int | None = 60_000, **rule: str) -> Obj:
    spec = {"type": "object", "properties": {"a": numbers(a), "b": numbers(b)}}
    return {"type": "object", "properties": {"spec": {**spec, "x-kubernetes-validations": [{"rule": DEAR, **rule}]}}}


def definition(openapi: Obj, **version: Any) -> Obj:
    names = {"plural": "things", "singular": "thing", "kind": "Thing", "listKind": "ThingList"}
    served = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": openapi}, **version}
    spec = {"group": "example.com", "scope": "Namespaced", "names": names, "versions": [served]}
    return {"metadata": {"name": "things.example.com"}, "spec": spec}


def told(causes: list[Cause], field: str) -> list[str]:
    return [cause.message for cause in causes if cause.field.endswith(field)]


def test_a_rule_over_long_lists_is_refused_with_what_to_do() -> None:
    found = list(cel.verify(schema(), "S"))
    assert all(cause.reason == "FieldValueForbidden" for cause in found)
    (why, contributed) = told(found, ".rule")
    assert why == f"Forbidden: estimated rule cost exceeds budget by factor of 54.0x {ADVICE}"
    assert contributed.endswith(
        "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema"
    )
    (total,) = told(found, "S")
    what = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema"
    assert total == f"Forbidden: {what} exceeds budget by factor of 5.4x {ADVICE}"


def test_what_is_bounded_is_accepted() -> None:
    assert list(cel.verify(schema(900, 6_000), "S")) == []


def test_what_is_not_bounded_is_as_long_as_a_request() -> None:
    assert "more than 100x" in told(list(cel.verify(schema(None, None), "S")), ".rule")[0]


def test_a_message_has_a_limit_of_its_own() -> None:
    long = "self.a.map(x, string(x)).join(', ')"
    found = list(cel.verify(schema(900, 600, messageExpression=long), "S"))
    assert "estimated messageExpression cost exceeds" in told(found, "[0].messageExpression")[0]
    assert not told(found, ".rule")


def test_places_of_lists_cost_as_often_as_there_may_be_entries() -> None:
    one = schema(100, 1_000)["properties"]["spec"]
    many = {"type": "object", "properties": {"many": {"type": "array", "items": one}}}
    assert "more than 100x" in told(list(cel.verify(many, "S")), "items.x-kubernetes-validations[0].rule")[0]
    many["properties"]["many"]["maxItems"] = 50  # type: ignore[index]
    assert list(cel.verify(many, "S")) == []


def test_an_unchanged_schema_is_not_refused_for_its_cost() -> None:
    """It was accepted once, before costs were estimated."""
    old = definition(schema())
    assert crd_checks.validate(old), "a new one is"
    columns = [{"name": "A", "type": "string", "jsonPath": ".spec"}]
    assert crd_checks.validate(definition(schema(), additionalPrinterColumns=columns), old) == []


def test_a_changed_schema_is() -> None:
    found = crd_checks.validate(definition(schema(9_001)), definition(schema()))
    assert "estimated rule cost" in found[0].message


@pytest.mark.parametrize("kind", ["tasks", "assignments", "pools", "servers"])
def test_our_own_kinds_cost_no_more_than_kubernetes_lets_them(kind: str) -> None:
    assert [*cel.verify(schema_of(kind), "S")] == []


def test_sizes_stay_at_the_greatest() -> None:
    assert (plus(MOST, 1), times(MOST, 2), scaled(MOST, 2)) == (MOST, MOST, MOST)
    assert (scaled(1, 0.1), scaled(0, 0.1), scaled(11, 0.1)) == (1, 0, 2)
    assert Size(1, 3).union(Size(2, 9)) == Size(1, 9)


@pytest.mark.parametrize(("length", "shared"), [(1, False), (2, False), (3, True), (4, False), (5, True)])
def test_paths_share_their_end_where_a_slice_of_go_has_room(length: int, shared: bool) -> None:
    base = paths.of_variable("self")
    for _ in range(length - 1):
        base = base.below("x")
    first = base.below("one")
    base.below("other")
    assert first.names()[-1] == ("other" if shared else "one")
