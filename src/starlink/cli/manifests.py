"""Manifests as people give them: files, folders, standard input."""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from starlink.manifest import BadManifest, load_all

STANDARD_INPUT = "standard input"
_MOST_TOLD = 40
_MOST_WARNINGS = 20


@dataclass(frozen=True, slots=True)
class Manifest:
    """One object and where it stands, for messages. It has an apiVersion, a kind and a name; whatever else it holds is
    for the server to judge."""

    where: str
    body: dict[str, Any]

    @property
    def api_version(self) -> str:
        return str(self.body["apiVersion"])

    @property
    def kind(self) -> str:
        return str(self.body["kind"])

    @property
    def name(self) -> str:
        return str(self.body["metadata"]["name"])

    @property
    def namespace(self) -> str:
        """What it names itself, "" when it does not."""
        return self.body["metadata"].get("namespace") or ""


def told(files: tuple[str, ...]) -> str:
    """The files as messages name them."""
    return ", ".join(STANDARD_INPUT if file == "-" else file for file in files)


def read(files: tuple[str, ...]) -> list[Manifest]:
    """The objects of files, of the *.yaml, *.yml and *.json of folders, and of standard input (`-`).

    Raises ClickException naming file, document and field; then nothing has been applied.
    """
    found = [manifest for file in files for source, text in _texts(file) for manifest in _objects(source, text)]
    if not found:
        raise click.ClickException(f"{told(files)}: no object in it; write one with apiVersion, kind and metadata")
    return found


def _texts(file: str) -> list[tuple[str, str]]:
    if file == "-":
        return [(STANDARD_INPUT, _decoded(STANDARD_INPUT, sys.stdin.buffer.read()))]
    path = Path(file)
    try:
        inside = sorted(path.iterdir()) if path.is_dir() else None
    except OSError as error:
        raise click.ClickException(f"{file}: {error.strerror}") from None
    if inside is None:
        return [(file, _content(path))]
    return [(str(p), _content(p)) for p in inside if p.suffix in (".yaml", ".yml", ".json")]


def _content(path: Path) -> str:
    try:
        return _decoded(str(path), path.read_bytes())
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror}") from None


def _decoded(source: str, content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise click.ClickException(f"{source}: byte {error.start} is not UTF-8; save it as UTF-8 text") from None


def _objects(source: str, text: str) -> Iterator[Manifest]:
    warnings: list[str] = []
    try:
        documents = load_all(text, source, warn=warnings.append)
    except BadManifest as error:
        raise click.ClickException(str(error)) from None
    _tell(source, warnings)
    for number, document in enumerate(documents, 1):
        where = f"{source}, document {number}"
        if isinstance(document, dict) and (document.get("kind") == "List" or isinstance(document.get("items"), list)):
            for index, item in enumerate(_items(where, document)):
                yield _manifest(f"{where}, items[{index}]", item)
        else:
            yield _manifest(where, document)


def _tell(source: str, warnings: list[str]) -> None:
    for warning in warnings[:_MOST_WARNINGS]:
        click.echo(f"Warning: {warning}", err=True)
    if (more := len(warnings) - _MOST_WARNINGS) > 0:
        click.echo(f"Warning: {source}: {more} more values like these", err=True)


def _items(where: str, document: dict[str, Any]) -> list[Any]:
    items = document.get("items")
    if not isinstance(items, list):
        raise click.ClickException(f"{where}: items {_found(items)}; write the list of the objects there")
    return items


def _manifest(where: str, body: Any) -> Manifest:
    if not isinstance(body, dict):
        raise click.ClickException(f"{where} {_found(body)}; write an object with apiVersion, kind and metadata")
    for field, example in (("apiVersion", "starlink.dev/v1alpha1"), ("kind", "Task")):
        _demand_text(where, field, body.get(field), f"write such as {field}: {example}")
    meta = body.get("metadata")
    if not isinstance(meta, dict):
        raise click.ClickException(f"{where}: metadata {_found(meta)}; write a mapping with the object's name")
    _demand_text(where, "metadata.name", meta.get("name"), "give the object a name")
    if meta.get("namespace") not in (None, ""):
        _demand_text(where, "metadata.namespace", meta["namespace"], "write the name of a namespace, or leave it away")
    for field in ("labels", "annotations"):
        if not isinstance(meta.get(field), dict | None):
            raise click.ClickException(
                f"{where}: metadata.{field} {_found(meta[field])}; write a mapping of text to text"
            )
    return Manifest(where, body)


def _demand_text(where: str, field: str, value: Any, right: str) -> None:
    if not isinstance(value, str) or not value:
        raise click.ClickException(f"{where}: {field} {_found(value)}; {right}")


def _found(value: Any) -> str:
    """What stands there, in a few words."""
    if value is None:
        return "is missing"
    text = json.dumps(value, ensure_ascii=False)
    return f"is {text if len(text) <= _MOST_TOLD else f'{text[:_MOST_TOLD]}...'}"
