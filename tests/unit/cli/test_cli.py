"""The command line's pure parts."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from starlink.api.merge_patch import merge
from starlink.cli.apply import last_applied, three_way, with_annotation
from starlink.cli.rows import Rows
from starlink.cli.screen import Screen

_LEVELS = 5


def nested(levels: int) -> st.SearchStrategy[dict[str, Any]]:
    """Objects in objects. Of a leaf only its equality to another matters, so a few are enough, and meet often."""
    leaf = st.sampled_from((0, 1, -1, "", "x", "0"))
    values = leaf | nested(levels - 1) if levels > 1 else leaf
    return st.fixed_dictionaries({}, optional=dict.fromkeys("abc", values))


objects = nested(_LEVELS)


def contains(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(
            key in found and contains(found[key], value) for key, value in wanted.items()
        )
    return bool(found == wanted)


@given(objects, objects, objects)
def test_an_apply_brings_what_is_wanted_and_takes_what_was_applied_before(
    last: dict[str, Any], wanted: dict[str, Any], current: dict[str, Any]
) -> None:
    after = merge(current, three_way(last, wanted, current))
    assert contains(after, wanted)
    assert all(key not in after for key in last if key not in wanted)
    assert all(after[key] == current[key] for key in current if key not in last and key not in wanted)
    assert three_way(wanted, wanted, after) == {}


def test_the_annotation_is_kubectls() -> None:
    noted = with_annotation({"kind": "Task", "metadata": {"name": "a", "annotations": {"x": "y"}}})
    assert last_applied(noted) == {"kind": "Task", "metadata": {"name": "a", "annotations": {"x": "y"}}}
    assert (
        last_applied({"metadata": {}})
        == {}
        == last_applied({"metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "junk"}}})
    )


def test_a_table_is_aligned() -> None:
    table: dict[str, Any] = {
        "columnDefinitions": [
            {"name": "Name", "priority": 0},
            {"name": "Ready", "priority": 0},
            {"name": "Message", "priority": 1},
        ],
        "rows": [
            {"cells": ["a", True, "m"], "object": {"metadata": {"namespace": "ns"}}},
            {"cells": ["longer", None, "n"], "object": {"metadata": {}}},
        ],
    }
    columns, rows = table["columnDefinitions"], table["rows"]
    assert Rows(columns, Screen()).render(rows) == "NAME    READY\na       true\nlonger  <none>\n"
    assert "MESSAGE" in Rows(columns, Screen(), wide=True, namespaces=True).render(rows)
