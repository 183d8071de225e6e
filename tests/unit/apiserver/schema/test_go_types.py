"""Types of built-in kinds, as Go reads them."""

from typing import Any

import pytest

from starlink.apiserver.schema import go_types, structure

Obj = dict[str, Any]

TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
FIELDS = {
    "n": {"type": "integer"},
    "ratio": {"type": "number"},
    "texts": TEXTS,
    "list": {"type": "array", "items": {"type": "object", "properties": {"on": {"type": "boolean"}}}},
    "any": {"x-kubernetes-int-or-string": True},
}
NODE = structure.build({"type": "object", "properties": FIELDS}, root=True)


@pytest.mark.parametrize(
    "fits",
    [{}, {"n": 1}, {"n": None}, {"ratio": 1}, {"texts": {"a": "b", "c": None}}, {"list": [{"on": True}, None]}, {"any": 1}, {"any": "x"}, {"unknown": []}],
    ids=str,
)  # fmt: skip
def test_what_fits(fits: Obj) -> None:
    assert go_types.check(NODE, fits) == []


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        ({"n": 1.0}, "n"), ({"n": True}, "n"), ({"n": "1"}, "n"), ({"ratio": True}, "ratio"), ({"texts": {"a": 1}}, "texts[a]"),
        ({"texts": []}, "texts"), ({"list": [{}, {"on": 1}]}, "list[1].on"), ({"list": [[]]}, "list[0]"), ({"list": {}}, "list"),
    ],
    ids=str,
)  # fmt: skip
def test_what_does_not(wrong: Obj, path: str) -> None:
    (cause,) = go_types.check(NODE, wrong)
    assert (cause.field, cause.reason) == (path, "FieldValueTypeInvalid")


def test_what_is_the_old_ones_own_is_not_looked_at() -> None:
    old: Obj = {"texts": {"a": [1]}}
    assert go_types.check(NODE, {"texts": old["texts"]}, old) == []
    assert go_types.check(NODE, {"texts": {"a": [1]}}, old) != []
