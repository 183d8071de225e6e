"""What of an update its schema is asked about: what differs from the object that was there. Pure.

A schema may become stricter than the objects that it finds. As on Kubernetes 1.32 (CRDValidationRatcheting), what such
an object has wrong does not stand in the way of a change elsewhere:

- A value that is the same as before is not asked about, whatever keyword it breaks: neither it nor what it holds.
- Which old value that is follows `correlation`: fields and keys of maps by their names, entries of list maps by their
  keys, of lists without a type by their places. Sets and atomic lists are one value.
- Keywords of an object or list itself, such as `required`, `minProperties` and `maxItems`, are asked as soon as
  anything in it differs. So is all below its `allOf`, `anyOf`, `oneOf` and `not`, which see it whole.
- Of an object itself, at the root, a write of the status is not asked.

https://github.com/kubernetes/enhancements/tree/master/keps/sig-api-machinery/4008-crd-ratcheting,
https://github.com/kubernetes/apiextensions-apiserver/blob/release-1.32/pkg/apiserver/validation/ratcheting.go and
pkg/registry/customresource/status_strategy.go beside it
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from starlink.apiserver.schema import structure
from starlink.apiserver.schema.correlation import ABSENT, counterparts, same
from starlink.apiserver.schema.structure import Node
from starlink.apiserver.validation.json_schema import LOOKING_IN, Schema

Place = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Piece:
    """A value that differs from the one before, where it lies, and the translated schema that it must meet."""

    schema: Schema
    value: Any
    at: Place = ()


class Pieces:
    """The pieces of updates. Those of one place of a schema share one schema, so that it is compiled once."""

    def __init__(self) -> None:
        self._shallow: dict[int, tuple[Schema, Schema]] = {}

    def of(self, schema: Schema, node: Node, new: Any, old: Any, at: Place = ()) -> Iterator[Piece]:
        """What of `new` differs from `old`; `schema` is the translated one of `node`."""
        if same(new, old):
            return
        if type(new) is dict and type(old) is dict:
            yield self._itself(schema, new, dict.fromkeys(new), at)
            for name, part in new.items():
                below, place = _below(schema, name), structure.child(node, name)
                if below is not None and place is not None:
                    yield from self.of(below, place, part, old.get(name, ABSENT), (*at, name))
        elif type(new) is list and type(old) is list and isinstance(schema.get("items"), dict) and node.items:
            yield self._itself(schema, new, [None] * len(new), at)
            for index, before in enumerate(counterparts(node, new, old)):
                yield from self.of(schema["items"], node.items, new[index], before, (*at, index))
        else:
            yield Piece(schema, new, at)

    def of_status(self, schema: Schema, node: Node, new: Mapping[str, Any], old: Mapping[str, Any]) -> Iterator[Piece]:
        """What of an object's status differs from its status before."""
        below, place = _below(schema, "status"), structure.child(node, "status")
        if below is not None and place is not None and "status" in new:
            yield from self.of(below, place, new["status"], old.get("status", ABSENT), ("status",))

    def _itself(self, schema: Schema, value: Any, hollow: Any, at: Place) -> Piece:
        """An object or list without what it holds, which is `hollow` where nothing looks into it."""
        known = self._shallow.get(id(schema))
        if known is None:
            known = self._shallow[id(schema)] = schema, _shallow(schema)
        return Piece(known[1], value if any(word in schema for word in LOOKING_IN) else hollow, at)


def _shallow(schema: Schema) -> Schema:
    shallow = {word: value for word, value in schema.items() if word not in ("items", "additionalProperties")}
    return {**shallow, "properties": dict.fromkeys(schema.get("properties") or (), True)}


def _below(schema: Schema, name: str) -> Schema | None:
    """The schema of a field, None for one of which it says nothing."""
    below = (schema.get("properties") or {}).get(name, schema.get("additionalProperties"))
    return below if isinstance(below, dict) else None
