"""The parts that the schemas of all kinds share, as data: `meta.yaml`."""

from functools import cache
from pathlib import Path
from typing import Any

from starlink.data_files import load

Obj = dict[str, Any]
_FILE = Path(__file__).with_name("meta.yaml")


@cache
def part(name: str) -> Obj:
    """A shared schema, such as ObjectMeta."""
    found: Obj = resolved(_parts()[name])
    return found


def resolved(value: Any) -> Any:
    """A schema in which each `$ref` is the part that it names, with the keys beside it laid over that."""
    if isinstance(value, list):
        return [resolved(item) for item in value]
    if not isinstance(value, dict):
        return value
    whole = {key: resolved(item) for key, item in value.items() if key != "$ref"}
    return {**part(value["$ref"]), **whole} if "$ref" in value else whole


@cache
def _parts() -> Obj:
    parts: Obj = load(_FILE)
    return parts
