"""Whether the defaults of a CRD's schema fit the schema. Pure.

https://github.com/kubernetes/apiextensions-apiserver/blob/master/pkg/apiserver/schema/defaulting/validation.go
"""

from collections.abc import Iterator
from dataclasses import replace

from starlink.api.errors import Cause
from starlink.apiserver.definitions.keywords import Schema
from starlink.apiserver.schema import causes, structure
from starlink.apiserver.schema.causes import NOWHERE
from starlink.apiserver.validation import complaints, json_schema


def check(schema: Schema, path: str) -> list[Cause]:
    """Why a default in a schema of right keywords is refused."""
    return list(_check(schema, path))


def _check(schema: Schema, path: str) -> Iterator[Cause]:
    if schema.get("default") is not None:
        yield from _check_default(schema, f"{path}.default")
    if "items" in schema:
        yield from _check(schema["items"], f"{path}.items")
    for name, part in (schema.get("properties") or {}).items():
        yield from _check(part, f"{path}.properties[{name}]")


def _check_default(schema: Schema, path: str) -> Iterator[Cause]:
    default = schema["default"]
    if list(structure.unknown_paths(structure.build(schema), default)):
        yield causes.invalid(path, default, "must not have unknown fields")
    translated = json_schema.translated(schema)
    try:
        errors = list(json_schema.validator(translated).iter_errors(default))
    except ValueError:
        return  # the schema itself can't be made, which is told of it
    for cause in complaints.told(translated, errors):
        here = path if cause.field == NOWHERE else causes.child(path, cause.field) if cause.field else path
        yield replace(cause, field=here)
