"""The body of a bulk write as its items. Pure.

What an item is to write is not looked at, but for whether it is an object: it is the body of a request of its own.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from starlink.api.kinds import ASSIGNMENT
from starlink.apiserver import errors
from starlink.apiserver.errors import Cause, StatusError
from starlink.apiserver.writing import values

GROUP, VERSION, KIND, PLURAL = "bulk.starlink.dev", "v1alpha1", "BulkWrite", "bulkwrites"
API_VERSION = f"{GROUP}/{VERSION}"
STORAGE = f"{GROUP}/{PLURAL}"
MOST_ITEMS = 500
CREATE, PATCH = "create", "patch"
MOST_VALUES = 400_000
"""Names and values of all items together. Most are only passed over here; in its own turn each item may have as many
as any body."""

_MOST_SHOWN = 60
"""Characters of a wrong value that a refusal shows."""

_SUBRESOURCE = "status"
_ABSENT = msgspec.Raw()
_Raw = msgspec.Raw


class Item(msgspec.Struct, frozen=True):
    """One write: `name` is of what is patched, "" in a create; `body` is the object, or the merge patch."""

    verb: str
    namespace: str
    name: str
    body: msgspec.Raw

    @property
    def path(self) -> str:
        """The path of the request that would do the same."""
        collection = f"{ASSIGNMENT.path}/namespaces/{self.namespace}/{ASSIGNMENT.plural}"
        return collection if self.verb == CREATE else f"{collection}/{self.name}/{_SUBRESOURCE}"


class _Body(msgspec.Struct, forbid_unknown_fields=True):
    api_version: str = msgspec.field(name="apiVersion", default="")
    kind: str = ""
    metadata: dict[str, Any] | None = None
    items: list[_Raw] = []


class _Item(msgspec.Struct, forbid_unknown_fields=True):
    verb: _Raw = _ABSENT
    namespace: _Raw = _ABSENT
    name: _Raw = _ABSENT
    subresource: _Raw = _ABSENT
    object: _Raw = _ABSENT


_read_body = msgspec.json.Decoder(_Body).decode
_read_item = msgspec.json.Decoder(_Item).decode
_read_text = msgspec.json.Decoder(str).decode


def read(body: bytes) -> tuple[Item, ...]:
    """The items in their order. Raises StatusError 400 for what is no BulkWrite, 413 for too many values, and 422 for
    what is wrong in one."""
    if values.is_too_many(body, MOST_VALUES):
        raise values.too_many("the body of the request", MOST_VALUES)
    try:
        found = _read_body(body)
    except msgspec.ValidationError as error:
        raise errors.bad_request(f"the body of the request is no {KIND}: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise errors.bad_request(f"the body of the request is not JSON: {error}") from None
    _check_type(found)
    if not found.items:
        raise _invalid(Cause("FieldValueRequired", f"Required value: name 1 to {MOST_ITEMS} writes", "items"))
    if len(found.items) > MOST_ITEMS:
        why = f"Too many: {len(found.items)}: must have at most {MOST_ITEMS} items"
        raise _invalid(Cause("FieldValueTooMany", why, "items"))
    return tuple(_item(f"items[{number}]", raw) for number, raw in enumerate(found.items))


def _check_type(found: _Body) -> None:
    for field, value, wanted in (("apiVersion", found.api_version, API_VERSION), ("kind", found.kind, KIND)):
        if value != wanted:
            shown = f'"{value[:_MOST_SHOWN]}"' if value else "not said"
            raise errors.bad_request(f'{field} is {shown}; it must be "{wanted}"', field)


def _item(place: str, raw: msgspec.Raw) -> Item:
    """Raises StatusError 422, which names the field by its `place`."""
    try:
        item = _read_item(raw)
    except (msgspec.ValidationError, UnicodeDecodeError) as error:
        raise _invalid(_wrong(place, raw, _words(error))) from None
    causes = tuple(_faults(place, item))
    if causes:
        raise _invalid(*causes)
    return Item(_text(item.verb), _text(item.namespace), _text(item.name), item.object)


def _faults(place: str, item: _Item) -> Iterator[Cause]:
    verb = _text(item.verb)
    if verb not in (CREATE, PATCH):
        yield _wrong(f"{place}.verb", item.verb, f'must be "{CREATE}" or "{PATCH}"')
        return
    if not _is_name(_text(item.namespace)):
        yield _wrong(f"{place}.namespace", item.namespace, "must be the name of a namespace")
    if verb == CREATE:
        for field, value in (("name", item.name), ("subresource", item.subresource)):
            if value != _ABSENT:
                yield _wrong(f"{place}.{field}", value, "a create has none; the name is in its object")
    else:
        if not _is_name(_text(item.name)):
            yield _wrong(f"{place}.name", item.name, f"must be the name of an {ASSIGNMENT.kind}")
        if _text(item.subresource) != _SUBRESOURCE:
            yield _wrong(f"{place}.subresource", item.subresource, f'must be "{_SUBRESOURCE}"')
    if not bytes(item.object).startswith(b"{"):
        wanted = f"the {ASSIGNMENT.kind}" if verb == CREATE else "the merge patch"
        yield _wrong(f"{place}.object", item.object, f"must be {wanted}, an object")


def _text(raw: msgspec.Raw) -> str:
    """The text, "" for what is none."""
    try:
        return _read_text(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""


def _is_name(text: str) -> bool:
    """Whether it is one step of a path, as a request's own path would say it. Whether there is such a thing is seen
    later."""
    return bool(text) and "/" not in text


def _wrong(field: str, raw: msgspec.Raw, why: str) -> Cause:
    if raw == _ABSENT:
        return Cause("FieldValueRequired", f"Required value: {why}", field)
    text = bytes(raw).decode(errors="replace")
    shown = text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"
    return Cause("FieldValueInvalid", f"Invalid value: {shown}: {why}", field)


def _words(error: Exception) -> str:
    """What msgspec says of an item, in which it is `$`."""
    return str(error).removesuffix(" - at `$`")


def _invalid(*causes: Cause) -> StatusError:
    return errors.invalid(GROUP, KIND, "", causes)
