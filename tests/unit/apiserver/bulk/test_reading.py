"""The body of a bulk write as its items, and what is refused of it."""

from typing import Any

import msgspec
import pytest

from starlink.api.errors import StatusError
from starlink.apiserver.requests.bulk import reading
from starlink.apiserver.requests.bulk.reading import Item

CREATE: dict[str, Any] = {"verb": "create", "namespace": "ns", "object": {"kind": "Assignment"}}
PATCH: dict[str, Any] = {
    "verb": "patch", "namespace": "ns", "name": "web", "subresource": "status", "object": {"status": {"phase": "é"}},
}  # fmt: skip
TYPED = {"apiVersion": "bulk.starlink.dev/v1alpha1", "kind": "BulkWrite"}
ASSIGNMENTS = "/apis/starlink.dev/v1alpha1/namespaces/ns/assignments"


def read(items: Any, **parts: Any) -> tuple[Item, ...]:
    return reading.read(msgspec.json.encode({**TYPED, "items": items, **parts}))


def refusal(body: bytes) -> StatusError:
    with pytest.raises(StatusError) as refused:
        reading.read(body)
    return refused.value


def refused(items: Any) -> StatusError:
    return refusal(msgspec.json.encode({**TYPED, "items": items}))


def test_items_are_the_requests_that_they_stand_for() -> None:
    create, patch = read([CREATE, PATCH], metadata={"name": "ignored"})
    assert (create.verb, create.path, bytes(create.body)) == ("create", ASSIGNMENTS, b'{"kind":"Assignment"}')
    assert (patch.verb, patch.path) == ("patch", f"{ASSIGNMENTS}/web/status")
    assert bytes(patch.body) == '{"status":{"phase":"é"}}'.encode()


def test_an_object_is_handed_on_as_it_was_sent() -> None:
    sent = b'{ "a" : 1.0, "a": [ 2 ],"b":"\\u00e9" }'
    (item,) = reading.read(
        b'{"kind":"BulkWrite","apiVersion":"bulk.starlink.dev/v1alpha1","items":'
        b'[{"object": %b , "namespace":"ns","verb":"create"}]}' % sent
    )
    assert bytes(item.body) == sent


def test_as_many_as_may_be() -> None:
    assert len(read([CREATE] * reading.MOST_ITEMS)) == reading.MOST_ITEMS


@pytest.mark.parametrize(
    ("change", "field", "told"),
    [
        ({"verb": "delete"}, "items[1].verb", 'Invalid value: "delete": must be "create" or "patch"'),
        ({"verb": 7}, "items[1].verb", "Invalid value: 7: Expected `str`, got `int`"),
        ({"verb": None}, "items[1].verb", "Invalid value: null"),
        ({"verb": ""}, "items[1].verb", 'Required value: must be "create" or "patch"'),
        ({"namespace": ""}, "items[1].namespace", "Required value: must be the name of a namespace"),
        ({"namespace": "a/b"}, "items[1].namespace", 'Invalid value: "a/b"'),
        ({"namespace": ["ns"]}, "items[1].namespace", 'Invalid value: ["ns"]'),
        ({"name": ""}, "items[1].name", "Required value: must be the name of an Assignment"),
        ({"name": "web/scale"}, "items[1].name", 'Invalid value: "web/scale"'),
        ({"subresource": "scale"}, "items[1].subresource", 'Invalid value: "scale": must be "status"'),
        ({"subresource": ""}, "items[1].subresource", 'Required value: must be "status"'),
        ({"verb": "create"}, "items[1].name", "a create has none; the name is in its object"),
        ({"object": [1]}, "items[1].object", "Invalid value: [1]: must be the merge patch, an object"),
        ({"object": None}, "items[1].object", "Invalid value: null: must be the merge patch, an object"),
        ({"query": "x"}, "items[1]", "Object contains unknown field `query`"),
    ],
)
def test_what_is_wrong_is_named_with_its_value(change: dict[str, Any], field: str, told: str) -> None:
    error = refused([CREATE, {**PATCH, **change}, CREATE])
    assert (error.code, error.causes[0].field) == (422, field)
    assert told in error.message and f"{field}: " in error.message


def test_what_is_missing_is_named() -> None:
    error = refused([{"verb": "patch"}])
    assert [cause.field for cause in error.causes] == [
        "items[0].name", "items[0].subresource", "items[0].namespace", "items[0].object",
    ]  # fmt: skip
    assert {cause.reason for cause in error.causes} == {"FieldValueRequired"}


@pytest.mark.parametrize(
    ("items", "code", "told"),
    [
        ([], 422, "items: Required value: name 1 to 500 writes"),
        ([CREATE] * 501, 422, "items: Too many: 501: must have at most 500 items"),
        ([1] * 501, 422, "items: Too many: 501"),
        ([CREATE, "web"], 422, 'items[1]: Invalid value: "web": Expected `object`, got `str`'),
        ([None], 422, "items[0]: Invalid value: null"),
        ({}, 400, "Expected `array`, got `object` - at `$.items`"),
        (None, 400, "Expected `array`, got `null` - at `$.items`"),
    ],
    ids=["none", "too many", "too many that are none", "text", "null", "an object", "no list"],
)
def test_items_are_a_list_of_some(items: Any, code: int, told: str) -> None:
    error = refused(items)
    assert error.code == code and told in error.message


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "is not JSON"),
        (b"[]", "Expected `object`, got `array`"),
        (b'{"items":[{"verb":"create"', "is not JSON"),
        (b'{"items":[{"verb":1},{]}', "is not JSON"),
        (b'{"kind":"BulkWrite","items":[]}', 'apiVersion is not said; it must be "bulk.starlink.dev/v1alpha1"'),
        (b'{"apiVersion":"bulk.starlink.dev/v1alpha1","kind":"Task"}', 'kind is "Task"; it must be "BulkWrite"'),
        (b'{"apiVersion":"v1","kind":"BulkWrite","items":[1]}', 'apiVersion is "v1"'),
        (b'{"options":{}}', "unknown field `options`"),
        (b'{"items":' + b"[" * 100_000, "is not JSON: maximum recursion depth"),
        (b'{"items":[{"verb":1,"object":' + b"[" * 100_000, "is not JSON: maximum recursion depth"),
        (b'{"items":[{"verb":"\xff"}]}', "is not JSON"),
    ],
)
def test_what_is_no_bulk_write(body: bytes, told: str) -> None:
    error = refusal(body)
    assert error.code == 400 and told in error.message


def test_a_long_value_is_cut() -> None:
    error = refused([{**CREATE, "verb": "v" * 100_000}])
    assert len(error.message) < 300


def test_many_wrong_items_are_told_as_far_as_a_refusal_goes() -> None:
    error = refused([{"verb": "x"}] * 500)
    assert len(error.causes) == 100 and error.message.endswith("and more]")


def test_values_have_a_most_over_all_items() -> None:
    body = b'{"items":[' + b"[]," * reading.MOST_VALUES + b"1]}"
    error = refusal(body)
    assert (error.code, error.reason) == (413, "RequestEntityTooLarge")
    assert "limit is 400000 names and values" in error.message
