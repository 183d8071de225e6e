"""Kubeconfigs: where a cluster is and who we are to it."""

import base64
import binascii
import json
import os
import re
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

_TOKEN = re.compile(r"[!-~]{1,16384}")


class BadConfig(ValueError):
    """A kubeconfig that can't be used; the message names file and field."""


@dataclass(frozen=True, slots=True)
class Config:
    """One cluster, one identity, and the namespace of the context, "" when it names none. PEM as bytes; `token_file` is
    read anew when it changes."""

    server: str
    ca: bytes | None = None
    certificate: bytes | None = None
    key: bytes | None = None
    token: str = ""
    token_file: Path | None = None
    namespace: str = ""

    @property
    def host(self) -> str:
        return urlsplit(self.server).hostname or ""

    @property
    def port(self) -> int:
        parts = urlsplit(self.server)
        return parts.port or (443 if parts.scheme == "https" else 80)

    def bearer(self) -> str:
        """The token to send, "" for none. Raises BadConfig when its file can't be read."""
        if self.token_file is None:
            return self.token
        try:
            token = self.token_file.read_text().strip()
        except OSError as error:
            raise BadConfig(f"{self.token_file}: the token can't be read: {error.strerror}") from None
        except ValueError:
            token = ""
        if _TOKEN.fullmatch(token) is None:
            raise BadConfig(f"{self.token_file}: this is no token; it must be one word of ASCII")
        return token

    def tls(self) -> ssl.SSLContext | None:
        """The context to connect with, None for plain http. Raises BadConfig."""
        if urlsplit(self.server).scheme != "https":
            return None
        try:
            context = ssl.create_default_context(cadata=self.ca.decode("ascii") if self.ca else None)
        except (ValueError, ssl.SSLError):
            raise BadConfig("the kubeconfig's certificate-authority holds no certificate in PEM") from None
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.certificate and self.key:
            try:
                with _private_files(self.certificate, self.key) as (certificate, key):
                    context.load_cert_chain(certificate, key)
            except ssl.SSLError:
                raise BadConfig(
                    "the kubeconfig's client-certificate and client-key are no certificate in PEM and its key"
                ) from None
        return context


@contextmanager
def _private_files(*contents: bytes) -> Iterator[list[str]]:
    """ssl reads certificates only from files: 0600, gone at once."""
    import tempfile  # an agent has a token, and no use for it

    with tempfile.TemporaryDirectory(prefix="starlink-") as folder:
        paths = []
        for number, content in enumerate(contents):
            path = Path(folder, str(number))
            descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
            paths.append(str(path))
        yield paths


def load(*paths: Path) -> Config:
    """The current context of kubeconfigs in JSON or YAML. They are merged as kubectl does: the first to name a context,
    cluster, user or current context decides it, and what a file names is beside that file. Raises BadConfig."""
    files = [(path, _document(path)) for path in paths]
    _, context = _entry(files, "contexts", _current(files), "context")
    at, cluster = _entry(files, "clusters", context.get("cluster"), "cluster")
    by, user = _entry(files, "users", context.get("user"), "user")
    namespace = context.get("namespace") or ""
    if not isinstance(namespace, str):
        raise BadConfig(f"{at}: contexts[].context.namespace is {namespace!r}; it must be the name of a namespace")
    token_file = _text(by, user, "tokenFile")
    return Config(
        _url(at, cluster),
        _data(at, cluster, "certificate-authority"),
        _data(by, user, "client-certificate"),
        _data(by, user, "client-key"),
        _text(by, user, "token"),
        by.parent / token_file if token_file else None,
        namespace,
    )


_Files = Sequence[tuple[Path, dict[str, Any]]]


def _document(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text()
    except OSError as error:
        raise BadConfig(f"{path}: the kubeconfig can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadConfig(f"{path}: this is no kubeconfig: it is no text") from None
    try:
        document = json.loads(text)
    except ValueError:
        from starlink.manifest import BadManifest, load_all  # YAML is heavy, and our own kubeconfigs are JSON

        try:
            documents = load_all(text, str(path))
        except BadManifest as error:
            raise BadConfig(str(error)) from None
        document = documents[0] if documents else None
    if not isinstance(document, dict):
        raise BadConfig(f"{path}: this is no kubeconfig")
    return document


def _current(files: _Files) -> Any:
    """The name of the current context."""
    for _, document in files:
        if name := document.get("current-context"):
            return name
    raise BadConfig(f"{_shown(files)}: current-context is not set; set it with: kubectl config use-context NAME")


def _entry(files: _Files, section: str, name: Any, field: str) -> tuple[Path, dict[str, Any]]:
    """The first of the name, and the file that it is in."""
    for path, document in files:
        entries = document.get(section) or ()
        for entry in entries if isinstance(entries, list) else ():
            if isinstance(entry, dict) and entry.get("name") == name and isinstance(entry.get(field), dict):
                return path, entry[field]
    raise BadConfig(f"{_shown(files)}: {section} has no entry {name!r}")


def _shown(files: _Files) -> str:
    return ", ".join(str(path) for path, _ in files)


def _url(path: Path, cluster: dict[str, Any]) -> str:
    server = cluster.get("server")
    try:
        parts = urlsplit(server) if isinstance(server, str) else urlsplit("")
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # such as a port that is no number
        usable = False
    if not usable:
        raise BadConfig(
            f"{path}: clusters[].cluster.server is {server!r}; it must be a URL such as https://127.0.0.1:6443"
        )
    return str(server).rstrip("/")


def _text(path: Path, section: dict[str, Any], field: str) -> str:
    value = section.get(field) or ""
    if not isinstance(value, str) or not value.isprintable():
        raise BadConfig(f"{path}: {field} must be one line of text")
    return value


def _data(path: Path, section: dict[str, Any], field: str) -> bytes | None:
    """A PEM given inline (`field-data`, base64) or as a file beside the kubeconfig."""
    inline, file = section.get(f"{field}-data"), _text(path, section, field)
    try:
        if inline:
            return base64.b64decode(inline, validate=True)
        return (path.parent / file).read_bytes() if file else None
    except (binascii.Error, ValueError, TypeError):
        raise BadConfig(f"{path}: {field}-data is not base64") from None
    except OSError as error:
        raise BadConfig(f"{path}: {field} {file!r} can't be read: {error.strerror}") from None


def render(config: Config, user: str) -> str:
    """The kubeconfig of a configuration, as JSON, which every reader of YAML reads."""

    def encoded(field: str, content: bytes | None) -> dict[str, str]:
        return {f"{field}-data": base64.b64encode(content).decode()} if content else {}

    identity: dict[str, str] = {
        **encoded("client-certificate", config.certificate),
        **encoded("client-key", config.key),
    }
    if config.token:
        identity["token"] = config.token
    if config.token_file:
        identity["tokenFile"] = str(config.token_file)
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": "starlink", "cluster": {"server": config.server, **encoded("certificate-authority", config.ca)}}
        ],
        "users": [{"name": user, "user": identity}],
        "contexts": [{"name": "starlink", "context": {"cluster": "starlink", "user": user}}],
        "current-context": "starlink",
    }
    return json.dumps(document, indent=2) + "\n"
