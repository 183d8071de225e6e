"""Tables: what `kubectl get` prints, rendered by the server (meta.k8s.io/v1 Table). Pure."""

from collections.abc import Sequence
from typing import Any

import msgspec

from starlink.apiserver.requests.reading import cells
from starlink.apiserver.requests.reading.cells import age, find
from starlink.apiserver.resources.resource import Column, Resource

Obj = dict[str, Any]

_NAME_HELP = "Name must be unique within a namespace."
_NAME = {"name": "Name", "type": "string", "format": "name", "description": _NAME_HELP, "priority": 0}


def table(
    resource: Resource,
    objects: Sequence[Obj],
    *,
    include: str,
    now: float,
    resource_version: str,
    continue_: str = "",
    remaining: int | None = None,
    headers: bool = True,
) -> Obj:
    """A Table of the objects; `include` is None, Metadata or Object; `now` in epoch seconds, for ages."""
    meta: Obj = {"resourceVersion": resource_version}
    if continue_:
        meta["continue"] = continue_
    if remaining is not None:
        meta["remainingItemCount"] = remaining
    columns = _columns(resource)
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": meta,
        "columnDefinitions": [definition for definition, _ in columns] if headers else [],
        "rows": [
            {
                "cells": [_cell(obj, column, now, custom=resource.custom) for _, column in columns],
                "object": _included(obj, include),
            }
            for obj in objects
        ],
    }


def _columns(resource: Resource) -> list[tuple[Obj, Column]]:
    columns = resource.columns or (Column("Age", "date", ".metadata.creationTimestamp"),)
    shown = [(_definition(column, custom=resource.custom), column) for column in columns]
    return [(_NAME, Column("Name", "string", ".metadata.name")), *shown] if resource.name_column else shown


def _definition(column: Column, *, custom: bool) -> Obj:
    shown_as = "string" if column.type == "date" and column.format != "date-time" and not custom else column.type
    usual = f"Custom resource definition column (in JSONPath format): {column.path}" if custom else column.path
    return {
        "name": column.name,
        "type": shown_as,
        "format": "" if column.format == "date-time" and not custom else column.format,
        "description": column.description or usual,
        "priority": column.priority,
    }


def _cell(obj: Obj, column: Column, now: float, *, custom: bool) -> Any:
    if column.path.endswith(")"):
        return cells.compute(obj, column.path, now)
    value = find(obj, column.path)
    if column.type == "date" and column.format != "date-time":
        return age(value, now) if isinstance(value, str) else "<unknown>" if column.name == "Age" else None
    if custom:
        return _typed(value, column.type)
    return str(value) if isinstance(value, dict | list) else value


def _typed(value: Any, type_: str) -> Any:
    """The cell of a custom column: a string shows anything, other types only what is of theirs."""
    if type_ == "string":
        return value if value is None or isinstance(value, str) else msgspec.json.encode(value).decode()
    if type_ == "boolean":
        return value if isinstance(value, bool) else None
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return int(value) if type_ == "integer" else float(value)


def _included(obj: Obj, include: str) -> Obj | None:
    if include == "Object":
        return obj
    if include == "None":
        return None
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}
