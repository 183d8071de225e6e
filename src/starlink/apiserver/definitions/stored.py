"""Schemas of stored CRDs: kept as the bytes that they are, and compiled when an object is first looked at.

A schema takes some thirty times its length once it is compiled. What was used last stays, as far as there is room; what
gave way is compiled anew when it is used again.
"""

import hashlib
import logging
from collections.abc import Mapping
from typing import Any

import msgspec

from starlink.api.errors import Cause, StatusError
from starlink.apiserver import aside
from starlink.apiserver.definitions import keywords
from starlink.apiserver.definitions.shipped import is_shipped
from starlink.apiserver.memo import Recent
from starlink.apiserver.schema.structure import Node
from starlink.apiserver.validation.compiled import StructuralSchema

ROOM = 1024 * 1024
"""Bytes of JSON, descriptions not counted, of all schemas that are kept compiled: some 40 MB."""

log = logging.getLogger(__name__)

Obj = dict[str, Any]


_shelf = Recent[bytes, StructuralSchema](ROOM)


class StoredSchema:
    """The schema of one version of a CRD, as `resource.Schema`; two are equal when their bytes are. Objects may not be
    changed once they were conformed. `name` is what an error calls the kind."""

    __slots__ = ("_name", "_raw", "digest")

    def __init__(self, raw: msgspec.Raw, name: str) -> None:
        self._raw = raw
        self._name = name
        self.digest = hashlib.blake2b(raw, digest_size=16).digest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StoredSchema) and other.digest == self.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    @property
    def openapi(self) -> Mapping[str, Any]:
        """Read anew each time."""
        read: Obj = msgspec.json.decode(self._raw)
        return read

    @property
    def node(self) -> Node:
        return self._compiled().node

    def conform(self, obj: Obj, *, defaults: bool, old: Obj | None = None) -> tuple[Obj, list[str]]:
        return self._compiled().conform(obj, defaults=defaults, old=old)

    def validate(self, obj: Obj, old: Obj | None, *, subresource: str = "") -> tuple[Cause, ...]:
        return self._compiled().validate(obj, old, subresource=subresource)

    async def ready(self) -> None:
        """Compiles it, beside the event loop, unless it is compiled. Raises StatusError 500 when it can't be."""
        if self.digest not in _shelf:
            await aside.run(aside.LARGE, self._compiled)

    def let_go(self) -> None:
        """Keeps nothing compiled of it: it is served no more. Another kind with the same compiles it anew."""
        _shelf.forget(self.digest)

    def _compiled(self) -> StructuralSchema:
        known = _shelf.get(self.digest)
        if known is not None:
            return known
        try:
            return _made(self.digest, self.openapi)
        except (KeyError, TypeError, ValueError) as error:
            log.error("a schema is no longer one: %s", error, extra={"kind": self._name})
            why = f"the schema of {self._name} can't be compiled; its CustomResourceDefinition must be mended"
            raise StatusError(500, "InternalError", why) from None


def verify(openapi: Obj) -> None:
    """Compiles a schema, and keeps it: it will be used soon. Raises `cel.BadRule` or ValueError when it can't be."""
    digest = digest_of(openapi)
    if _shelf.get(digest) is None:
        _made(digest, openapi)


def digest_of(openapi: Any) -> bytes:
    """By which a schema is known again."""
    return hashlib.blake2b(msgspec.json.encode(openapi), digest_size=16).digest()


def _made(digest: bytes, openapi: Mapping[str, Any]) -> StructuralSchema:
    bare = keywords.bare(openapi)
    schema = StructuralSchema(bare, remembers=True, is_known=is_shipped(digest))
    schema.compile()
    return _shelf.keep(digest, schema, len(msgspec.json.encode(bare)))
