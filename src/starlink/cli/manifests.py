"""Manifests as people give them: files, folders, standard input."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from starlink.manifest import BadManifest, load_all


@dataclass(frozen=True, slots=True)
class Manifest:
    """One object and where it stands, for messages."""

    where: str
    body: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.body["metadata"]["name"])


def read(files: tuple[str, ...]) -> list[Manifest]:
    """The objects of files, of the *.yaml, *.yml and *.json of folders, and of standard input (`-`).

    Raises ClickException naming file, document and field; then nothing has been applied.
    """
    found = [manifest for file in files for source, text in _texts(file) for manifest in _objects(source, text)]
    if not found:
        raise click.ClickException(f"{', '.join(files)}: no object in it")
    return found


def _texts(file: str) -> list[tuple[str, str]]:
    if file == "-":
        return [("standard input", sys.stdin.read())]
    path = Path(file)
    try:
        if not path.is_dir():
            return [(file, path.read_text())]
        inside = sorted(p for p in path.iterdir() if p.suffix in (".yaml", ".yml", ".json"))
        return [(str(p), p.read_text()) for p in inside]
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise click.ClickException(f"{file}: {why}") from None


def _objects(source: str, text: str) -> list[Manifest]:
    try:
        documents = load_all(text, source)
    except BadManifest as error:
        raise click.ClickException(str(error)) from None
    found = []
    for number, document in enumerate(documents, 1):
        where = f"{source}, document {number}"
        if not isinstance(document, dict):
            raise click.ClickException(f"{where}: an object with apiVersion, kind and metadata is wanted")
        bodies = document["items"] if document.get("kind") == "List" else [document]
        for body in bodies:
            meta = body.get("metadata")
            if not isinstance(meta, dict) or not isinstance(meta.get("name"), str):
                raise click.ClickException(f"{where}: metadata.name is missing; give the object a name")
            found.append(Manifest(where, body))
    return found
