"""Selectors and patches as Hypothesis makes them: understood or refused, never a 500."""

from typing import Any

import hypothesis.strategies as st
import msgspec
from hypothesis import given
from tests.profiles import examples

from starlink.api.errors import StatusError
from starlink.apiserver.kinds.builtin import builtin_resources
from starlink.apiserver.requests.writing import patches
from starlink.apiserver.resources import encoding, selectors

CONFIG_MAPS = next(resource for resource in builtin_resources() if resource.plural == "configmaps")
LIVE: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "x", "namespace": "default", "labels": {"a": "b"}, "finalizers": ["example.com/a"]},
    "data": {"a": "b"},
}

selector_text = st.text(alphabet="ab=!,() <>notin.\\/\"'\t\n\x00ü", max_size=30)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["metadata", "data", "labels", "a", "finalizers", "$patch", "$retainKeys", "", "name"])
            | st.just("$setElementOrder/finalizers")
            | st.just("$deleteFromPrimitiveList/finalizers"),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)
pointers = st.sampled_from(
    ["", "/", "/metadata", "/metadata/labels/a", "/data/-", "/metadata/finalizers/0", "~", "/a~2"]
)
operations = st.fixed_dictionaries(
    {"op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test", "x"]), "path": pointers},
    optional={"value": json_values, "from": pointers},
)
quick = examples(500)


@quick
@given(selector_text, selector_text)
def test_selectors(labels: str, fields: str) -> None:
    try:
        selector = selectors.parse(CONFIG_MAPS, labels, fields)
    except StatusError as error:
        assert error.code == 400
        assert error.message
    else:
        assert selector.matches(LIVE) in (True, False)


@quick
@given(st.sampled_from([patches.MERGE, patches.STRATEGIC]), json_values)
def test_merging_patches(media: str, patch: Any) -> None:
    check(patch, media)


@quick
@given(st.lists(operations | json_values, max_size=4))
def test_json_patches(patch: Any) -> None:
    check(patch, patches.JSON_PATCH)


def check(patch: Any, media: str) -> None:
    """A patch gives JSON or is refused, and leaves what it is applied to as it was."""
    before = msgspec.json.encode(LIVE)
    try:
        new = patches.apply(LIVE, patch, media, CONFIG_MAPS)
    except StatusError as error:
        assert error.code in (400, 413, 422)
        assert error.message
    else:
        assert isinstance(new, dict)
        assert encoding.dump(new)
    assert msgspec.json.encode(LIVE) == before
