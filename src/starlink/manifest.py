"""YAML files, read safely: no duplicate keys, no bombs of aliases, no surprises of YAML 1.1.

`no`, `on` and `12:30` stay the strings that a person wrote, as kubectl reads them too.
"""

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

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
    """YAML 1.2's core schema, near enough: what JSON can say, with duplicate keys refused."""

    values_left = MAX_VALUES
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
        return super().resolve(kind, value, implicit)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[str, Any]:
        if not isinstance(node, yaml.MappingNode):
            raise _wrong(node, f"expected a mapping node, but found {node.id}")
        mapping: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node)
            if key in mapping:
                raise _wrong(key_node, f"the key {key!r} stands twice")
            mapping[key] = self.construct_object(value_node, deep=deep)
        return mapping

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


for tag, pattern, first in (
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("int", r"^[-+]?[0-9]+$", "-+0123456789"),
    ("float", r"^[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+)(?:[eE][-+]?[0-9]+)?$", "-+.0123456789"),
    ("null", r"^(?:~|null|Null|NULL|)$", "~nN\0"),
    ("merge", r"^(?:<<)$", "<"),
):
    for character in [*first.replace("\0", ""), *([""] if "\0" in first else [])]:
        _Loader.yaml_implicit_resolvers.setdefault(character, []).append(
            (f"tag:yaml.org,2002:{tag}", re.compile(pattern))
        )


_MOST_DIGITS = 20
_LEAST_INT, _MOST_INT = -(2**63), 2**64 - 1


def _int(loader: Any, node: Any) -> int:
    text = loader.construct_scalar(node)
    if not re.fullmatch("[-+]?[0-9]+", text):
        raise _wrong(node, f"{text!r} is no whole number")
    digits = text.lstrip("+-0")
    number = int(digits or "0") if len(digits) <= _MOST_DIGITS else math.inf
    number = -number if text.startswith("-") else number
    if not _LEAST_INT <= number <= _MOST_INT:
        raise _wrong(node, "the number has more than 64 bits; write a smaller one, or text in quotes")
    return int(number)


def _float(loader: Any, node: Any) -> float:
    text = loader.construct_scalar(node)
    try:
        number = float(text)
    except ValueError:
        raise _wrong(node, f"{text!r} is no number") from None
    if not math.isfinite(number):
        raise _wrong(node, "the number is too large; write a smaller one, or text in quotes")
    return number


def _bool(loader: Any, node: Any) -> bool:
    text = loader.construct_scalar(node)
    if text.lower() not in ("true", "false"):
        raise _wrong(node, f"{text!r} is neither true nor false")
    return bool(text.lower() == "true")


for name, constructor in (("int", _int), ("float", _float), ("bool", _bool)):
    _Loader.add_constructor(f"tag:yaml.org,2002:{name}", constructor)


def load(path: Path) -> Any:
    """The one document of a file. Raises BadManifest, OSError."""
    documents = load_all(path.read_text(), str(path))
    if len(documents) != 1:
        raise BadManifest(f"{path} has {len(documents)} documents; one is wanted")
    return documents[0]


def load_all(text: str, source: str, most: int = MAX_VALUES) -> list[Any]:
    """The documents of a text, empty ones left out. Raises BadManifest naming `source`, also when there are more than
    `most` values (TooManyValues); no more than those are looked at."""
    if len(text) > MAX_BYTES:
        raise BadManifest(f"{source} has {len(text)} characters; at most {MAX_BYTES} are read")
    if sum(text.count(f"{end}%") for end in _LINE_ENDS) > MAX_DIRECTIVES:
        raise BadManifest(f"{source} has more than {MAX_DIRECTIVES} lines that begin with %")
    try:
        if text.count("*") + text.count("!") > MAX_ALIASES:  # of aliases and tags the loader asks nothing
            _count(text, source, most)
        documents = [document for document in _documents(text, most) if document is not None]
    except yaml.YAMLError as error:
        raise BadManifest(f"{source} is not valid YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise BadManifest(f"{source} is nested too deeply") from None
    except _Overfull:
        raise _too_many(source, most) from None
    _measure(documents, source, most)
    return documents


def _documents(text: str, most: int) -> Iterator[Any]:
    loader: Any = _Loader(text)
    loader.values_left = most
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
