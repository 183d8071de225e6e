"""What can't be read of an object is not gone: the object is kept, and says what could not be read.

A newer StarLink may have written it, or somebody whom no schema held back. What can be read of it is, field by field;
the rest is as last read, or blank. `Object.unreadable` marks such a reading: it tells that the object is there and who
it is, and planners leave it alone.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol, TypeVar, get_args, get_origin

import msgspec

from starlink.api.meta import Object, Unreadable

T = TypeVar("T", bound=Object)
T_co = TypeVar("T_co", bound=Object, covariant=True)
TROUBLE = (msgspec.MsgspecError, RecursionError)
"""What a decoder raises."""


class Decoder(Protocol[T_co]):
    """What reads an object; raises one of TROUBLE."""

    def decode(self, body: bytes | msgspec.Raw, /) -> T_co: ...


def read(decoder: Decoder[T], view: type[T], body: bytes | msgspec.Raw) -> T:
    """The object, marked as unreadable where the decoder can't read it. Raises one of TROUBLE for what has not even a
    name."""
    try:
        return decoder.decode(body)
    except TROUBLE as error:
        return _leniently(view, body, str(error))


def completed(obj: T, before: Object | None) -> T:
    """A reading in which what could not be read is as it was `before`, when the same object was read last."""
    trouble = obj.unreadable
    if trouble is None or before is None or before.uid != obj.uid:
        return obj
    missing = []
    for path in trouble.missing:
        if before.unreadable is not None and before.unreadable.lacks(path):
            missing.append(path)
        else:
            obj = _with(obj, path.split("."), before)
    return msgspec.structs.replace(obj, unreadable=msgspec.structs.replace(trouble, missing=tuple(missing)))


def marked(obj: T, trouble: Unreadable) -> T:
    """The object, marked as unreadable."""
    if obj.unreadable is not None:
        return msgspec.structs.replace(obj, unreadable=trouble)
    fields = {name: getattr(obj, name) for name in obj.__struct_fields__}
    made: T = _marked(type(obj))(**fields, unreadable=trouble)
    return made


class _Lost(NamedTuple):
    path: str
    why: str


def _leniently(view: type[T], body: bytes | msgspec.Raw, why: str) -> T:
    plain = msgspec.json.decode(body)
    msgspec.convert(plain, _Named)
    lost: list[_Lost] = []
    found: T = _salvaged(view, plain, "", lost)
    first = f"{lost[0].path}: {lost[0].why}" if lost else why
    return marked(found, Unreadable(why=first, missing=tuple(one.path for one in lost)))


class _Name(msgspec.Struct):
    name: str


class _Named(msgspec.Struct):
    metadata: _Name


@functools.cache
def _marked(view: type[T]) -> Callable[..., T]:
    """The view with a mark, so that objects that can be read need no room for one."""
    made: Any = msgspec.defstruct(
        f"Unreadable{view.__name__}", [("unreadable", Unreadable)], bases=(view,), frozen=True, kw_only=True
    )
    return made  # type: ignore[no-any-return]


def _salvaged(view: type[Any], plain: dict[str, Any], at: str, lost: list[_Lost]) -> Any:
    """A view of what can be read; the paths of the other fields are added to `lost`."""
    given: dict[str, Any] = {}
    for field in msgspec.structs.fields(view):
        path, value = f"{at}{field.encode_name}", plain.get(field.encode_name)
        try:
            if field.encode_name in plain:
                given[field.name] = msgspec.convert(value, field.type)
            elif field.required:
                raise msgspec.ValidationError("it is missing")
        except TROUBLE as error:
            if _is_view(field.type) and isinstance(value, dict):
                given[field.name] = _salvaged(field.type, value, f"{path}.", lost)
                continue
            lost.append(_Lost(path, str(error).replace("`", "")))
            if field.required:
                given[field.name] = _blank(field.type)
            elif get_origin(field.type) is dict and isinstance(value, dict):
                given[field.name] = dict(_entries(value, *get_args(field.type)))
    return view(**given)


def _entries(plain: dict[str, Any], _: Any, type_: Any) -> Iterator[tuple[str, Any]]:
    """What of a map can be read."""
    for key, value in plain.items():
        with contextlib.suppress(*TROUBLE):
            yield key, msgspec.convert(value, type_)


def _blank(type_: Any) -> Any:
    if _is_view(type_):
        required = (field for field in msgspec.structs.fields(type_) if field.required)
        return type_(**{field.name: _blank(field.type) for field in required})
    return {str: "", int: 0}.get(type_, ())


def _is_view(type_: Any) -> bool:
    return isinstance(type_, type) and issubclass(type_, msgspec.Struct)


def _with(obj: T, path: list[str], before: Any) -> T:
    """The object with the field at the path as it was before."""
    field = next(field for field in msgspec.structs.fields(obj) if field.encode_name == path[0])
    mine, its = getattr(obj, field.name), getattr(before, field.name)
    value = its if len(path) == 1 else _with(mine, path[1:], its)
    return msgspec.structs.replace(obj, **{field.name: value})
