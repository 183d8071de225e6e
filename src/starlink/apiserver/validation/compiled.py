"""The compiled structural schema of one kind: `resource.Schema` over jsonschema-rs and CEL."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Generic, TypeVar

import jsonschema_rs
import msgspec

from starlink.api.errors import MOST_CAUSES, Cause
from starlink.apiserver import cel
from starlink.apiserver.schema import causes, structure
from starlink.apiserver.schema.causes import NOWHERE
from starlink.apiserver.schema.correlation import same_but_for_metadata
from starlink.apiserver.schema.structure import Node
from starlink.apiserver.validation import complaints, embedded, json_schema, sections, uniqueness
from starlink.apiserver.validation.ratcheting import Piece, Pieces
from starlink.apiserver.validation.sections import Section

Obj = dict[str, Any]

_BLOCKING = (
    "FieldValueNotSupported", "FieldValueRequired", "FieldValueTooLong", "FieldValueTooMany", "FieldValueTypeInvalid",
)  # fmt: skip
_RULES_UNCHECKED = causes.invalid(
    NOWHERE,
    None,
    "some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation",
)


T = TypeVar("T")


class _made_once(Generic[T]):
    """A property that is made when it is first asked for. Unlike functools' it holds no lock that all objects share:
    a large schema that is made beside the loop would keep the loop from making any other."""

    def __init__(self, make: Callable[[Any], T]) -> None:
        self._make = make

    def __get__(self, owner: Any, _type: Any = None) -> T:
        made = owner.__dict__[self._make.__name__] = self._make(owner)
        return made


class StructuralSchema:
    """One kind's schema, each of its parts made when it is first needed. `remembers`: parts of objects that come again
    are told by their JSON and shared, so that nothing may change an object that was conformed. `is_known`: its rules
    are known to compile, so that each may wait until it is run; `twins`: in lists that merge an entry may come twice,
    which the real server lets pass in built-in kinds."""

    def __init__(
        self, openapi: Mapping[str, Any], *, remembers: bool = False, is_known: bool = False, twins: bool = False
    ) -> None:
        self._openapi = openapi
        self._twins = twins
        self._remembers = remembers
        self._is_known = is_known

    @_made_once
    def node(self) -> Node:
        root = structure.build(self._openapi, root=True)
        return structure.remembering(root) if self._remembers else root

    @_made_once
    def _looks_for_twins(self) -> bool:
        return self.node.keyed and not self._twins

    @_made_once
    def _rules(self) -> cel.Rules | None:
        return cel.compile_rules(self.node, at_once=not self._is_known)

    @_made_once
    def _sections(self) -> Section:
        return sections.build(json_schema.translated(self._openapi, root=True), self.node)

    @_made_once
    def digest(self) -> bytes:
        return hashlib.blake2b(msgspec.json.encode(self._openapi), digest_size=16).digest()

    def compile(self) -> None:
        """Makes all parts now that an object needs. Raises `cel.BadRule` or ValueError when one can't be made."""
        _ = self._sections, self._rules

    @property
    def openapi(self) -> Mapping[str, Any]:
        return self._openapi

    def conform(self, obj: Obj, *, defaults: bool, old: Obj | None = None) -> tuple[Obj, list[str]]:
        unknown: list[str] = []
        shaped = structure.conform(self.node, obj, defaults=defaults, unknown=unknown, old=old)
        assert isinstance(shaped, dict)
        if not unknown:
            return shaped, unknown
        return shaped, sorted(islice(structure.unknown_paths(self.node, obj, old=old), MOST_CAUSES + 1))

    def validate(self, obj: Obj, old: Obj | None, *, subresource: str = "") -> tuple[Cause, ...]:
        if old is not None and same_but_for_metadata(obj, old):
            return ()
        before = old or {}
        is_met = sections.is_valid(self._sections, obj, before)
        found = [] if is_met else self._complaints(obj, old, subresource)
        if self.node.embeds:
            found += islice(embedded.check(self.node, obj, before), MOST_CAUSES + 1)
        twins = list(islice(uniqueness.twins(self.node, obj, before), MOST_CAUSES + 1)) if self._looks_for_twins else []
        if twins and next(uniqueness.twins(self.node, before), None) is None:
            found += twins
        found += self._unmet_rules(obj, old, found)
        if not found and is_met and not twins and self._remembers:
            self._remember(obj, before)
        return tuple(found)

    def _unmet_rules(self, obj: Obj, old: Obj | None, found: Sequence[Cause]) -> Iterable[Cause]:
        if self._rules is None:
            return ()
        if any(cause.reason in _BLOCKING for cause in found):
            return (_RULES_UNCHECKED,)
        return islice(cel.check(self._rules, obj, old), MOST_CAUSES + 1)

    def _remember(self, obj: Obj, before: Obj) -> None:
        """Keeps of what was found valid, and not only let pass for it was there before, that it is."""
        for repeats, value in sections.repeating(self._sections, obj, before):
            part = repeats.of(value)
            if part is not None:
                part.valid = True

    def _complaints(self, obj: Obj, old: Obj | None, subresource: str) -> list[Cause]:
        """What is wrong by the schema in what differs from `old`."""
        translated = json_schema.translated(self._openapi, root=True)
        if old is None:
            asked = sections.wrong(self._sections, translated, obj)
        else:
            pieces = Pieces()
            of = pieces.of_status if subresource == "status" else pieces.of
            asked = _with_validators(of(translated, self.node, obj, old))
        found: list[Cause] = []
        for validator, piece in asked:
            found += _told(validator, piece)
            if len(found) > MOST_CAUSES:
                break
        return found


def _with_validators(pieces: Iterable[Piece]) -> Iterator[tuple[jsonschema_rs.Validator, Piece]]:
    made: dict[int, jsonschema_rs.Validator] = {}
    for piece in pieces:
        if id(piece.schema) not in made:
            made[id(piece.schema)] = json_schema.validator(piece.schema)
        yield made[id(piece.schema)], piece


def _told(validator: jsonschema_rs.Validator, piece: Piece) -> list[Cause]:
    """What is wrong with a piece. jsonschema-rs makes all of its errors at once, each with its path, so that of what
    could have too many of them only the first is asked for."""
    if validator.is_valid(piece.value):
        return []
    if _is_countable(piece.value):
        return complaints.told(piece.schema, validator.iter_errors(piece.value), piece.at)
    try:
        validator.validate(piece.value)
    except jsonschema_rs.ValidationError as error:
        return complaints.told(piece.schema, (error,), piece.at)
    return []


_MOST_PARTS = 2_000
_MOST_IN_PATHS = 1_000_000


def _is_countable(obj: Obj) -> bool:
    """Whether errors about all parts of an object, each with its path, would be bearable in number and length."""
    waiting: list[tuple[Any, int]] = [(obj, 0)]
    parts = length = 0
    while waiting:
        value, depth = waiting.pop()
        parts += 1
        length += depth
        if length > _MOST_IN_PATHS:
            return False
        if not isinstance(value, dict | list):
            continue
        if parts + len(waiting) + len(value) > _MOST_PARTS:
            return False
        if isinstance(value, dict):
            waiting += [(part, depth + len(name)) for name, part in value.items()]
        else:
            waiting += [(part, depth + 1) for part in value]
    return True
