"""Whether values have the shape of a schema, in words that name the field."""

from typing import Any

import pytest

from starlink.api.shapes import fault

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "maxLength": 5},
        "mode": {"type": "string", "enum": ["a", "b"]},
        "every": {"type": "string", "format": "duration"},
        "count": {"type": "integer", "minimum": 1, "maximum": 3},
        "share": {"type": "number", "minimum": 0},
        "on": {"type": "boolean"},
        "words": {"type": "array", "minItems": 1, "maxItems": 2, "items": {"type": "string"}},
        "any": {"type": "object"},
    },
}


@pytest.mark.parametrize(
    "value",
    [
        {"name": "n"},
        {"name": "n", "mode": "b", "every": "1m30s", "count": 3, "share": 0.5, "on": False, "words": ["a"]},
        {"name": "n", "any": {"x": [1]}, "words": ("a", "b")},
    ],
)
def test_what_has_the_shape_has_no_fault(value: dict[str, Any]) -> None:
    assert fault(SCHEMA, value, "spec") == ""


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([], "spec: [] is not an object; write an object"),
        ({}, "spec.name: it is missing; write it"),
        ({"name": 1}, "spec.name: 1 is not a text; write a text"),
        ({"name": "toolong"}, "spec.name: 'toolong' can't be used; write at most 5 characters"),
        ({"name": "n", "mode": "c"}, "spec.mode: 'c' can't be used; write a or b"),
        ({"name": "n", "every": "5"}, "spec.every: '5' can't be used; write a duration such as 30s or 1m30s"),
        ({"name": "n", "count": 4}, "spec.count: 4 can't be used; write a number of at least 1 and at most 3"),
        ({"name": "n", "count": True}, "spec.count: True is not a whole number; write a whole number"),
        ({"name": "n", "count": 1.0}, "spec.count: 1.0 is not a whole number; write a whole number"),
        ({"name": "n", "share": -1}, "spec.share: -1 can't be used; write a number of at least 0"),
        ({"name": "n", "on": 1}, "spec.on: 1 is not true or false; write true or false"),
        ({"name": "n", "words": []}, "spec.words: it has 0 items; write at least 1"),
        ({"name": "n", "words": ["a"] * 3}, "spec.words: it has 3 items; write at most 2"),
        ({"name": "n", "words": ["a", 2]}, "spec.words[1]: 2 is not a text; write a text"),
    ],
)
def test_the_first_field_of_another_shape_is_named(value: Any, said: str) -> None:
    assert fault(SCHEMA, value, "spec") == said


def test_a_strange_field_is_named_with_those_that_there_are() -> None:
    said = fault(SCHEMA, {"name": "n", "nmae": "n"}, "spec")
    assert said == "spec: 'nmae' is no field of it; write one of any, count, every, mode, name, on, share, words"


def test_a_stored_value_is_not_shown() -> None:
    for value in ({"name": "secret"}, {"name": "n", "secret": 1}, {"name": "n", "mode": "secret"}):
        assert "secret" not in fault(SCHEMA, value, "result", quoted=False) != ""
