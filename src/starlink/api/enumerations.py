"""Enumerations are open: a value that this version doesn't know is read like any other, and is judged here alone.

A newer StarLink may have given an enumeration another value. Where a value decides what is done with an object, its
field says which ones are known (`known`); `unknown` names those that are not. Where nobody has to know all values (the
phase of an Assignment, an architecture, the type of an address), the field is plain text.
"""

import functools
from collections.abc import Iterator
from typing import Annotated, Any, NamedTuple, get_args, get_origin

import msgspec

_KNOWN = "known"


def known(literal: object) -> msgspec.Meta:
    """What annotates the type of a field: the values of a Literal are those that this version knows."""
    return msgspec.Meta(extra={_KNOWN: get_args(literal)})


def unknown(view: msgspec.Struct, at: str) -> Iterator[str]:
    """The fields below `at`, the path of the view, that have a value which this version doesn't know, in words."""
    for field in _judged(type(view)):
        value, path = getattr(view, field.name), f"{at}.{field.encoded}"
        if isinstance(value, str):
            if value not in field.known:
                yield f"{path}: {value[:40]!r} is no value that this version knows ({', '.join(field.known)})"
        elif isinstance(value, tuple):
            for number, item in enumerate(value):
                yield from unknown(item, f"{path}[{number}]")
        elif value is not None:
            yield from unknown(value, path)


class _Field(NamedTuple):
    """A field that has an enumeration, or a view or views with one."""

    name: str
    encoded: str
    known: tuple[str, ...]


@functools.cache
def _judged(view: type[msgspec.Struct]) -> tuple[_Field, ...]:
    fields = ((field, _values(field.type), _views(field.type)) for field in msgspec.structs.fields(view))
    return tuple(
        _Field(field.name, field.encode_name, values)
        for field, values, views in fields
        if values or any(map(_judged, views))
    )


def _values(type_: Any) -> tuple[str, ...]:
    """The known values of an annotated type, also of one that may be None."""
    if get_origin(type_) is Annotated:
        metas = (meta for meta in type_.__metadata__ if isinstance(meta, msgspec.Meta))
        return next((meta.extra[_KNOWN] for meta in metas if meta.extra and _KNOWN in meta.extra), ())
    return next((values for part in get_args(type_) if (values := _values(part))), ())


def _views(type_: Any) -> list[type[msgspec.Struct]]:
    """The views that a field of this type holds: itself, or its parts where it is a union or a tuple."""
    if isinstance(type_, type) and issubclass(type_, msgspec.Struct):
        return [type_]
    return [view for part in get_args(type_) for view in _views(part)]
