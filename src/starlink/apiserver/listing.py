"""A list, page by page: continue tokens hold a key and a resourceVersion, no snapshot is kept."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from starlink.apiserver import encoding, errors
from starlink.apiserver.resource import Resource
from starlink.apiserver.selectors import Selector
from starlink.store.base import Record, Store


@dataclass(frozen=True, slots=True)
class Page:
    """Part of a list. `continue_` is "" on the last page; `remaining` None when it is not known."""

    records: Sequence[Record]
    resource_version: int
    continue_: str = ""
    remaining: int | None = None


def page(store: Store, resource: Resource, namespace: str | None, selector: Selector, limit: int, token: str) -> Page:
    """The next page of at most `limit` objects (0: all). Raises StatusError 400 for a bad token."""
    records = _selected(store, resource, namespace, selector)
    revision = store.revision
    if token:
        revision, after = _read_token(token)
        records = [record for record in records if (record.key.namespace, record.key.name) > after]
    if not limit or len(records) <= limit:
        return Page(records, revision)
    last = records[limit - 1].key
    remaining = len(records) - limit if selector.everything else None
    return Page(records[:limit], revision, _write_token(revision, (last.namespace, last.name)), remaining)


def _selected(store: Store, resource: Resource, namespace: str | None, selector: Selector) -> Sequence[Record]:
    records = store.list(resource.storage, namespace)
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
            "metadata": list_meta(part),
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
