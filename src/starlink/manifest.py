"""YAML files, read as kubectl reads them, and safely: no duplicate keys, no bombs of aliases, no objects of Python.

So `on` is true, `0777` is 511 and `12:30` is text; a reader that cares is told of such values.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from starlink import yaml_scalars

MAX_BYTES = 8 * 1024 * 1024
MAX_ALIASES = 1_000
MAX_VALUES = 1_000_000
MAX_DEPTH = 300
MAX_DIRECTIVES = 100
"""Lines that begin with `%`: libyaml compares each `%TAG` with all that came before it."""

_LINE_ENDS = "\n\r\x85\u2028\u2029"

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class BadManifest(ValueError):
    """Not YAML that can be used; the message names the file and the place."""


class TooManyValues(BadManifest):
    """More values than are read."""


class _Overfull(Exception):
    """The text has more values than are read."""


class _Loader(_Base):  # type: ignore[misc]
    """YAML 1.1 as kubectl reads it, with duplicate keys refused. `warn` is told of surprises: the place, and what is
    read."""

    values_left = MAX_VALUES
    warn: Callable[[Any, str], None] | None = None
    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012
    yaml_constructors: dict[Any, Any] = {  # noqa: RUF012
        tag: constructor
        for tag, constructor in _Base.yaml_constructors.items()
        if tag is None or tag.rpartition(":")[2] in ("null", "str", "seq", "map")
    }

    def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:
        """The tag of a value, which is asked for once as the value is read: so here they are counted."""
        self.values_left -= 1
        if self.values_left < 0:
            raise _Overfull
        if kind is yaml.ScalarNode and implicit[0]:
            return f"{_CORE}{yaml_scalars.kind_of(value)}"
        return super().resolve(kind, value, implicit)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[str, Any]:
        if not isinstance(node, yaml.MappingNode):
            raise _wrong(node, f"expected a mapping node, but found {node.id}")
        mapping: dict[str, Any] = {}
        own: set[str] = set()
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE:
                self._merge(value_node, mapping, own)
                continue
            key = self._key(key_node)
            if key in own:
                raise _wrong(key_node, f"the key {key!r} stands twice")
            own.add(key)
            mapping[key] = self.construct_object(value_node, deep=deep)
        return mapping

    def _merge(self, node: Any, mapping: dict[str, Any], own: set[str]) -> None:
        """What `<<` brings; of several the first counts. As with kubectl it replaces what stands before it."""
        many = isinstance(node, yaml.SequenceNode)
        for one in reversed(node.value) if many else [node]:
            if not isinstance(one, yaml.MappingNode):
                raise _wrong(node, "<< takes a mapping, or a list of mappings")
            merged = self.construct_object(one, deep=True)
            self.values_left -= len(merged)
            if self.values_left < 0:
                raise _Overfull
            mapping.update(merged)
            if self.warn and (lost := sorted(own & merged.keys())):
                self.warn(node, f"<< replaces {', '.join(lost)}, which stands before it, as with kubectl; put << first")

    def _key(self, node: Any) -> str:
        """A key as text, as kubectl takes numbers and truth values for it."""
        if not isinstance(node, yaml.ScalarNode):
            raise _wrong(node, f"a {node.id} can't be a key; write text")
        key = self.construct_object(node, deep=True)
        if key is None:
            raise _wrong(node, "null can't be a key; write it in quotes")
        return str(key).lower() if isinstance(key, bool) else str(key)


def _wrong(node: Any, why: str) -> yaml.constructor.ConstructorError:
    return yaml.constructor.ConstructorError(None, None, why, node.start_mark)


_CORE = "tag:yaml.org,2002:"
_MERGE = f"{_CORE}merge"


def _scalar(kind: str, read: Callable[[str], Any]) -> Callable[[Any, Any], Any]:
    """A constructor that reads the text so, and tells of surprises."""

    def construct(loader: Any, node: Any) -> Any:
        text = loader.construct_scalar(node)
        try:
            value = read(text)
        except ValueError as error:
            raise _wrong(node, str(error)) from None
        if (
            loader.warn
            and not node.style
            and yaml_scalars.kind_of(text) == kind
            and (told := yaml_scalars.surprise(text))
        ):
            loader.warn(node, told)
        return value

    return construct


def _unknown(_loader: Any, node: Any) -> Any:
    raise _wrong(node, "its tag is not known here")


for kind, read in (
    ("bool", yaml_scalars.truth),
    ("int", yaml_scalars.integer),
    ("float", yaml_scalars.number),
    ("str", str),
    ("merge", str),
):
    _Loader.add_constructor(f"{_CORE}{kind}", _scalar(kind, read))
_Loader.add_constructor(None, _unknown)


def load(path: Path) -> Any:
    """The one document of a file. Raises BadManifest, OSError."""
    documents = load_all(path.read_text(), str(path))
    if len(documents) != 1:
        raise BadManifest(f"{path} has {len(documents)} documents; one is wanted")
    return documents[0]


def load_all(text: str, source: str, most: int = MAX_VALUES, warn: Callable[[str], None] | None = None) -> list[Any]:
    """The documents of a text, empty ones left out. Raises BadManifest naming `source`, also when there are more than
    `most` values (TooManyValues); no more than those are looked at. `warn` is told of each value that may surprise."""
    if len(text) > MAX_BYTES:
        raise BadManifest(f"{source} has {len(text)} characters; at most {MAX_BYTES} are read")
    if sum(text.count(f"{end}%") for end in _LINE_ENDS) > MAX_DIRECTIVES:
        raise BadManifest(f"{source} has more than {MAX_DIRECTIVES} lines that begin with %")
    try:
        if text.count("*") + text.count("!") > MAX_ALIASES:  # of aliases and tags the loader asks nothing
            _count(text, source, most)
        documents = [document for document in _documents(text, source, most, warn) if document is not None]
    except yaml.YAMLError as error:
        raise BadManifest(f"{source} is not valid YAML: {_said(error)}") from None
    except RecursionError:
        raise BadManifest(f"{source} is nested too deeply") from None
    except _Overfull:
        raise _too_many(source, most) from None
    _measure(documents, source, most)
    return documents


def _said(error: yaml.YAMLError) -> str:
    """What is wrong and where, and no line of the text: others may read it than may read that."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return "it has a character that YAML does not take"
    parts = ((error.context, error.context_mark), (error.problem, error.problem_mark))
    return ", ".join(_at(words, mark) for words, mark in parts if words)


def _at(words: str, mark: Any) -> str:
    return f"{words} in line {mark.line + 1}, column {mark.column + 1}" if mark is not None else words


def _documents(text: str, source: str, most: int, warn: Callable[[str], None] | None) -> Iterator[Any]:
    loader: Any = _Loader(text)
    loader.values_left = most
    if warn:
        loader.warn = lambda node, told: warn(f"{source}, line {node.start_mark.line + 1}: {told}")
    try:
        while loader.check_data():
            yield loader.get_data()
    finally:
        loader.dispose()


def _count(text: str, source: str, most: int) -> None:
    """Raises BadManifest, _Overfull and what PyYAML raises."""
    aliases = values = 0
    for event in yaml.parse(text, Loader=_Loader):
        aliases += isinstance(event, yaml.AliasEvent)
        values += isinstance(event, yaml.NodeEvent)
        if aliases > MAX_ALIASES:
            raise BadManifest(f"{source} has more than {MAX_ALIASES} aliases")
        if values > most:
            raise _Overfull


def _too_many(source: str, most: int) -> TooManyValues:
    return TooManyValues(f"{source} has more than {most} values, those that its aliases repeat included")


def _measure(documents: list[Any], source: str, most: int) -> None:
    """Each value counts as often as aliases bring it, for whoever writes it out writes all of them."""
    waiting = [(document, 1) for document in documents]
    count = 0
    while waiting:
        value, depth = waiting.pop()
        count += 1
        if depth > MAX_DEPTH:
            raise BadManifest(f"{source} is nested too deeply; at most {MAX_DEPTH} levels are read")
        if count + len(waiting) > most:
            raise _too_many(source, most)
        if isinstance(value, dict | list):
            waiting += [(one, depth + 1) for one in (value.values() if isinstance(value, dict) else value)]
