"""How objects are printed: the values of `-o`."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click
import yaml
from click.shell_completion import CompletionItem

from starlink.api.kinds import Kind
from starlink.cli import jsonpath

Obj = dict[str, Any]
TABLES = ("table", "wide")
_KNOWN = (*TABLES, "name", "json", "yaml")


def written(word: str, obj: Obj) -> str:
    """Data as `json` or `yaml`."""
    if word == "json":
        return json.dumps(obj, indent=2, ensure_ascii=False) + "\n"
    return yaml.safe_dump(obj, sort_keys=False, allow_unicode=True)


@dataclass(frozen=True, slots=True)
class Format:
    """One of the known words, or `jsonpath` with its template."""

    word: str
    template: jsonpath.Template | None = None

    @property
    def is_table(self) -> bool:
        return self.word in TABLES

    def one(self, kind: Kind, obj: Obj) -> str:
        """An object as text."""
        if self.word == "name":
            return f"{qualified(kind)}/{obj['metadata']['name']}\n"
        if self.template is not None:
            return self.template.render(obj)
        return written(self.word, obj)

    def many(self, found: Sequence[tuple[Kind, Obj]]) -> str:
        """Several objects as text: one list, or a name each."""
        if self.word == "name":
            return "".join(self.one(kind, obj) for kind, obj in found)
        items = [obj for _, obj in found]
        return self.one(_LIST, {"apiVersion": "v1", "kind": "List", "items": items})


_LIST = Kind("", "v1", "List", "lists", False)


class Output(click.ParamType[Format]):
    """A value of `-o`."""

    name = "format"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Format:
        """Raises BadParameter naming what would be right."""
        if isinstance(value, Format):
            return value
        word, equals, text = str(value).partition("=")
        if word == "jsonpath" and equals:
            try:
                return Format(word, jsonpath.parse(text))
            except jsonpath.BadPath as error:
                self.fail(f"jsonpath: {error}", param, ctx)
        if str(value) not in _KNOWN:
            self.fail(f"{value!r} is none of {', '.join(_KNOWN)} and jsonpath='{{.metadata.name}}'", param, ctx)
        return Format(word)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """The words that begin so."""
        words = (*_KNOWN, "jsonpath=")
        return [CompletionItem(word) for word in words if word.startswith(incomplete)]


def qualified(kind: Kind) -> str:
    """A kind as names are printed with it: `task.starlink.dev`, `secret`."""
    return f"{kind.kind.lower()}.{kind.group}".rstrip(".")


def without_managed_fields(obj: Obj) -> Obj:
    """The object without who wrote which field, as kubectl shows it."""
    metadata = {key: value for key, value in obj.get("metadata", {}).items() if key != "managedFields"}
    return {**obj, "metadata": metadata}
