"""Objects within objects, by x-kubernetes-embedded-resource. Pure.

https://github.com/kubernetes/apiextensions-apiserver/blob/master/pkg/apiserver/schema/objectmeta/validation.go
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from starlink.api.errors import Cause
from starlink.apiserver.cel.formats import label_1035
from starlink.apiserver.schema import causes, structure
from starlink.apiserver.schema.correlation import ABSENT, counterparts, same
from starlink.apiserver.schema.structure import Node
from starlink.apiserver.validation import metadata, metadata_types

Obj = dict[str, Any]
_UNNAMED = "fakename"


def check(node: Node, value: Any, old: Any, path: str = "") -> Iterator[Cause]:
    """Why what is embedded below `node`, and differs from what was there, is no object of Kubernetes."""
    if same(value, old):
        return
    if isinstance(value, dict):
        if node.embedded:
            yield from _check_object(value, path)
        before = old if isinstance(old, dict) else {}
        for name, part in value.items():
            below = structure.child(node, name)
            if below is not None and below.embeds:
                here = structure.path_of_child(node, path, name)
                yield from check(below, part, before.get(name, ABSENT), here)
    elif isinstance(value, list) and node.items is not None:
        for index, before in enumerate(counterparts(node, value, old)):
            yield from check(node.items, value[index], before, f"{path}[{index}]")


def _check_object(obj: Obj, path: str) -> Iterator[Cause]:
    for field, rule in (("apiVersion", _version_errors), ("kind", _kind_errors)):
        here = f"{path}.{field}"
        if field not in obj:
            yield causes.required(here, "must not be empty")
        elif not isinstance(obj[field], str):
            yield causes.invalid(here, obj[field], "must be a string")
        elif not obj[field]:
            yield causes.invalid(here, "", "must not be empty")
        else:
            yield from (causes.invalid(here, obj[field], why) for why in rule(obj[field]))
    if "metadata" in obj:
        yield from _check_metadata(obj["metadata"], path)


def _version_errors(version: str) -> list[str]:
    return [f"unexpected GroupVersion string: {version}"] if version.count("/") > 1 else []


def _kind_errors(kind: str) -> list[str]:
    wrong = label_1035(kind.lower())
    return [f"may have mixed case, but should otherwise match: {','.join(wrong)}"] if wrong else []


def _check_metadata(meta: Any, path: str) -> Iterator[Cause]:
    found = metadata_types.check(meta)
    if not found:
        found = metadata.check({**meta, "name": meta.get("name") or _UNNAMED}, "path")
    yield from (replace(cause, field=f"{path}.{cause.field}") for cause in found)
