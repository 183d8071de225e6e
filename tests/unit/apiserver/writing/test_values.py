"""How many values JSON holds is known before it is read, whatever its text holds."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from starlink.apiserver.validation import values
from starlink.apiserver.validation.values import MAX_VALUES

TEXT = st.text(st.sampled_from('\\"[]{},:a\n\u2028'), max_size=12)
JSON = st.recursive(
    st.none() | st.integers(-5, 5) | TEXT, lambda below: st.lists(below) | st.dictionaries(TEXT, below), max_leaves=30
)


def amount(value: Any) -> int:
    """Names and values in all, an empty list or object twice, but for the outermost."""
    if isinstance(value, dict):
        return sum(1 + amount(part) for part in value.values()) + len(value) if value else 1
    if isinstance(value, list):
        return sum(1 + amount(part) for part in value) if value else 1
    return 0


@given(JSON, st.integers(1, 9), st.sampled_from([0, 1, 3]))
def test_what_is_counted_is_what_stands_outside_of_quotes(value: Any, piece: int, indent: int) -> None:
    body = msgspec.json.format(msgspec.json.encode(value), indent=indent)
    before, values._PIECE = values._PIECE, piece
    try:
        found = sum(map(values.separators, values.unquoted(body)))
    finally:
        values._PIECE = before
    assert found == amount(value) <= values.separators(body)


@pytest.mark.parametrize(
    ("body", "is_too_many"),
    [
        (b"[" + b",".join([b"1"] * MAX_VALUES) + b"]", False),
        (b"[" + b",".join([b"1"] * (MAX_VALUES + 1)) + b"]", True),
        (b'{"a":"' + b"[{,:" * MAX_VALUES + b'"}', False),
        (b'{"a":"' + rb"\"," * MAX_VALUES + b'"}', False),
        (b'{"a":"' + rb"\\" * MAX_VALUES + b'"' + b',"a":1' * MAX_VALUES + b"}", True),
        (b'{"a":"' + b"," * 2 * MAX_VALUES, False),
        (b"{" + b",".join(b'"%x":1' % i for i in range(MAX_VALUES // 2)) + b"}", False),
        (b"[" + b",".join([b"[]"] * MAX_VALUES) + b"]", True),
    ],
    ids=["numbers", "more", "text", "quotes in text", "behind text", "text without end", "fields", "empty lists"],
)
def test_values_have_a_most(body: bytes, is_too_many: bool) -> None:
    assert values.is_too_many(body) is is_too_many


@given(JSON)
def test_a_decoded_value_has_as_many_names_and_values(value: Any) -> None:
    def names_and_values(part: Any) -> int:
        if isinstance(part, dict):
            return sum(2 + names_and_values(one) for one in part.values())
        return sum(1 + names_and_values(one) for one in part) if isinstance(part, list) else 0

    assert values.amount(value) == names_and_values(value)
