"""Rules and conditions of simple forms, answered without CEL where the answer is certain. Pure.

Most compare fields, and ask whether they are there or how long they are. To make CEL's values of an object and
run them costs many times what the answer does. A shortcut says only that a rule is met, or that a policy's condition is
not, so that the policy says nothing: whatever it can't tell for certain, and every refusal, is CEL's to tell.
The language: https://github.com/google/cel-spec/blob/master/doc/langdef.md
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from starlink.apiserver.cel import certain
from starlink.apiserver.cel.certain import ORDERED, Run, Uncertain
from starlink.apiserver.cel.escaping import escape
from starlink.apiserver.cel.shapes import Shape

Shortcut = Callable[[Any, Any], bool]
"""Of `self` and `oldSelf`: whether the rule is met for certain."""
Refuted = Callable[[Mapping[str, Any]], bool]
"""Of the variables by name: whether the condition is not met for certain."""

_TOKEN = re.compile(
    r"""\s*(?:(?P<int>\d+)(?![\w.])|(?P<text>'[^'\\\n]*'|"[^"\\\n]*")|(?P<name>[A-Za-z_]\w*)"""
    r"""|(?P<mark>\|\||&&|[=!<>]=|[<>!().,\[\]]))""",
    re.ASCII,
)
_JSON = Shape("json")
"""Plain JSON without a schema, which is as it is all the way down."""
_AS_IT_IS = ("int", "string", "bool", "dyn", "object", "list", "map", _JSON.kind)


class _Unknown(ValueError):
    """The text is not of the forms known here."""


@dataclass(frozen=True, slots=True)
class _Term:
    """A part of a rule. That of a field has its shape, its name, and `holder`, what it is a field of."""

    run: Run
    shape: Shape | None = None
    holder: Run | None = None
    name: str = ""


_OPAQUE = _Term(certain.uncertain)


def shortcut(text: str, shape: Shape | None) -> Shortcut | None:
    """That of a rule that compiles, None where there is none. `shape` is that of `self`."""
    names = {
        "self": _of_shape(lambda new, _old: new, shape),
        "oldSelf": _of_shape(lambda _new, old: old, shape),
    }
    run = _read(text, names)
    return None if run is None else lambda new, old: _comes_to(True, run, new, old)


def refuted(text: str, variables: Iterable[str]) -> Refuted | None:
    """That of a policy's condition, None where there is none. The variables hold plain JSON."""
    run = _read(text, {name: _Term(certain.selected(lambda known, _: known, name), _JSON) for name in variables})
    return None if run is None else lambda known: _comes_to(False, run, known, None)


def _read(text: str, names: Mapping[str, "_Term"]) -> Run | None:
    try:
        return _Reader(_tokens(text), names).whole().run
    except (_Unknown, IndexError, RecursionError):
        return None


def _comes_to(truth: bool, run: Run, new: Any, old: Any) -> bool:
    try:
        return run(new, old) is truth
    except Uncertain:
        return False


def _tokens(text: str) -> list[tuple[str, str]]:
    found, place, end = [], 0, len(text.rstrip())
    while place < end:
        token = _TOKEN.match(text, place)
        if token is None or token.lastgroup is None:
            raise _Unknown
        found.append((token.lastgroup, token[token.lastgroup]))
        place = token.end()
    return [*found, ("end", "")]


class _Reader:
    """Reads by recursive descent, an operator's precedence a method."""

    def __init__(self, tokens: list[tuple[str, str]], names: Mapping[str, _Term]) -> None:
        self._tokens = tokens
        self._place = 0
        self._names = names

    def whole(self) -> _Term:
        term = self._either()
        if self._tokens[self._place][0] != "end":
            raise _Unknown
        return term

    def _takes(self, *words: str) -> str:
        """The next token if it is one of these marks or names, which is taken; "" otherwise."""
        kind, text = self._tokens[self._place]
        if kind not in ("mark", "name") or text not in words:
            return ""
        self._place += 1
        return text

    def _take(self, kind: str) -> str:
        found, text = self._tokens[self._place]
        if found != kind:
            raise _Unknown
        self._place += 1
        return text

    def _close(self, mark: str) -> None:
        if not self._takes(mark):
            raise _Unknown

    def _either(self) -> _Term:
        term = self._both()
        while self._takes("||"):
            term = _Term(certain.either(term.run, self._both().run))
        return term

    def _both(self) -> _Term:
        term = self._relation()
        while self._takes("&&"):
            term = _Term(certain.both(term.run, self._relation().run))
        return term

    def _relation(self) -> _Term:
        left = self._negated()
        word = self._takes("==", "!=", "in", *ORDERED)
        return _Term(certain.related(word, left.run, self._negated().run)) if word else left

    def _negated(self) -> _Term:
        if self._takes("!"):
            return _Term(certain.negated(self._negated().run))
        term = self._primary()
        while self._takes("."):
            term = self._member(term, self._take("name"))
        return term

    def _member(self, term: _Term, name: str) -> _Term:
        if not self._takes("("):
            return _field(term, name)
        arguments = self._list(")")
        return _Term(certain.size(term.run)) if name == "size" and not arguments else _OPAQUE

    def _primary(self) -> _Term:
        kind, text = self._tokens[self._place]
        self._place += 1
        match kind, text:
            case "mark", "(":
                term = self._either()
                self._close(")")
                return term
            case "mark", "[":
                return _Term(certain.listed([item.run for item in self._list("]")]))
            case "int", _:
                return _Term(certain.constant(int(text)))
            case "text", _:
                return _Term(certain.constant(text[1:-1]))
            case "name", _:
                return self._named(text)
        raise _Unknown

    def _named(self, name: str) -> _Term:
        if self._takes("("):
            return _called(name, self._list(")"))
        if name in ("true", "false"):
            return _Term(certain.constant(name == "true"))
        return self._names.get(name, _OPAQUE)

    def _list(self, end: str) -> list[_Term]:
        """What is listed up to `end`."""
        items: list[_Term] = []
        while not self._takes(end):
            if items:
                self._close(",")
            items.append(self._either())
        return items


def _called(name: str, arguments: list[_Term]) -> _Term:
    if name == "has" and len(arguments) == 1 and arguments[0].holder is not None:
        return _Term(certain.has(arguments[0].holder, arguments[0].name))
    return _Term(certain.size(arguments[0].run)) if name == "size" and len(arguments) == 1 else _OPAQUE


def _of_shape(run: Run, shape: Shape | None) -> _Term:
    """A value, if rules see it as it is."""
    if shape is None:
        return _OPAQUE
    return _Term(run if shape.kind in _AS_IT_IS else certain.uncertain, shape)


def _field(term: _Term, name: str) -> _Term:
    shape = term.shape
    if shape is None or escape(name) != name:
        return _OPAQUE
    below = _JSON if shape is _JSON else shape.element if shape.kind == "map" else shape.fields.get(name)
    if below is None:
        return _OPAQUE
    return replace(_of_shape(certain.selected(term.run, name), below), holder=term.run, name=name)
