"""A list, page by page, all of one moment: continue tokens hold a key and a resourceVersion, and what was there then
is worked out of what happened since.

https://kubernetes.io/docs/reference/using-api/api-concepts/#retrieving-large-results-sets-in-chunks
"""

import base64
import binascii
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from starlink.api import errors
from starlink.apiserver.resources import encoding
from starlink.apiserver.resources.resource import Resource
from starlink.apiserver.resources.selectors import Selector
from starlink.store.base import Expired, Record, Store

_NEWEST = -1  # in a token: go on with what is there now
_TOO_OLD = "The resourceVersion for the provided list is too old."
_PAGES_TOO_OLD = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list."
)


@dataclass(frozen=True, slots=True)
class Page:
    """Part of a list. `continue_` is "" on the last page; `remaining` None when it is not known."""

    records: Sequence[Record]
    resource_version: int
    continue_: str = ""
    remaining: int | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """What of a store a list is cut out of: the records of one moment, from where the list goes on."""

    records: Sequence[Record]
    revision: int


def take(store: Store, resource: Resource, namespace: str | None, token: str) -> Taken:
    """What a list goes on with. Raises StatusError 400 for a bad token, 410 for an old one."""
    if not token:
        return Taken(store.list(resource.storage, namespace), store.revision)
    revision, after = _read_token(token)
    if revision == _NEWEST:
        revision = store.revision
    try:
        records = _at(store, resource, namespace, revision)
    except Expired:
        raise errors.expired(_PAGES_TOO_OLD, _write_token(_NEWEST, after)) from None
    start = bisect_right(records, after, key=lambda record: (record.key.namespace, record.key.name))
    return Taken(records[start:], revision)


def take_at(store: Store, resource: Resource, namespace: str | None, revision: int) -> Taken:
    """What was there at a revision. Raises StatusError 410 when it is too old."""
    try:
        return Taken(_at(store, resource, namespace, revision), revision)
    except Expired:
        raise errors.expired(_TOO_OLD) from None


def _at(store: Store, resource: Resource, namespace: str | None, revision: int) -> Sequence[Record]:
    """Raises Expired."""
    if revision == store.revision:
        return store.list(resource.storage, namespace)
    if revision > store.revision:  # of a store that was restored since
        raise Expired(f"revision {revision} has not been yet, the last one is {store.revision}")
    return store.list_at(resource.storage, namespace, revision)


def readable(taken: Taken, resource: Resource) -> Taken:
    """Without what is no object."""
    return Taken(encoding.readable(taken.records, resource), taken.revision)


def page(taken: Taken, resource: Resource, selector: Selector, limit: int) -> Page:
    """The first `limit` objects (0: all) that are selected. Pure."""
    records, revision = _selected(taken.records, resource, selector), taken.revision
    if not limit or len(records) <= limit:
        return Page(records, revision)
    last = records[limit - 1].key
    remaining = len(records) - limit if selector.everything else None
    return Page(records[:limit], revision, _write_token(revision, (last.namespace, last.name)), remaining)


def _selected(records: Sequence[Record], resource: Resource, selector: Selector) -> Sequence[Record]:
    if selector.everything:
        return records
    name = selector.required("metadata.name")
    if name is not None:
        records = [record for record in records if record.key.name == name]
    return [record for record in records if selector.matches(encoding.to_object(record, resource))]


def body(resource: Resource, part: Page) -> bytes:
    """The list object's JSON."""
    head = encoding.dump(
        {
            "apiVersion": resource.api_version,
            "kind": resource.list_kind or f"{resource.kind}List",
            "metadata": {"continue": "", **list_meta(part)} if resource.custom else list_meta(part),
        }
    )
    return encoding.list_to_wire(part.records, resource, head[:-1] + b',"items":[', b"]}")


def list_meta(part: Page) -> dict[str, object]:
    """The ListMeta of a page."""
    meta: dict[str, object] = {"resourceVersion": str(part.resource_version)}
    if part.continue_:
        meta["continue"] = part.continue_
    if part.remaining is not None:
        meta["remainingItemCount"] = part.remaining
    return meta


def _write_token(revision: int, after: tuple[str, str]) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode([revision, *after])).decode()


def _read_token(token: str) -> tuple[int, tuple[str, str]]:
    try:
        revision, namespace, name = msgspec.json.decode(
            base64.urlsafe_b64decode(token.encode()), type=tuple[int, str, str]
        )
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        raise errors.bad_request("continue key is not valid: it is not one that this server has given") from None
    return revision, (namespace, name)
