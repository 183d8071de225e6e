"""Merge patches: the difference of two objects is the patch from one to the other."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from starlink.api.merge_patch import difference, merge

VALUES = st.recursive(
    st.booleans() | st.integers(0, 3) | st.sampled_from("ab"),
    lambda below: st.lists(below, max_size=2) | st.dictionaries(st.sampled_from("abc"), below, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3)


@given(OBJECTS, OBJECTS)
def test_the_difference_makes_the_one_the_other(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert merge(before, difference(before, after)) == after
    assert difference(after, after) == {}


def test_it_names_only_what_changes() -> None:
    before = {"a": 1, "b": {"c": 1, "d": 2}, "e": [1]}
    assert difference(before, {"a": 1, "b": {"c": 1, "d": 3}}) == {"b": {"d": 3}, "e": None}
