r"""JSONPath templates as `kubectl -o jsonpath=` has them. Pure.

Text with expressions in braces: `{.metadata.name}`, `{.items[*].status.phase}`, `{["key"]}`, `[0]`, `[-1]`, `[1:3]`,
`[*]`, `.*`, `..name`, `[?(@.type=="Ready")]` with == != < <= > >= or a path alone, `{"\n"}`, `{range PATH}…{end}`. What
lies nowhere is nothing.
"""

import json
import operator
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any


class BadPath(Exception):
    """Says where the template can't be read, and what would be right."""


_STEP = re.compile(
    r"\.\.(?P<deep>[\w-]+|\*)"
    r"|\.(?P<field>(?:\\.|[^.\[\]\s\\])+)"
    r"""|\[\s*(?P<quote>["'])(?P<key>.*?)(?P=quote)\s*\]"""
    r"|\[\s*(?P<all>\*)\s*\]"
    r"|\[(?P<from>-?\d*):(?P<to>-?\d*)\]"
    r"|\[\s*(?P<index>-?\d+)\s*\]"
    r"|\[\?\((?P<filter>.+?)\)\]"
)
_FILTER = re.compile(r"""\s*@(?P<path>[^\s=!<>]*)\s*(?:(?P<op>==|!=|<=|>=|<|>)\s*(?P<value>.+?)\s*)?""")
_PARTS = re.compile(r"""\{((?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[^{}"'])*)\}""")
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip

_DEEPEST = 16

Path = Sequence[re.Match[str]]


@dataclass(frozen=True, slots=True)
class Template:
    """Texts, paths, and for a range its path and what is within it."""

    parts: Sequence["str | Path | tuple[Path, Template]"]

    def render(self, value: Any) -> str:
        """The text for a value; of several values at a path each, with a space between."""
        return "".join(self._texts(value))

    def _texts(self, value: Any) -> Iterator[str]:
        for part in self.parts:
            if isinstance(part, str):
                yield part
            elif isinstance(part, tuple):
                path, within = part
                yield from (within.render(one) for one in _walk(value, path))
            else:
                yield " ".join(_shown(one) for one in _walk(value, part))


def parse(text: str) -> Template:
    """Reads a template. Raises BadPath."""
    return _template(_words(text), depth=0)


def _words(text: str) -> Iterator[tuple[bool, str]]:
    """What stands in the text, and whether in braces."""
    place = 0
    for match in _PARTS.finditer(text):
        yield False, text[place : match.start()]
        yield True, match[1].strip()
        place = match.end()
    yield False, text[place:]


def _template(words: Iterator[tuple[bool, str]], *, depth: int) -> Template:
    parts: list[Any] = []
    if depth > _DEEPEST:
        raise BadPath(f"more than {_DEEPEST} ranges within each other")
    for in_braces, word in words:
        if not in_braces:
            if "{" in word or "}" in word:
                raise BadPath(f"{word!r}: a brace without its other; an expression is written {{.metadata.name}}")
            parts.append(word)
        elif word == "end":
            if not depth:
                raise BadPath("{end} without {range …} before it")
            return Template(parts)
        elif word.startswith("range "):
            parts.append((_path(word.removeprefix("range ").strip()), _template(words, depth=depth + 1)))
        elif word[:1] in ("'", '"'):
            parts.append(_string(word))
        else:
            parts.append(_path(word))
    if depth:
        raise BadPath("{range …} without {end} behind it")
    return Template(parts)


def _string(word: str) -> str:
    inner = word[1:-1] if word[0] == '"' else word[1:-1].replace("\\'", "'").replace('"', '\\"')
    try:
        return str(json.loads(f'"{inner}"'))
    except ValueError:
        raise BadPath(f'{word} is no text in quotes; write it as {{"\\n"}}') from None


def _path(text: str) -> Path:
    rest = text.removeprefix("$").removeprefix("@")
    if rest in ("", "."):
        return ()
    steps, place = [], 0
    rest = rest if rest.startswith((".", "[")) else f".{rest}"
    while place < len(rest):
        step = _STEP.match(rest, place)
        if step is None:
            raise BadPath(
                f"{text!r} can't be read from {rest[place:]!r} on; "
                "write paths such as .status.phase, .items[0], ['a.b/c'] or [?(@.type==\"Ready\")]"
            )
        if step["filter"]:
            _condition(step["filter"])
        steps.append(step)
        place = step.end()
    return steps


def _walk(value: Any, path: Path) -> list[Any]:
    """What lies at a path below a value."""
    found = [value]
    for step in path:
        found = [one for before in found for one in _below(before, step)]
    return found


def _below(value: Any, step: re.Match[str]) -> Sequence[Any]:
    if step["deep"]:
        return [one for within in _everything(value) for one in _members(within, step["deep"])]
    name = step["key"] if step["quote"] else (step["field"] or "").replace("\\", "")
    if step["quote"] or step["field"]:
        return _members(value, name)
    if step["all"]:
        return _members(value, "*")
    if not isinstance(value, list):
        return ()
    if step["filter"]:
        holds = _condition(step["filter"])
        return [one for one in value if holds(one)]
    if step["index"]:
        index = int(step["index"])
        return [value[index]] if -len(value) <= index < len(value) else ()
    return value[slice(*(int(end) if end else None for end in (step["from"], step["to"])))]


def _members(value: Any, name: str) -> Sequence[Any]:
    if name == "*":
        return list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [value[name]] if isinstance(value, dict) and name in value else ()


def _everything(value: Any) -> Iterator[Any]:
    yield value
    for below in _members(value, "*"):
        yield from _everything(below)


def _condition(text: str) -> Callable[[Any], bool]:
    match = _FILTER.fullmatch(text)
    if match is None:
        raise BadPath(f'the filter {text!r} can\'t be read; write it as @.type=="Ready"')
    path = _path(f"@{match['path']}")
    if match["op"] is None:
        return lambda one: bool(_walk(one, path))
    wanted, compare = _literal(match["value"]), _COMPARE[match["op"]]
    return lambda one: any(_holds(compare, found, wanted) for found in _walk(one, path))


def _literal(text: str) -> Any:
    if text[0] in ("'", '"') and text[-1] == text[0] and len(text) > 1:
        return text[1:-1]
    try:
        return json.loads(text)
    except ValueError:
        raise BadPath(f'{text!r} is no value; write a number, true, false or "text" in quotes') from None


def _holds(compare: Callable[[Any, Any], bool], found: Any, wanted: Any) -> bool:
    try:
        return compare(found, wanted)
    except TypeError:  # of different types none is the larger
        return False


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
