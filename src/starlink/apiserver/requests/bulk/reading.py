"""The body of a bulk write as its items. Pure.

What an item is to write is not looked at, but for whether it is an object: it is the body of a request of its own.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Generic, TypeVar

import msgspec

from starlink.api import errors
from starlink.api.errors import Cause, StatusError
from starlink.api.kinds import ASSIGNMENT
from starlink.apiserver.validation import values

GROUP, VERSION, KIND, PLURAL = "bulk.starlink.dev", "v1alpha1", "BulkWrite", "bulkwrites"
API_VERSION = f"{GROUP}/{VERSION}"
MOST_ITEMS = 500
CREATE, PATCH = "create", "patch"
MOST_VALUES = 400_000
"""Names and values of all items together. Most are only passed over here; in its own turn each item may have as many
as any body."""

_MOST_SHOWN = 60
"""Characters of a wrong value that a refusal shows."""

_SUBRESOURCE = "status"
_NOTHING = msgspec.Raw()
"""What no JSON is: the object is not said."""

T = TypeVar("T")


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


class _Item(msgspec.Struct, forbid_unknown_fields=True):
    """One write as it is sent."""

    verb: str = ""
    namespace: str = ""
    name: str | msgspec.UnsetType = msgspec.UNSET
    subresource: str | msgspec.UnsetType = msgspec.UNSET
    object: msgspec.Raw = _NOTHING


class _Bulk(msgspec.Struct, Generic[T], forbid_unknown_fields=True):
    api_version: str = msgspec.field(name="apiVersion", default="")
    kind: str = ""
    metadata: dict[str, Any] | None = None
    items: list[T] = []


_read_items = msgspec.json.Decoder(_Bulk[_Item]).decode
_read_any_items = msgspec.json.Decoder(_Bulk[msgspec.Raw]).decode
_read_item = msgspec.json.Decoder(_Item).decode
_read_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def read(body: bytes) -> tuple[Item, ...]:
    """The items in their order. Raises StatusError 400 for what is no BulkWrite, 413 for too many values, and 422 for
    what is wrong in one."""
    if values.is_too_many(body, MOST_VALUES):
        raise values.too_many("the body of the request", MOST_VALUES)
    try:
        found = _decoded(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise errors.bad_request(f"the body of the request is not JSON: {error}") from None
    _check_type(found.api_version, found.kind)
    _check_number(found.items)
    causes = [cause for number, item in enumerate(found.items) for cause in _faults(f"items[{number}]", item)]
    if causes:
        raise _invalid(*causes)
    return tuple(Item(item.verb, item.namespace, item.name or "", item.object) for item in found.items)


def _decoded(body: bytes) -> _Bulk[_Item]:
    """Raises also what is raised of no JSON."""
    try:
        return _read_items(body)
    except msgspec.ValidationError as error:
        raise _refusal(body, error) from None


def _refusal(body: bytes, error: msgspec.ValidationError) -> StatusError:
    """Of what msgspec takes for no BulkWrite: it does not say which item is wrong, so that it is looked for."""
    try:
        found = _read_any_items(body)
    except msgspec.ValidationError:
        return errors.bad_request(f"the body of the request is no {KIND}: {error}")
    _check_type(found.api_version, found.kind)
    _check_number(found.items)
    for number, raw in enumerate(found.items):
        try:
            _read_item(raw)
        except msgspec.ValidationError as wrong:
            return _invalid(_misread(f"items[{number}]", raw, str(wrong)))
    return errors.bad_request(f"the body of the request is no {KIND}: {error}")


def _misread(place: str, raw: msgspec.Raw, why: str) -> Cause:
    """What msgspec says of an item, and which field of it that is, if it names one."""
    why, _, path = why.partition(" - at `$.")
    field = path.removesuffix("`")
    if not field:
        return _wrong(place, raw, why.removesuffix(" - at `$`"))
    return _wrong(f"{place}.{field}", _read_fields(raw)[field], why)


def _check_type(api_version: str, kind: str) -> None:
    for field, value, wanted in (("apiVersion", api_version, API_VERSION), ("kind", kind, KIND)):
        if value != wanted:
            shown = f'"{value[:_MOST_SHOWN]}"' if value else "not said"
            raise errors.bad_request(f'{field} is {shown}; it must be "{wanted}"', field)


def _check_number(items: Sequence[object]) -> None:
    if not items:
        raise _invalid(Cause("FieldValueRequired", f"Required value: name 1 to {MOST_ITEMS} writes", "items"))
    if len(items) > MOST_ITEMS:
        why = f"Too many: {len(items)}: must have at most {MOST_ITEMS} items"
        raise _invalid(Cause("FieldValueTooMany", why, "items"))


def _faults(place: str, item: _Item) -> Iterator[Cause]:
    if item.verb == CREATE:
        for field, given in (("name", item.name), ("subresource", item.subresource)):
            if given is not msgspec.UNSET:
                yield _unfit(f"{place}.{field}", given, "a create has none; the name is in its object")
    elif item.verb == PATCH:
        if not _is_name(item.name):
            yield _wrong(f"{place}.name", item.name, f"must be the name of an {ASSIGNMENT.kind}")
        if item.subresource != _SUBRESOURCE:
            yield _wrong(f"{place}.subresource", item.subresource, f'must be "{_SUBRESOURCE}"')
    else:
        yield _wrong(f"{place}.verb", item.verb, f'must be "{CREATE}" or "{PATCH}"')
        return
    if not _is_name(item.namespace):
        yield _wrong(f"{place}.namespace", item.namespace, "must be the name of a namespace")
    if not bytes(item.object).startswith(b"{"):
        what = f"the {ASSIGNMENT.kind}" if item.verb == CREATE else "the merge patch"
        yield _wrong(f"{place}.object", item.object, f"must be {what}, an object")


def _is_name(text: object) -> bool:
    """Whether it is one step of a path, as a request's own path would say it. Whether there is such a thing is seen
    later."""
    return isinstance(text, str) and text != "" and "/" not in text


def _wrong(field: str, value: str | msgspec.Raw | msgspec.UnsetType, why: str) -> Cause:
    if value in ("", msgspec.UNSET, _NOTHING):
        return Cause("FieldValueRequired", f"Required value: {why}", field)
    return _unfit(field, value, why)


def _unfit(field: str, value: str | msgspec.Raw | msgspec.UnsetType, why: str) -> Cause:
    text = (bytes(value) if isinstance(value, msgspec.Raw) else msgspec.json.encode(value)).decode(errors="replace")
    shown = text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"
    return Cause("FieldValueInvalid", f"Invalid value: {shown}: {why}", field)


def _invalid(*causes: Cause) -> StatusError:
    return errors.invalid(GROUP, KIND, "", causes)
