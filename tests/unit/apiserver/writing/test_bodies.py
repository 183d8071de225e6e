"""Fields that a JSON body says more than once."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from starlink.apiserver.requests import bodies
from starlink.http.message import Request

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=8),
    lambda below: st.lists(below, max_size=4) | st.dictionaries(st.text(':\\u"ab', max_size=3), below, max_size=4),
    max_leaves=20,
)


def doubled(body: bytes, media: str = "application/json") -> tuple[str, ...]:
    request = Request("POST", "/", {}, {"content-type": media}, body)
    return bodies.doubled(request, msgspec.json.decode(body))


@pytest.mark.parametrize(
    ("body", "paths"),
    [
        ('{"a": 1, "b": {"a": 1}}', ()),
        ('{"a": 1, "a": 2, "a": 3}', ("a",)),
        ('{"a": {"b": 1, "b": 2}, "a" : [{"c": {"d": 1, "d": 2}}]}', ("a.b", "a", "a[0].c.d")),
        (r'{"a": "x\u003ay:", "b": 1, "b": 2}', ("b",)),
        (r'{"a": 1, "\u0061": 2}', ("a",)),
        ('{"a": 1e400, "a": 123456789012345678901234567890}', ("a",)),
    ],
)
def test_what_is_said_again(body: str, paths: tuple[str, ...]) -> None:
    assert doubled(body.encode().replace(b"1e400", b"1e40")) == paths


def test_only_of_json() -> None:
    assert doubled(b'{"a": 1, "a": 2}', "application/yaml") == ()
    assert doubled(b'{"a": 1, "a": 2}', "application/merge-patch+json") == ("a",)


@given(st.dictionaries(st.text(max_size=3), VALUES))
def test_nothing_is_said_again_by_an_encoder(value: dict[str, Any]) -> None:
    assert doubled(msgspec.json.encode(value)) == ()


@given(st.dictionaries(st.text("ab:u", min_size=1, max_size=3), VALUES, min_size=1), st.text("\\u003a: ", max_size=8))
def test_what_is_said_again_is_always_seen(value: dict[str, Any], text: str) -> None:
    name = next(iter(value))
    again = msgspec.json.encode({name: text})
    body = msgspec.json.encode(value)[:-1] + b"," + again[1:]
    assert name in doubled(body)
