"""Bodies as a store without checksums holds them: an object, and JSON that is none. Used by the tests of damage."""

import json
from typing import Any

from starlink.store.base import Key


def stored(key: Key, **metadata: Any) -> bytes:
    """The object of a key; `metadata` replaces what it has there, None takes it away."""
    namespace = {"namespace": key.namespace} if key.namespace else {}
    told = {"name": key.name, **namespace, "uid": "4c5a", **metadata}
    metadata = {field: value for field, value in told.items() if value is not None}
    return json.dumps({"apiVersion": "g/v1", "kind": "Thing", "metadata": metadata}).encode()


def misshapen(key: Key) -> dict[str, bytes]:
    """JSON objects that are not the object of a key in a namespace, by what is wrong with them."""
    bodies = {
        "empty": {},
        "no kind": {"apiVersion": "v1", "metadata": {"name": key.name, "namespace": key.namespace, "uid": "4c5a"}},
        "kind of another type": {"apiVersion": "v1", "kind": 7, "metadata": {}},
        "empty metadata": {"apiVersion": "v1", "kind": "Thing", "metadata": {}},
        "metadata a list": {"apiVersion": "v1", "kind": "Thing", "metadata": []},
    }
    damaged = {
        "another name": stored(key, name="other"),
        "another namespace": stored(key, namespace="other"),
        "no namespace": stored(key, namespace=None),
        "no uid": stored(key, uid=None),
        "uid of another type": stored(key, uid=7),
        "resourceVersion of another type": stored(key, resourceVersion=[]),
        "labels a list": stored(key, labels=["a"]),
        "annotations a text": stored(key, annotations="a"),
        "an owner that is none": stored(key, ownerReferences=["a"]),
    }
    return {what: json.dumps(body).encode() for what, body in bodies.items()} | damaged
