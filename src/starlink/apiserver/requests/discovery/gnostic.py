"""A Swagger 2.0 document as the protobuf message in which kubectl asks for it. Pure.

The message is `openapi.v2.Document` of https://github.com/google/gnostic-models/blob/main/openapiv2/OpenAPIv2.proto,
whose field numbers stand below. It has a map as a list of pairs, and what may be anything as YAML, here JSON.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from starlink.apiserver.protobuf_wire import field
from starlink.apiserver.resources.encoding import dump

Obj = Mapping[str, Any]

_TEXTS = {"$ref": 1, "format": 2, "title": 3, "description": 4, "pattern": 13}
_NUMBERS = {
    "multipleOf": 6, "maximum": 7, "exclusiveMaximum": 8, "minimum": 9, "exclusiveMinimum": 10, "maxLength": 11,
    "minLength": 12, "maxItems": 14, "minItems": 15, "uniqueItems": 16, "maxProperties": 17, "minProperties": 18,
}  # fmt: skip
_FRACTIONS = ("multipleOf", "maximum", "minimum")
_METHODS = {"get": 2, "put": 3, "post": 4, "delete": 5, "options": 6, "head": 7, "patch": 8}


def encoded(swagger: Obj) -> bytes:
    """The message of a document, as `swagger.document` gives it."""
    info = field(1, swagger["info"]["title"]) + field(2, swagger["info"]["version"])
    paths = (field(2, _named(path, _path_item(item))) for path, item in swagger["paths"].items())
    return b"".join(
        (
            field(1, swagger["swagger"]),
            field(2, info),
            field(8, b"".join(paths)),
            field(9, _schemas(swagger["definitions"])),
        )
    )


def _named(name: str, value: bytes) -> bytes:
    return field(1, name) + field(2, value)


def _anything(value: Any) -> bytes:
    return field(2, dump(value))


def _extensions(number: int, holder: Obj) -> Iterable[bytes]:
    return (field(number, _named(key, _anything(value))) for key, value in holder.items() if key.startswith("x-"))


def _path_item(item: Obj) -> bytes:
    operations = (field(number, _operation(item[method])) for method, number in _METHODS.items() if method in item)
    shared = (field(9, _parameter(parameter)) for parameter in item.get("parameters", ()))
    return b"".join((*operations, *shared))


def _operation(operation: Obj) -> bytes:
    responses = (
        field(1, _named(code, field(1, _response(response)))) for code, response in operation["responses"].items()
    )
    return b"".join(
        (
            *(field(1, tag) for tag in operation["tags"]),
            field(5, operation["operationId"]),
            *(field(6, media) for media in operation["produces"]),
            *(field(7, media) for media in operation["consumes"]),
            *(field(8, _parameter(parameter)) for parameter in operation["parameters"]),
            field(9, b"".join(responses)),
            *_extensions(13, operation),
        )
    )


def _response(response: Obj) -> bytes:
    return field(1, response["description"]) + field(2, field(1, _schema(response["schema"])))


def _parameter(parameter: Obj) -> bytes:
    """One of three places, each a message of its own with numbers of its own."""
    if parameter["in"] == "body":
        body = (field(2, parameter["name"]), field(3, "body"), field(4, 1), field(5, _schema(parameter["schema"])))
        return field(1, field(1, b"".join(body)))
    if parameter["in"] == "query":
        query = field(2, "query") + field(4, parameter["name"]) + field(6, parameter["type"])
        return field(1, field(2, field(3, query)))
    path = field(1, 1) + field(2, "path") + field(4, parameter["name"]) + field(5, parameter["type"])
    return field(1, field(2, field(4, path)))


def _schemas(schemas: Obj) -> bytes:
    return b"".join(field(1, _named(name, _schema(schema))) for name, schema in schemas.items())


def _schema(schema: Obj) -> bytes:
    return b"".join(_schema_fields(schema))


def _schema_fields(schema: Obj) -> Iterable[bytes]:
    yield from (field(number, schema[key]) for key, number in _TEXTS.items() if key in schema)
    for key, number in _NUMBERS.items():
        if key in schema:
            yield field(number, float(schema[key]) if key in _FRACTIONS else int(schema[key]))
    if "default" in schema:
        yield field(5, _anything(schema["default"]))
    yield from (field(19, name) for name in schema.get("required", ()))
    yield from (field(20, _anything(option)) for option in schema.get("enum", ()))
    yield from _parts(schema)
    yield from _extensions(31, schema)


def _parts(schema: Obj) -> Iterable[bytes]:
    extra = schema.get("additionalProperties")
    if extra is not None:
        yield field(21, field(2, int(extra)) if isinstance(extra, bool) else field(1, _schema(extra)))
    if "type" in schema:
        yield field(22, field(1, schema["type"]))
    if "items" in schema:
        yield field(23, field(1, _schema(schema["items"])))
    if "properties" in schema:
        yield field(25, _schemas(schema["properties"]))
