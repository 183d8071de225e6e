"""The forms of an object that a client may ask for in its Accept header: a Table, or its metadata alone.

https://kubernetes.io/docs/reference/using-api/api-concepts/#receiving-resources-as-tables
"""

from starlink.apiserver.requests.reading.listing import Page, list_meta
from starlink.apiserver.resources import encoding
from starlink.apiserver.resources.encoding import Obj, dump
from starlink.apiserver.resources.resource import Resource
from starlink.http.message import Request
from starlink.store.base import Record

_API_VERSION = "meta.k8s.io/v1"


def wants_table(request: Request) -> bool:
    return "as=Table" in request.headers.get("accept", "")


def wanted(request: Request) -> bool:
    """Whether the client wants PartialObjectMetadata."""
    return "as=PartialObjectMetadata" in request.headers.get("accept", "")


def metadata_only(obj: Obj) -> Obj:
    return {"kind": "PartialObjectMetadata", "apiVersion": _API_VERSION, "metadata": obj["metadata"]}


def body(record: Record, resource: Resource) -> bytes:
    """One object's metadata."""
    if record.revision < resource.since:
        return dump(metadata_only(encoding.to_object(record, resource)))
    return b'{"kind":"PartialObjectMetadata","apiVersion":"%b","metadata":%b}' % (
        _API_VERSION.encode(),
        encoding.metadata(record),
    )


def list_body(part: Page, resource: Resource) -> bytes:
    """The metadata of a page's objects."""
    head = dump({"kind": "PartialObjectMetadataList", "apiVersion": _API_VERSION, "metadata": list_meta(part)})
    items = b",".join(body(record, resource) for record in part.records)
    return b'%b,"items":[%b]}' % (head[:-1], items)
