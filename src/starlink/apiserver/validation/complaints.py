"""What jsonschema-rs found, in the words of the real API server. Pure.

https://github.com/kubernetes/kube-openapi/blob/master/pkg/validation/errors/schema.go has the words, and
https://github.com/kubernetes/apiextensions-apiserver/blob/master/pkg/apiserver/validation/validation.go the reasons.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import jsonschema_rs

from starlink.api.errors import MOST_CAUSES, Cause
from starlink.apiserver.schema import causes
from starlink.apiserver.schema.causes import NOWHERE, number, path_of
from starlink.apiserver.validation.json_schema import INTEGERS, JUNCTORS, RANGE, Schema

_Error = jsonschema_rs.ValidationError
_Place = tuple[str | int, ...]

_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
_LIMITS = {
    "minimum": "should be greater than or equal to",
    "maximum": "should be less than or equal to",
    "exclusiveMinimum": "should be greater than",
    "exclusiveMaximum": "should be less than",
}
_NUMBER_FORMATS = ("int32", "int64", "float", "double")
_MOST_EXACT = 2**53 - 1
"""Above it a number with a fraction or an exponent is no integer: swag.IsFloat64AJSONInteger of go-openapi."""


def told(schema: Schema, errors: Iterable[_Error], at: _Place = ()) -> list[Cause]:
    """The causes of the first errors, each once. `schema` is the translated one that the errors are of, `at` the place
    of what it was asked about."""
    found = list(islice(errors, MOST_CAUSES + 1))
    listed = [cause for error in found for cause in _causes(schema, error, at)]
    return list(dict.fromkeys([*listed, *_unmet(schema, found, at)]))


def _causes(schema: Schema, error: _Error, at: _Place) -> Iterator[Cause]:
    path = path_of((*at, *error.instance_path))
    kind: Any = error.kind
    match str(error.schema_path[-1]):
        case "anyOf":
            yield _of_all(f'"{path}" must validate at least one schema (anyOf)')
            yield from _closest(schema, kind.context, at)
        case "oneOf":
            valid = sum(not branch for branch in kind.context)
            found = f"Found {valid} valid alternatives" if valid else "Found none valid"
            yield _of_all(f'"{path}" must validate one and only one schema (oneOf). {found}')
            if not valid:
                yield from _closest(schema, kind.context, at)
        case "not":
            yield _of_all(f'"{path}" must not validate the schema (not)')
        case "minimum" | "maximum" as keyword if RANGE in _at(schema, error):
            yield from _out_of_bounds(_at(schema, error), error, keyword, path)
        case keyword:
            yield _cause(schema, error, keyword, path)


def _cause(schema: Schema, error: _Error, keyword: str, path: str) -> Cause:
    kind: Any = error.kind
    value: Any = error.instance
    match keyword:
        case "required":
            return causes.required(causes.child(path, kind.property))
        case "enum":
            return causes.not_supported(path, value, kind.options)
        case "type":
            return _wrong_type(_at(schema, error), kind.types, value, path)
        case "maxLength":
            return causes.too_long(path, kind.limit)
        case "maxItems" | "maxProperties":
            return causes.too_many(path, len(value), kind.limit)
        case "minItems" | "minProperties":
            what = "items" if keyword == "minItems" else "properties"
            return _invalid(path, len(value), f"should have at least {kind.limit} {what}")
        case "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum":
            return _invalid(path, value, f"{_LIMITS[keyword]} {number(kind.limit)}")
        case "multipleOf":
            return _invalid(path, value, f"should be a multiple of {number(kind.multiple_of)}")
        case "pattern":
            return _invalid(path, value, f"should match '{kind.pattern}'")
        case "minLength":
            return _invalid(path, value, f"should be at least {kind.limit} chars long")
        case "format":
            return causes.wrong_type(
                path, value, f"{path} in body must be of type {kind.format}: {causes.shown(value)}"
            )
        case _:
            return _invalid(path, value, f"is not right: {error.message}")


def _out_of_bounds(schema: Schema, error: _Error, keyword: str, path: str) -> Iterator[Cause]:
    """Of an integer: what Go can't hold as one, what its format can't hold, and what the schema itself forbids."""
    value: Any = error.instance
    kind: Any = error.kind
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    bounds = INTEGERS[schema[RANGE]]
    if _is_float(value):
        yield _wrong_type(schema, types, float("inf"), path)
    elif not bounds[0] <= value <= bounds[-1] and "string" not in types:
        named = f"with format {schema['format']}" if "format" in schema else "(default format)"
        yield _of_all(f"Checked value must be of type integer {named} in {path}")
    if kind.limit not in (bounds[0], bounds[-1]):
        yield _invalid(path, value, f"{_LIMITS[keyword]} {number(kind.limit)}")


def _is_float(value: float) -> bool:
    """Whether Go reads the number as one with a fraction, and can't take it for an integer."""
    return abs(value) > _MOST_EXACT if isinstance(value, float) else value not in INTEGERS["int64"]


def _wrong_type(schema: Schema, types: Sequence[str], value: Any, path: str) -> Cause:
    """A number whose schema has a format is told of that instead of the type, as is anything but text and lists."""
    got, wanted = _TYPES.get(type(value), "null"), ",".join(kind for kind in types if kind != "null")
    if schema.get("format") in _NUMBER_FORMATS and not isinstance(value, str | list | None):
        wanted, got = schema["format"], "double" if isinstance(value, float) else ""
    return causes.wrong_type(path, got, f'{path} in body must be of type {wanted}: "{got}"')


def _invalid(path: str, value: Any, why: str) -> Cause:
    return causes.invalid(path, value, f"{path} in body {why}")


def _of_all(why: str) -> Cause:
    """A cause that the real server ties to no field."""
    return causes.invalid(NOWHERE, "", why)


def _closest(schema: Schema, branches: Sequence[Sequence[_Error]], at: _Place) -> Iterator[Cause]:
    """What is wrong by the branch that comes closest, which is that with the fewest errors."""
    for error in min(branches, key=len):
        yield from _causes(schema, error, at)


def _unmet(schema: Schema, errors: Sequence[_Error], at: _Place) -> Iterator[Cause]:
    """A cause for each allOf of which a branch is not met."""
    failed: dict[tuple[_Place, _Place], set[int]] = defaultdict(set)
    for error in errors:
        for place, instance, branch in _branches(tuple(error.schema_path), tuple(error.instance_path)):
            failed[place, instance].add(branch)
    for (place, instance), branches in failed.items():
        none = ". None validated" if len(branches) == len(_walk(schema, place)) else ""
        yield _of_all(f'"{path_of((*at, *instance))}" must validate all the schemas (allOf){none}')


def _branches(schema_path: _Place, instance_path: _Place) -> Iterator[tuple[_Place, _Place, int]]:
    """The allOf along a path: where it is in the schema, where in the object, and which branch the path takes."""
    step = depth = 0
    while step < len(schema_path):
        keyword = schema_path[step]
        if keyword == "allOf":
            yield schema_path[: step + 1], instance_path[:depth], int(schema_path[step + 1])
        step += 2 if keyword in ("properties", *JUNCTORS) else 1
        depth += keyword in ("properties", "additionalProperties", "items")


def _at(schema: Schema, error: _Error) -> Schema:
    """The schema whose keyword was not met."""
    found: Schema = _walk(schema, tuple(error.schema_path[:-1]))
    return found


def _walk(schema: Any, path: _Place) -> Any:
    for step in path:
        schema = schema[step]
    return schema
