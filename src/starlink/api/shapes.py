"""Whether a value has the shape that a schema gives: the part of JSON Schema in which drivers write theirs. Pure.

Of `type`, `properties`, `required`, `items`, `minItems`, `maxItems`, `maxLength`, `minimum`, `maximum` and `enum` each
means what it means there; `format` may be `duration`, as in `30s`; and an object with `properties` has no others.
https://json-schema.org/draft/2020-12/json-schema-validation
"""

from collections.abc import Iterator, Mapping
from typing import Any

from starlink.api import duration

Schema = Mapping[str, Any]

_MOST_SHOWN = 40
_TYPES: Mapping[str, tuple[tuple[type, ...], str]] = {
    "object": ((dict,), "an object"),
    "array": ((list, tuple), "a list"),
    "string": ((str,), "a text"),
    "integer": ((int,), "a whole number"),
    "number": ((int, float), "a number"),
    "boolean": ((bool,), "true or false"),
}


def fault(schema: Schema, value: object, at: str, *, quoted: bool = True) -> str:
    """The first field below `at` that has another shape, with its value where `quoted`, and what would be right; ""
    when there is none."""
    return next(_faults(schema, value, at, quoted), "")


def _faults(schema: Schema, value: object, at: str, quoted: bool) -> Iterator[str]:
    types, words = _TYPES[schema["type"]]
    if not isinstance(value, types) or (isinstance(value, bool) and schema["type"] != "boolean"):
        yield f"{at}: {_shown(value, quoted)} is not {words}; write {words}"
    elif isinstance(value, dict):
        yield from _of_object(schema, value, at, quoted)
    elif isinstance(value, list | tuple):
        yield from _of_list(schema, value, at, quoted)
    elif wanted := _wanted(schema, value):
        yield f"{at}: {_shown(value, quoted)} can't be used; write {wanted}"


def _of_object(schema: Schema, value: Mapping[str, object], at: str, quoted: bool) -> Iterator[str]:
    properties: Mapping[str, Schema] = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in value:
            yield f"{at}.{name}: it is missing; write it"
    for name, part in value.items():
        if name in properties:
            yield from _faults(properties[name], part, f"{at}.{name}", quoted)
        elif properties:
            known = ", ".join(sorted(properties))
            yield f"{at}: {_shown(name, quoted)} is no field of it; write one of {known}"


def _of_list(schema: Schema, value: list[object] | tuple[object, ...], at: str, quoted: bool) -> Iterator[str]:
    least, most = schema.get("minItems", 0), schema.get("maxItems")
    if len(value) < least:
        yield f"{at}: it has {len(value)} items; write at least {least}"
    if most is not None and len(value) > most:
        yield f"{at}: it has {len(value)} items; write at most {most}"
    for number, item in enumerate(value):
        yield from _faults(schema.get("items", {"type": "string"}), item, f"{at}[{number}]", quoted)


def _wanted(schema: Schema, value: object) -> str:
    """What would be right in place of a text, a number or a truth; "" when it is right."""
    if "enum" in schema and value not in schema["enum"]:
        return " or ".join(map(str, schema["enum"]))
    if isinstance(value, str):
        if len(value) > (most := schema.get("maxLength", len(value))):
            return f"at most {most} characters"
        return "a duration such as 30s or 1m30s" if schema.get("format") == "duration" and not _lasts(value) else ""
    least, most = schema.get("minimum", value), schema.get("maximum", value)
    assert isinstance(value, int | float)
    if least <= value <= most:
        return ""
    bounds = {"minimum": "at least", "maximum": "at most"}
    return f"a number of {' and '.join(f'{words} {schema[key]}' for key, words in bounds.items() if key in schema)}"


def _lasts(text: str) -> bool:
    try:
        return duration.seconds(text) < float("inf")
    except ValueError:
        return False


def _shown(value: object, quoted: bool) -> str:
    return repr(value)[:_MOST_SHOWN] if quoted else "its value"
