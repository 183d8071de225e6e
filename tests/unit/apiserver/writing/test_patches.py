"""What a patch makes of an object, and what it needs for that."""

from typing import Any

import pytest

from starlink.apiserver.requests.writing import patches
from starlink.apiserver.resources.resource import Resource
from starlink.apiserver.schema.structure import Node


class _Unread:
    """A stored schema, which is decoded anew each time that it is asked for as published."""

    digest = b""

    @property
    def openapi(self) -> dict[str, Any]:
        raise AssertionError("the schema of a large kind is decoded for a small patch")

    @property
    def node(self) -> Node:
        raise AssertionError

    def conform(self, obj: Any, *, defaults: bool, old: Any = None) -> tuple[Any, list[str]]:
        raise AssertionError

    def validate(self, obj: Any, old: Any, *, subresource: str = "") -> tuple[Any, ...]:
        raise AssertionError


RESOURCE = Resource("example.org", "v1", "widgets", "widget", "Widget", True, _Unread(), custom=True)


@pytest.mark.parametrize(
    ("media_type", "patch"),
    [
        (patches.MERGE, {"status": {"phase": "Running", "reason": None}}),
        (patches.JSON_PATCH, [{"op": "replace", "path": "/status", "value": {"phase": "Running"}}]),
    ],
)
def test_only_a_strategic_merge_reads_the_schema(media_type: str, patch: Any) -> None:
    obj = {"metadata": {"name": "w"}, "status": {"phase": "Pending", "reason": "New"}}
    patched = patches.change(RESOURCE, patch, media_type)(obj)
    assert patched == {"metadata": {"name": "w"}, "status": {"phase": "Running"}}
