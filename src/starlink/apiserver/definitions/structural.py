"""Whether an OpenAPI v3 schema of a CRD is structural. Pure.

https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema;
the words are those of
https://github.com/kubernetes/apiextensions-apiserver/blob/master/pkg/apiserver/schema/validation.go.
"""

import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs

from starlink.api.errors import Cause
from starlink.apiserver import cel
from starlink.apiserver.definitions import defaulting, junctors, keywords, list_types
from starlink.apiserver.definitions.keywords import Schema
from starlink.apiserver.schema import causes

_UNTYPED = {
    "root": "must not be empty at the root",
    "item": "must not be empty for specified array items",
    "field": "must not be empty for specified object fields",
}
_PRESERVE, _EMBEDDED = "x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource"
_INT_OR_STRING = "x-kubernetes-int-or-string"
_AT_ROOT_WITH_STATUS = {
    "description": "Description", "type": "Type", "format": "Format", "title": "Title", "maximum": "Maximum",
    "exclusiveMaximum": "ExclusiveMaximum", "minimum": "Minimum", "exclusiveMinimum": "ExclusiveMinimum",
    "maxLength": "MaxLength", "minLength": "MinLength", "pattern": "Pattern", "maxItems": "MaxItems",
    "minItems": "MinItems", "uniqueItems": "UniqueItems", "multipleOf": "MultipleOf", "required": "Required",
    "items": "Items", "properties": "Properties", "externalDocs": "ExternalDocs", "example": "Example",
    _PRESERVE: "XPreserveUnknownFields", "x-kubernetes-validations": "XValidations",
}  # fmt: skip


def check(schema: Any, path: str, *, status: bool = False, costs: bool = True) -> list[Cause]:
    """Why the schema at `path` is refused; `status`: whether the kind has the status subresource, `costs`: whether its
    rules are refused for what they may cost, too."""
    wrong = list(keywords.check(schema, path))
    if wrong:
        return wrong
    found = list(_check_root(schema, path, status))
    structure = list(_check_structure(schema, path, "root")) + list(junctors.check_complete(schema, path))
    structure.sort(key=lambda cause: f"{cause.field}: {cause.message}")
    found += structure or defaulting.check(schema, path)
    found += list_types.check(schema, path)
    return found or list(cel.verify(schema, path, costs=costs))


def _check_root(schema: Schema, path: str, status: bool) -> Iterator[Cause]:
    allowed = " ".join(_AT_ROOT_WITH_STATUS.values())
    if status and any(schema[keyword] for keyword in schema if keyword not in _AT_ROOT_WITH_STATUS):
        why = f"only [{allowed}] fields are allowed at the root of the schema if the status subresource is enabled"
        yield causes.invalid(path, schema, why)
    if schema.get("nullable"):
        yield causes.forbidden(f"{path}.nullable", "nullable cannot be true at the root")


def _check_structure(schema: Schema, path: str, level: str) -> Iterator[Cause]:
    if schema.get("type") == "array" and "items" not in schema:
        yield causes.required(f"{path}.items", "must be specified")
    if "items" in schema:
        yield from _check_structure(schema["items"], f"{path}.items", "item")
    for name, part in (schema.get("properties") or {}).items():
        yield from _check_structure(part, f"{path}.properties[{name}]", "field")
    if "additionalProperties" in schema:
        yield from _check_additional(schema, f"{path}.additionalProperties", level)
    yield from _check_extensions(schema, path)
    yield from junctors.check(schema, path)
    yield from _check_pattern(schema, path)
    yield from _check_type(schema, path, level)
    yield from _check_meta(schema, path, level)


def _check_additional(schema: Schema, path: str, level: str) -> Iterator[Cause]:
    if level == "root":
        yield causes.forbidden(path, "must not be used at the root")
    if schema.get(_EMBEDDED):
        yield causes.forbidden(path, f"must not be used if {_EMBEDDED} is set")
    if isinstance(schema["additionalProperties"], dict):
        yield from _check_structure(schema["additionalProperties"], path, "field")


def _check_extensions(schema: Schema, path: str) -> Iterator[Cause]:
    for keyword in (_PRESERVE, _EMBEDDED):
        if schema.get(_INT_OR_STRING) and schema.get(keyword):
            yield causes.invalid(f"{path}.{keyword}", True, f"must be false if {_INT_OR_STRING} is true")
    if schema.get(_EMBEDDED) and not schema.get(_PRESERVE) and not schema.get("properties"):
        why = f"must not be empty if {_EMBEDDED} is true without {_PRESERVE}"
        yield causes.required(f"{path}.properties", why)


def _check_pattern(schema: Schema, path: str) -> Iterator[Cause]:
    pattern = schema.get("pattern")
    if pattern and (why := pattern_error(pattern)):
        yield causes.invalid(f"{path}.pattern", pattern, f"must be a valid regular expression, but isn't: {why}")


def pattern_error(pattern: str) -> str:
    """Why a pattern is none, "" when it is one."""
    try:
        jsonschema_rs.validator_for({"pattern": pattern}, pattern_options=jsonschema_rs.RegexOptions())
    except ValueError:
        try:
            re.compile(pattern)
        except re.error as error:
            return f"error parsing regexp: {error}"
        return "error parsing regexp: look-around and back references are not supported"
    return ""


def _check_type(schema: Schema, path: str, level: str) -> Iterator[Cause]:
    here, kind = f"{path}.type", schema.get("type", "")
    if schema.get(_EMBEDDED) and kind != "object":
        why = f"must be object if {_EMBEDDED} is true"
        yield causes.invalid(here, kind, why) if kind else causes.required(here, why)
    elif not kind and not schema.get(_INT_OR_STRING) and not schema.get(_PRESERVE):
        yield causes.required(here, _UNTYPED[level])
    if level == "root" and kind not in ("", "object"):
        yield causes.invalid(here, kind, "must be object at the root")


def _check_meta(schema: Schema, path: str, level: str) -> Iterator[Cause]:
    """What a schema says of the type and the metadata of an object, its own or an embedded one."""
    properties = schema.get("properties") or {}
    if level != "root" and not schema.get(_EMBEDDED):
        return
    for name, wanted in (("kind", "string"), ("apiVersion", "string"), ("metadata", "object")):
        kind = properties[name].get("type", "") if name in properties else wanted
        if kind != wanted:
            yield causes.invalid(f"{path}.properties[{name}].type", kind, f"must be {wanted}")
    if level == "root" and not _is_plain_metadata(properties.get("metadata") or {}):
        why = "must not specify anything other than name and generateName, but metadata is implicitly specified"
        yield causes.forbidden(f"{path}.properties[metadata]", why)


def _is_plain_metadata(schema: Schema) -> bool:
    named = set(schema.get("properties") or ()) <= {"name", "generateName"}
    return named and not any(schema[key] for key in schema if key not in ("type", "default", "properties"))
