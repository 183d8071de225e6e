"""What to write in place of what the API refuses of a kind of StarLink's. Pure.

The API server says it to kubectl, and the command line says it of any server. Both look into the schema that is served,
so that no list of fields stands here.
"""

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from starlink.api import habits
from starlink.api.alike import alike, folded
from starlink.api.kinds import GROUP, TASK
from starlink.api.patterns import MEASURES, in_words, is_met
from starlink.api.places import Schema, descend, fields, schema_at
from starlink.api.quantity import RESOURCES

MOST = 10
"""Things that are wrong with one object of which it is said; to look for one costs up to a few milliseconds."""
_ALIKE_HERE, _ALIKE_ELSEWHERE = 0.65, 0.75
"""How much of two names has to agree: many fields lie elsewhere, and most of them are of other things."""
_LONGEST = 64
_MOST_PLACES = 3
_LEAST = 3
"""Letters of a name that is short for another, as env is."""
_INTEGER = re.compile(r"-?[0-9]{1,18}")
_REQUESTS = "spec.template.resources.requests"

_Fields = Sequence[tuple[str, str]]
"""Names, each with what it belongs under."""


def is_given(group: str) -> bool:
    """Whether there is advice for kinds of an API group."""
    return group == GROUP


def of_field(kind: str, schema: Schema, path: str) -> str:
    """What to write in place of an unknown field: what StarLink has for another system's, the field that was likely
    meant, or where it belongs. "" for nothing near."""
    if kind == TASK.kind and (habit := habits.of_field(path)):
        return habit
    part, name = descend(schema, path)
    if not schema or len(name) > _LONGEST:
        return ""
    here, everywhere = list(part.get("properties") or ()), _everywhere(schema)
    if same := [one for one in here if folded(one) == folded(name)]:
        return f"did you mean {same[0]}?"
    if places := _places(name, everywhere):
        return f"{name} belongs {places}"
    if near := _near(name, here, _ALIKE_HERE):
        return f"did you mean {' or '.join(near)}?"
    if near := _near(name, [one for one, _ in everywhere], _ALIKE_ELSEWHERE):
        return f"did you mean {near[0]}, {_places(near[0], everywhere)}?"
    return ""


def of_value(kind: str, schema: Schema, path: str, value: Any) -> str:
    """What a value that is refused must be, and what was likely meant; "" where its type and form are right, or nothing
    can be told."""
    if kind == TASK.kind and path == _REQUESTS:
        return _of_resources(value)
    part = schema_at(schema, path)
    return _of_form(part, value) or _of_type(kind, part, path, value)


def _of_resources(given: Any) -> str:
    unknown = [name for name in given if name not in RESOURCES and "/" not in name] if isinstance(given, dict) else []
    meant = ((name, _near(name, RESOURCES, _ALIKE_HERE)) for name in unknown[:MOST])
    told = ", ".join(f"{near[0]} for {name}" for name, near in meant if near)
    return f"write {told}" if told else ""


def _of_form(part: Schema, value: Any) -> str:
    """Of a text, and of a number in the place of one with a unit."""
    pattern, takes_integers = part.get("pattern", ""), part.get("x-kubernetes-int-or-string", False)
    if isinstance(value, str):
        return "" if is_met(pattern, value) else in_words(pattern, value)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    is_whole = isinstance(value, int) and takes_integers
    return in_words(pattern, value) if pattern in MEASURES and is_number and not is_whole else ""


def _of_type(kind: str, part: Schema, path: str, value: Any) -> str:
    match part.get("type"):
        case "array" if not isinstance(value, list | None):
            return (habits.of_form(path) if kind == TASK.kind else "") or _listed(value)
        case "string" if isinstance(value, bool):  # which may have been written as y or no
            return "must be text: write it in quotes"
        case "string" if isinstance(value, int | float):
            return f'must be text: write "{json.dumps(value)}", in quotes'
        case "integer" if isinstance(value, str) and _INTEGER.fullmatch(value):
            return f"must be a whole number: write {value}, without quotes"
        case "boolean" if isinstance(value, str) and value.lower() in ("true", "false"):
            return f"must be true or false: write {value.lower()}, without quotes"
        case _:
            return ""


def _listed(value: Any) -> str:
    is_short = not isinstance(value, dict) and len(str(value)) <= _LONGEST
    return f"must be a list: write {json.dumps([value], ensure_ascii=False)}" if is_short else "must be a list"


def _everywhere(schema: Schema) -> _Fields:
    """What a user may write anywhere, with the resources, which are keys of a map and no fields."""
    requests = [(name, _REQUESTS) for name in RESOURCES] if schema_at(schema, _REQUESTS) else []
    return [*fields(schema), *requests]


def _places(name: str, everywhere: _Fields) -> str:
    """`under spec.template`, the least deep places where there is such a field; "" for none."""
    found = [place for one, place in everywhere if folded(one) == folded(name)]
    depth = [place for place in found if place.count(".") == found[0].count(".")]
    if depth and not depth[0]:
        return "at the top, beside spec"
    return f"under {' or '.join(depth[:_MOST_PLACES])}" if depth else ""


def _near(name: str, known: Iterable[str], least: float) -> list[str]:
    """The known names that are most like one, however they are written, and those of which one is short for the
    other."""
    word, by_form = folded(name), {folded(one): one for one in known}
    short = [one for one in by_form if word.startswith(one) or _is_short(word, one)]
    return [by_form[one] for one in dict.fromkeys((*alike(word, by_form, least), *short)) if len(one) >= _LEAST]


def _is_short(word: str, name: str) -> bool:
    """Whether the word has some letters of the name, from the first on, as `cmd` has of `command`."""
    rest = iter(name)
    return len(word) >= _LEAST and name.startswith(word[0]) and all(letter in rest for letter in word)
