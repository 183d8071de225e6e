"""Kubeconfigs as documents: merged, a context chosen, and fields read with the file that they are in.

Files are merged as kubectl does: the first to name a context, cluster, user or current context decides it, and what a
file names is beside that file.
"""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from starlink.client.errors import BadConfig
from starlink.files import regular


@dataclass(frozen=True, slots=True)
class Section:
    """A cluster, user or context, and the file that it is in. What reads a field raises BadConfig."""

    path: Path
    place: str
    """Where it stands in the file, as people write it: `users[].user`."""
    fields: Mapping[str, Any] = field(default_factory=dict)

    def wrong(self, name: str, right: str) -> BadConfig:
        """The error of a field, which says what would be right."""
        return BadConfig(f"{self.path}: {self.place}.{name} {right}")

    def inside(self, name: str) -> "Section":
        """The object that a field holds; empty where there is none."""
        return Section(self.path, f"{self.place}.{name}", self.mapping(name) or {})

    def text(self, name: str) -> str:
        """One line of text, "" for none."""
        value = self.fields.get(name) or ""
        if not isinstance(value, str) or not value.isprintable():
            raise self.wrong(name, "must be one line of text")
        return value

    def flag(self, name: str) -> bool:
        """True or false."""
        value = self.fields.get(name) or False
        if not isinstance(value, bool):
            raise self.wrong(name, f"is {value!r}; it must be true or false")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of lines."""
        value = self.fields.get(name) or ()
        if not isinstance(value, list | tuple) or not all(isinstance(one, str) and one.isprintable() for one in value):
            raise self.wrong(name, "must be a list of texts")
        return tuple(value)

    def mapping(self, name: str) -> Mapping[str, Any] | None:
        """An object, None where there is none."""
        value = self.fields.get(name)
        if value is not None and not isinstance(value, dict):
            raise self.wrong(name, "must be an object")
        return value

    def url(self, name: str, schemes: Sequence[str], example: str) -> str:
        """A URL with a host."""
        value = self.fields.get(name)
        try:
            parts = urlsplit(value) if isinstance(value, str) and value.isprintable() else urlsplit("")
            usable = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
        except ValueError:  # such as a port that is no number
            usable = False
        if not usable:
            told = f"is {value!r}; it" if not _has_secret(value) else "can't be used; it"
            raise self.wrong(name, f"{told} must be a URL such as {example}")
        return str(value).rstrip("/")

    def pem(self, name: str) -> bytes | None:
        """What is given inline (`name-data`, base64), or else as a file beside the kubeconfig."""
        inline = self.fields.get(f"{name}-data")
        try:
            if inline:
                return base64.b64decode(inline, validate=True)
        except (binascii.Error, ValueError, TypeError):
            raise self.wrong(f"{name}-data", "is not base64") from None
        file = self.file(name)
        try:
            return file.read_bytes() if file else None
        except OSError as error:
            raise self.wrong(name, f"{self.text(name)!r} can't be read: {error.strerror}") from None

    def file(self, name: str) -> Path | None:
        """A path beside the kubeconfig."""
        named = self.text(name)
        return self.path.parent / named if named else None


@dataclass(frozen=True, slots=True)
class Chosen:
    """A context with its cluster and its user; of a context without a user the user is empty."""

    context: Section
    cluster: Section
    user: Section


def choose(paths: Sequence[Path], context: str = "", *, named: bool = True) -> Chosen:
    """The context of that name, else the current one, of kubeconfigs in JSON or YAML. One that nobody has `named`, but
    that was found, is read only when it is a regular file: a pipe may be waited for. Raises BadConfig."""
    files = [(path, _document(path, named)) for path in paths]
    chosen = _entry(files, "context", context or _current(files))
    cluster = _entry(files, "cluster", chosen.fields.get("cluster"))
    user = chosen.fields.get("user")
    return Chosen(chosen, cluster, _entry(files, "user", user) if user else Section(chosen.path, "users[].user"))


_Files = Sequence[tuple[Path, dict[str, Any]]]


def _document(path: Path, named: bool) -> dict[str, Any]:
    try:
        text = (_head(path) if named else regular.read_whole(path)).decode()
    except OSError as error:
        raise BadConfig(f"{path}: the kubeconfig can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadConfig(f"{path}: this is no kubeconfig: it is no text") from None
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        from starlink.manifest import BadManifest, load_all  # YAML is heavy, and our own kubeconfigs are JSON

        try:
            documents = load_all(text, str(path))
        except BadManifest as error:
            raise BadConfig(str(error)) from None
        document = documents[0] if documents else None
    if not isinstance(document, dict):
        raise BadConfig(f"{path}: this is no kubeconfig")
    return document


def _head(path: Path) -> bytes:
    """All of it but of what never ends, as /dev/zero."""
    with path.open("rb") as file:
        return file.read(regular.MOST)


def _current(files: _Files) -> Any:
    """The name of the current context."""
    for _, document in files:
        if name := document.get("current-context"):
            return name
    raise BadConfig(f"{_shown(files)}: current-context is not set; set it with: kubectl config use-context NAME")


def _entry(files: _Files, kind: str, name: Any) -> Section:
    """The first of the name."""
    known: list[str] = []
    for path, document in files:
        entries = document.get(f"{kind}s") or ()
        for entry in entries if isinstance(entries, list) else ():
            if isinstance(entry, dict) and isinstance(entry.get(kind), dict):
                if entry.get("name") == name:
                    return Section(path, f"{kind}s[].{kind}", entry[kind])
                known.append(str(entry.get("name")))
    there = f"; there are {', '.join(sorted(set(known)))}" if known else ""
    raise BadConfig(f"{_shown(files)}: {kind}s has no entry {name!r}{there}")


def _shown(files: _Files) -> str:
    return ", ".join(str(path) for path, _ in files)


def _has_secret(url: object) -> bool:
    return isinstance(url, str) and "@" in url
