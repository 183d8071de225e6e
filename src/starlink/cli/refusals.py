"""What the API says against a manifest, told so that it helps: what would be right, and no more."""

import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import msgspec

from starlink.api import advice
from starlink.api.kinds import Kind
from starlink.api.places import Schema, value_at
from starlink.cli.placed import Placed
from starlink.client.errors import ApiError, ClientError
from starlink.client.kube import Client

_JSON = {"Accept": "application/json"}
_STRICT = "strict decoding error: "
_NEXT_FIELD = re.compile(r", (?=(?:unknown|duplicate) field )")
_UNKNOWN = re.compile(r'unknown field "([^"]*)"')
_UNCHECKED = "some validation rules were not checked"
_UNEVALUATED = " evaluating rule: "
"""What follows from something else that is wrong."""
_TYPE_ALONE = re.compile(r'Invalid value: "(?:object|array|string|integer|number|boolean)": ')
_VALUE_TWICE = re.compile(r'Invalid value: "?([^":]+)"?: (?=\1 )')
_BY_POLICY = re.compile(r"ValidatingAdmissionPolicy '([^']*)' with binding '[^']*' denied request: ")
_NOWHERE = ("", "<nil>")
_LONGEST = 60


class Refusals:
    """The refusals of one cluster; the schemas that it serves are asked for when something is refused."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._documents: dict[str, Any] = {}

    async def told(self, one: Placed, error: ClientError) -> str:
        """What is wrong with a manifest: in a line that names the document, or below one a line each."""
        said = list(dict.fromkeys(await self._lines(one, error)))
        where = one.manifest.where
        return f"{where}: {said[0]}" if len(said) == 1 else "\n  ".join((f"{where}:", *said))

    async def _lines(self, one: Placed, error: ClientError) -> list[str]:
        causes = _causes(error)
        unread = _unread(error, causes)
        if not (unread or causes):
            return [str(error)]
        schema = await self._schema(one.kind)
        return list(_of_fields(one.kind, schema, unread) if unread else _of_causes(one, schema, causes))

    async def _schema(self, kind: Kind) -> Schema:
        """{} where there is no advice, or the cluster does not show it."""
        if not advice.is_given(kind.group):
            return {}
        path = f"/openapi/v3{kind.path}"
        if path not in self._documents:
            try:
                self._documents[path] = msgspec.json.decode(await self._client.raw("GET", path, headers=_JSON))
            except (ClientError, msgspec.DecodeError):
                self._documents[path] = {}
        return schema_of(kind, self._documents[path])


def schema_of(kind: Kind, document: Any) -> Schema:
    """A kind's schema in an OpenAPI v3 document, with the fields of metadata; {} where there is none. Pure."""
    schemas = document.get("components", {}).get("schemas", {})
    meant = {"group": kind.group, "version": kind.version, "kind": kind.kind}
    for schema in schemas.values():
        if meant in schema.get("x-kubernetes-group-version-kind", ()):
            return {**schema, "properties": {**schema["properties"], "metadata": _metadata(schema, schemas)}}
    return {}


def _metadata(schema: Schema, schemas: Schema) -> Schema:
    found = schema["properties"].get("metadata", {})
    for part in (found, *found.get("allOf", ())):
        if "$ref" in part:
            return dict(schemas.get(part["$ref"].rpartition("/")[2], {}))
    return dict(found)


def _causes(error: ClientError) -> list[dict[str, Any]]:
    found = error.details.get("causes") if isinstance(error, ApiError) else None
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _unread(error: ClientError, causes: list[dict[str, Any]]) -> str:
    """The fields that the server can't read: of a new object in the message, of a patch in its one cause."""
    is_new = isinstance(error, ApiError) and error.code == HTTPStatus.BAD_REQUEST
    of_patch = [str(cause.get("message", "")) for cause in causes if cause.get("field") == "patch"]
    return next((text for text in ([str(error)] if is_new else of_patch)), "").partition(_STRICT)[2]


def _of_fields(kind: Kind, schema: Schema, said: str) -> Iterator[str]:
    for number, part in enumerate(_NEXT_FIELD.split(said)):
        unknown = _UNKNOWN.match(part) if number < advice.MOST and advice.is_given(kind.group) else None
        hint = advice.of_field(kind.kind, schema, unknown[1]) if unknown else ""
        yield f"{unknown[0]} ({hint})" if unknown and hint else part


def _of_causes(one: Placed, schema: Schema, causes: list[dict[str, Any]]) -> Iterator[str]:
    """For each cause what would be right, else what the server says. Causes that only follow from others are left out.
    The hint about an object is told once: it may be about any of several things that are wrong with the object."""
    said = set[str]()
    for field, message in _telling(causes):
        value = value_at(one.manifest.body, field)
        hint = advice.of_value(one.kind.kind, schema, field, value) if schema else ""
        is_told = isinstance(value, dict) and (field in said or f"({hint})" in message)
        said.add(field)
        yield _helpful(field, value, hint, message) if hint and not is_told else _plain(field, message)


def _telling(causes: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Field and message of those that do not only follow from others. What the scale subresource reads is checked once
    more, and then named with a dot before it."""
    found = [(str(cause.get("field", "")), str(cause.get("message", ""))) for cause in causes]
    telling = [(field, message) for field, message in found if not _follows(message)] or found
    again = {f".{field}" for field, _ in telling}
    return [(field.removeprefix("."), message) for field, message in telling if field not in again]


def _follows(message: str) -> bool:
    return _UNCHECKED in message or _UNEVALUATED in message


def _plain(field: str, message: str) -> str:
    """The server's words without what says nothing: the place and the value again, the type in place of a value, and by
    which binding a policy is in force."""
    message = _BY_POLICY.sub(r"policy \1: ", message, count=1)
    message = _VALUE_TWICE.sub("", _TYPE_ALONE.sub("", message, count=1), count=1).replace(f"{field} in body ", "", 1)
    return message if field in _NOWHERE else f"{field}: {message}"


def _helpful(field: str, value: Any, hint: str, message: str) -> str:
    """The hint alone, with the value where it is short; of an object, of which something else may be wrong, beside what
    the server says."""
    if isinstance(value, dict):
        return f"{_plain(field, message)} ({hint})"
    text = msgspec.json.encode(value).decode()
    return f"{field}: {f'{text} ' if len(text) <= _LONGEST else ''}{hint}"
