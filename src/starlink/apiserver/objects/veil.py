"""What the refusal of a patch may tell: who may change an object may not therefore read it, nor may who reads the logs.

All refusals of a patch go through here. A patch that copies or moves can put what is stored anywhere: then fields are
named, and no value is shown. Of other patches those values are shown that they brought themselves, but none of a
Secret's contents; what the words say beside a value stays. Pure.
"""

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from starlink.api import errors
from starlink.api.errors import Cause, StatusError
from starlink.apiserver import aside
from starlink.apiserver.objects.contract import Write
from starlink.apiserver.objects.options import EVERYTHING, NOTHING

_SECRETS = "/secrets"
_CONTENTS = ("data", "stringData")
_WITHOUT_VALUES = (404, 410, 413, 415, 500, 503, 504)
_WORDS = {
    "FieldValueRequired": "Required value",
    "FieldValueForbidden": "Forbidden",
    "FieldValueDuplicate": "Duplicate value",
    "FieldValueNotSupported": "Unsupported value",
    "FieldValueTooLong": "Too long",
    "FieldValueTooMany": "Too many",
}
_INVALID = "Invalid value"
_SHOWING = tuple(f"{words}: " for words in (_INVALID, "Duplicate value", "Unsupported value"))
_HIDDEN = '"<not shown>"'
_TYPES = ("", "null", "string", "integer", "number", "boolean", "array", "object")
_CUT = "…: "
_BEHIND_STRUCTS = ("cannot change roleRef",)
"""The reasons that stand behind a value which is written as Go prints a struct, of which no end can be found."""
_WHOLE = "patch"  # the field of a cause that is about the patched object

_decoder = json.JSONDecoder()


@contextlib.contextmanager
def veiled(write: Write, name: str) -> Iterator[None]:
    """Raises the StatusErrors from inside as they may be told of the object of that name."""
    try:
        yield
    except StatusError as error:
        raise told(write, name, error) from None


def told(write: Write, name: str, error: StatusError) -> StatusError:
    """The refusal without values that its sender did not bring."""
    brought = write.options.brought
    if brought is EVERYTHING or error.plain or error.code in _WITHOUT_VALUES:
        return error
    secret = write.resource.storage == _SECRETS
    if brought is NOTHING or (secret and all(cause.field == _WHOLE for cause in error.causes)):
        return _bare(write, name, error)
    brought = _without_contents(brought) if secret else brought
    known = _Brought(brought if write.options.weight < aside.LARGE else {})
    causes = tuple(_of_brought(cause, known) for cause in error.causes)
    if causes == error.causes:
        return error
    refused = errors.invalid(error.group, error.kind, error.name, causes)
    refused.warnings = error.warnings
    return refused


def _without_contents(patch: Any) -> Any:
    return {key: value for key, value in patch.items() if key not in _CONTENTS} if isinstance(patch, dict) else {}


def _bare(write: Write, name: str, error: StatusError) -> StatusError:
    """The refusal with nothing but its fields."""
    resource = write.resource
    if error.code == 409:
        return error if error.causes or not error.fields else _conflict(write, name, error.fields)
    causes = tuple(_bare_cause(cause) for cause in error.causes if cause.field != _WHOLE)
    causes += tuple(Cause("FieldValueInvalid", _INVALID, field) for field in error.fields)
    if error.code == 422:
        causes = causes or (Cause("FieldValueInvalid", _INVALID, _WHOLE),)
        return errors.invalid(resource.group, resource.kind, name, causes)
    about = ", ".join(cause.field for cause in causes) or "the patched object"
    if error.code == 403:
        return errors.forbidden(resource.group, resource.plural, name, f"{about} is not allowed; no values are shown")
    return errors.bad_request(f'{resource.kind} "{name}" can\'t be patched so: {about}: {_INVALID}')


def _conflict(write: Write, name: str, fields: Sequence[str]) -> StatusError:
    resource = write.resource
    return errors.conflict(resource.group, resource.plural, name, f"{', '.join(fields)} is another")


def _bare_cause(cause: Cause) -> Cause:
    return Cause(cause.reason, _WORDS.get(cause.reason, _INVALID), cause.field)


class _Brought:
    """The values of a patch, and the names of their fields."""

    def __init__(self, patch: Any) -> None:
        self._scalars: set[Any] = set(_TYPES)
        self._others: list[Any] = []
        left = [patch]
        while left:
            value = left.pop()
            if isinstance(value, dict):
                self._scalars.update(value)
            if isinstance(value, dict | list):
                self._others.append(value)
                left += value.values() if isinstance(value, dict) else value
            else:
                self._scalars.add(value)

    def __contains__(self, value: Any) -> bool:
        return value in self._others if isinstance(value, dict | list) else value in self._scalars


def _of_brought(cause: Cause, known: _Brought) -> Cause:
    """The cause with its value, if the patch brought that."""
    return replace(cause, message=_shown(cause.message, known)) if cause.has_value else cause


def _shown(message: str, known: _Brought) -> str:
    words = next((words for words in _SHOWING if message.startswith(words)), "")
    if not words:
        return message
    try:
        value, end = _decoder.raw_decode(message, len(words))
    except (ValueError, RecursionError):
        why = message.partition(_CUT)[2] or next((one for one in _BEHIND_STRUCTS if message.endswith(f": {one}")), "")
        return f"{words}{_HIDDEN}" + (f": {why}" if why else "")
    rest = message[end:]
    if rest and not rest.startswith(": "):
        return f"{words}{_HIDDEN}"
    return message if value in known else f"{words}{_HIDDEN}{rest}"
