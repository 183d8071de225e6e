"""The fieldPath of a rule, and jsonPath of a selectable field: names of fields and keys of maps. Pure.

https://github.com/kubernetes/apiextensions-apiserver/blob/master/pkg/apiserver/schema/cel/validation.go, ValidFieldPath
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

_PIECE = re.compile(r"'(?:[^'\\]|\\.)*'|[.\[\]]|[^.\[\]]+", re.S)
_ESCAPE = re.compile(r"\\(.)", re.S)
_ESCAPED = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "'": "'", "\\": "\\"}

_Schema = Mapping[str, Any]


def resolve(path: str, schema: _Schema, *, arrays: bool = True) -> tuple[str, _Schema]:
    """The path as a cause shows it (`spec.labels[app]`), and the schema that it leads to.

    `arrays`: whether `['name']` may be written. Raises ValueError when it leads nowhere.
    """
    pieces = iter(_PIECE.findall(path))
    shown = ""
    for piece in pieces:
        name = _name(piece, pieces, arrays)
        named = bool(schema.get("properties"))
        if not named and not isinstance(schema.get("additionalProperties"), dict):
            raise ValueError("does not refer to a valid field")
        if named and name not in schema["properties"]:
            raise ValueError("does not refer to a valid field")
        schema = schema["properties"][name] if named else schema["additionalProperties"]
        shown += (f".{name}" if shown else name) if named else f"[{name}]"
    return shown, schema


def _name(piece: str, pieces: Iterator[str], arrays: bool) -> str:
    """The name that follows a dot or stands in brackets."""
    if piece == ".":
        return _next(pieces)
    if piece != "[":
        raise ValueError(f"expected [ or . but got: {piece}")
    if not arrays:
        raise ValueError("array notation is not allowed")
    quoted = _next(pieces)
    if len(quoted) < 2 or quoted[0] != "'" or quoted[-1] != "'":
        raise ValueError(f"expected single quoted string but got {quoted}")
    if (closing := _next(pieces)) != "]":
        raise ValueError(f"expected ] but got {closing}")
    return _ESCAPE.sub(_unescaped, quoted[1:-1])


def _next(pieces: Iterator[str]) -> str:
    piece = next(pieces, None)
    if piece is None:
        raise ValueError("unexpected end of JSON path")
    return piece


def _unescaped(found: "re.Match[str]") -> str:
    if found[1] not in _ESCAPED:
        raise ValueError(f"invalid string literal: invalid escape char {found[0]}")
    return _ESCAPED[found[1]]
