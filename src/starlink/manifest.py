"""YAML files, read safely: no duplicate keys, no bombs of aliases, no surprises of YAML 1.1.

`no`, `on` and `12:30` stay the strings that a person wrote, as kubectl reads them too.
"""

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

MAX_BYTES = 8 * 1024 * 1024
MAX_ALIASES = 1_000

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class BadManifest(ValueError):
    """Not YAML that can be used; the message names the file and the place."""


class _Loader(_Base):  # type: ignore[misc]
    """YAML 1.2's core schema, near enough, with duplicate keys refused."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable) or key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands twice", key_node.start_mark
                )
            seen.add(key)
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep=deep)
        return mapping


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


def _int(loader: Any, node: Any) -> int:
    return int(loader.construct_scalar(node))


_Loader.add_constructor("tag:yaml.org,2002:int", _int)


def load(path: Path) -> Any:
    """The one document of a file. Raises BadManifest, OSError."""
    documents = load_all(path.read_text(), str(path))
    if len(documents) != 1:
        raise BadManifest(f"{path} has {len(documents)} documents; one is wanted")
    return documents[0]


def load_all(text: str, source: str) -> list[Any]:
    """The documents of a text, empty ones left out. Raises BadManifest naming `source`."""
    if len(text) > MAX_BYTES:
        raise BadManifest(f"{source} has {len(text)} characters; at most {MAX_BYTES} are read")
    try:
        if sum(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=_Loader)) > MAX_ALIASES:
            raise BadManifest(f"{source} has more than {MAX_ALIASES} aliases")
        return [document for document in yaml.load_all(text, Loader=_Loader) if document is not None]
    except yaml.YAMLError as error:
        raise BadManifest(f"{source} is not valid YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise BadManifest(f"{source} is nested too deeply") from None
