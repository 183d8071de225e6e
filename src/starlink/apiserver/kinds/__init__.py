"""The kinds that are there without a CRD, as data: a YAML file a group.

A file has `group`, `version` and `kinds`, each with its names, columns and schema. A schema may name a
shared part of `meta.yaml` by `$ref`; keys beside it are laid over the part. `parts` is for anchors.
"""

from functools import cache
from pathlib import Path
from typing import Any

from starlink.data_files import load

Obj = dict[str, Any]
_FOLDER = Path(__file__).parent


@cache
def part(name: str) -> Obj:
    """A shared schema, such as ObjectMeta."""
    found: Obj = _resolved(_parts()[name])
    return found


@cache
def groups() -> tuple[Obj, ...]:
    """The files of all groups, with references resolved, in the order of their names."""
    paths = sorted(path for path in _FOLDER.glob("*.yaml") if path.name != "meta.yaml")
    return tuple(_resolved(load(path)) for path in paths)


@cache
def _parts() -> Obj:
    parts: Obj = load(_FOLDER / "meta.yaml")
    return parts


def _resolved(value: Any) -> Any:
    if isinstance(value, list):
        return [_resolved(item) for item in value]
    if not isinstance(value, dict):
        return value
    resolved = {key: _resolved(item) for key, item in value.items() if key != "$ref"}
    return {**part(value["$ref"]), **resolved} if "$ref" in value else resolved
