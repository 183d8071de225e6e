"""A schema's check in sections, so that only those are checked that may be wrong. Pure but for what is remembered.

The whole is valid exactly when each section is: a section is cut out only where nothing above it looks into it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jsonschema_rs import Validator

from starlink.apiserver.schema.correlation import same
from starlink.apiserver.schema.repeats import Repeats
from starlink.apiserver.schema.structure import Node
from starlink.apiserver.validation import json_schema
from starlink.apiserver.validation.json_schema import Schema
from starlink.apiserver.validation.ratcheting import Piece, Place

_DEPTH = 2  # `spec`, and the objects right in it


@dataclass(frozen=True, slots=True)
class Section:
    """A place of a schema; `validator` checks it without what lies in the sections `below`."""

    validator: Validator
    repeats: Repeats | None
    below: Mapping[str, "Section"]
    left_out: frozenset[str]


def build(schema: Schema, node: Node, depth: int = _DEPTH) -> Section:
    """Of a translated schema, which is that of `node`. Raises ValueError as `json_schema.validator`."""
    if depth == 0 or any(word in schema for word in json_schema.LOOKING_IN):
        return Section(json_schema.validator(schema), node.repeats, {}, frozenset())
    properties = schema.get("properties") or {}
    cut = [name for name in properties if node.properties[name].is_structure]
    below = {name: build(properties[name], node.properties[name], depth - 1) for name in cut}
    shallow = {**schema, "properties": {**properties, **dict.fromkeys(cut, True)}} if cut else schema
    unseen = cut if depth < _DEPTH else [*cut, "metadata"]  # of which the schema of a kind says nothing
    return Section(json_schema.validator(shallow), node.repeats, below, frozenset(unseen))


def is_valid(section: Section, value: Any, old: Any) -> bool:
    """Whether a value is valid where it is not `old`'s very own."""
    if not section.left_out or type(value) is not dict:
        return section.validator.is_valid(value)
    if not section.validator.is_valid(_shallow(section, value)):
        return False
    before = old if type(old) is dict else {}
    for name, below in section.below.items():
        if name in value:
            part = value[name]
            if not _is_known(below, part, before.get(name)) and not is_valid(below, part, before.get(name)):
                return False
    return True


def wrong(section: Section, schema: Schema, value: Any, at: Place = ()) -> Iterator[tuple[Validator, Piece]]:
    """The sections of a value that are not valid; `schema` is the translated one that the section was made of."""
    if not section.left_out or type(value) is not dict:
        yield section.validator, Piece(schema, value, at)
        return
    shallow = _shallow(section, value)
    if not section.validator.is_valid(shallow):
        yield section.validator, Piece(schema, shallow, at)
    for name, below in section.below.items():
        if name in value and not is_valid(below, value[name], None):
            yield from wrong(below, schema["properties"][name], value[name], (*at, name))


def _shallow(section: Section, value: dict[str, Any]) -> dict[str, Any]:
    """The value with nothing in place of what is left out, which may be required to be there."""
    shallow = value.copy()
    for name in section.left_out:
        if name in shallow:
            shallow[name] = None
    return shallow


def _is_known(section: Section, part: Any, before: Any) -> bool:
    if part is before and part is not None:
        return True
    return section.repeats is not None and section.repeats.is_valid(part)


def repeating(section: Section, value: Any, old: Any) -> Iterator[tuple[Repeats, Any]]:
    """The parts of a value that are looked for in others, and that differ from `old`'s."""
    if section.repeats is not None and not same(value, old):
        yield section.repeats, value
    before = old if type(old) is dict else {}
    for name, below in section.below.items() if type(value) is dict else ():
        if name in value:
            yield from repeating(below, value[name], before.get(name))
