"""What a backup's objects become when they are restored: a cluster of its own. Pure.

It has another identity than the one that was saved, so that agents which hold instances of the old one, perhaps newer
than the backup, stop none of them. And its resourceVersions are above all that clients know, so that every cache
takes what was restored for the newest.
"""

from typing import Any

import msgspec

from starlink.store.backup import StoreCopy
from starlink.store.base import Key, Record
from starlink.store.seal import Seal

IDENTITY = Key("/namespaces", "", "kube-system")
"""The namespace whose UID is taken for the cluster's identity:
https://opentelemetry.io/docs/specs/semconv/resource/k8s/#cluster."""


class _Meta(msgspec.Struct, frozen=True):
    uid: str


class _Identified(msgspec.Struct, frozen=True):
    metadata: _Meta


def reborn(snapshot: StoreCopy, revision: int, identity: str, seal: Seal) -> StoreCopy:
    """The objects, in the order in which they were written, at revisions above `revision`."""
    ordered = sorted(snapshot.records, key=lambda record: record.revision)
    records = [
        Record(record.key, number, _with_uid(record, identity, seal) if record.key == IDENTITY else record.body)
        for number, record in enumerate(ordered, start=revision + 1)
    ]
    return StoreCopy(sorted(records, key=lambda record: record.key), revision + len(records))


def identity_of(snapshot: StoreCopy, seal: Seal) -> str:
    """The cluster that the objects are of, "" where they do not say."""
    found = (seal.unseal(record.key, record.body) for record in snapshot.records if record.key == IDENTITY)
    return uid_of(next(found, b""))


def uid_of(body: bytes) -> str:
    """An object's UID, "" for what is no object."""
    try:
        return msgspec.json.decode(body, type=_Identified).metadata.uid
    except msgspec.DecodeError:
        return ""


def _with_uid(record: Record, uid: str, seal: Seal) -> bytes:
    namespace: dict[str, Any] = msgspec.json.decode(seal.unseal(record.key, record.body))
    namespace["metadata"]["uid"] = uid
    return seal.seal(record.key, msgspec.json.encode(namespace))
