"""What to write in place of what is refused, told with the refusal of a kind of StarLink's; of other kinds the refusals
are the real server's, word for word. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from starlink.api import advice
from starlink.api.errors import Cause
from starlink.api.places import Schema, schema_at, value_at
from starlink.apiserver.resources.encoding import Obj
from starlink.apiserver.resources.resource import Resource
from starlink.apiserver.schema.meta import part


def unknown_fields(resource: Resource, paths: Iterable[str]) -> Iterator[str]:
    """`unknown field "spec.replica" (did you mean replicas?)`, one after the other."""
    is_given = advice.is_given(resource.group)
    schema = _schema(resource) if is_given else {}
    for number, path in enumerate(paths):
        hint = advice.of_field(resource.kind, schema, path) if is_given and number < advice.MOST else ""
        yield f'unknown field "{path}"{f" ({hint})" if hint else ""}'


def with_advice(resource: Resource, obj: Obj, causes: Sequence[Cause]) -> list[Cause]:
    """The causes for which an object is refused, the first with what would be right."""
    if not advice.is_given(resource.group):
        return list(causes)
    schema, said = _schema(resource), set[str]()
    return [*(_advised(resource.kind, schema, obj, one, said) for one in causes[: advice.MOST]), *causes[advice.MOST :]]


def _advised(kind: str, schema: Schema, obj: Obj, cause: Cause, said: set[str]) -> Cause:
    """Of a value that does not fit its pattern the advice takes the pattern's place; else it is said once of a field,
    where its type is wrong or its form has no pattern."""
    hint = advice.of_value(kind, schema, cause.field, value_at(obj, cause.field))
    pattern = schema_at(schema, cause.field).get("pattern", "")
    in_place = cause.message.replace(f"should match '{pattern}'", hint) if hint and pattern else cause.message
    if in_place != cause.message:
        return replace(cause, message=in_place)
    if not hint or cause.field in said or (pattern and cause.reason != "FieldValueTypeInvalid"):
        return cause
    said.add(cause.field)
    return replace(cause, message=f"{cause.message} ({hint})")


def _schema(resource: Resource) -> Schema:
    """With the fields of metadata, which a CRD leaves out."""
    published: Any = resource.schema.openapi
    return {**published, "properties": {**published.get("properties", {}), "metadata": part("ObjectMeta")}}
