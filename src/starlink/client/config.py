"""Kubeconfigs: where a cluster is and who we are to it."""

import base64
import binascii
import json
import os
import re
import ssl
from collections.abc import Iterator
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
        """The context to connect with, None for plain http."""
        if urlsplit(self.server).scheme != "https":
            return None
        context = ssl.create_default_context(cadata=self.ca.decode() if self.ca else None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.certificate and self.key:
            with _private_files(self.certificate, self.key) as (certificate, key):
                context.load_cert_chain(certificate, key)
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


def load(path: Path) -> Config:
    """The current context of a kubeconfig in JSON or YAML. Raises BadConfig."""
    try:
        text = path.read_text()
    except OSError as error:
        raise BadConfig(f"{path}: the kubeconfig can't be read: {error.strerror}") from None
    document = _parse(path, text)
    context = _entry(path, document, "contexts", document.get("current-context"), "context")
    cluster = _entry(path, document, "clusters", context.get("cluster"), "cluster")
    user = _entry(path, document, "users", context.get("user"), "user")
    server = cluster.get("server")
    if not isinstance(server, str) or urlsplit(server).scheme not in ("http", "https"):
        raise BadConfig(
            f"{path}: clusters[].cluster.server is {server!r}; it must be a URL such as https://127.0.0.1:6443"
        )
    token_file = user.get("tokenFile")
    namespace = context.get("namespace") or ""
    if not isinstance(namespace, str):
        raise BadConfig(f"{path}: contexts[].context.namespace is {namespace!r}; it must be the name of a namespace")
    return Config(
        server.rstrip("/"),
        _data(path, cluster, "certificate-authority"),
        _data(path, user, "client-certificate"),
        _data(path, user, "client-key"),
        user.get("token") or "",
        path.parent / token_file if token_file else None,
        namespace,
    )


def _parse(path: Path, text: str) -> dict[str, Any]:
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


def _entry(path: Path, document: dict[str, Any], section: str, name: Any, field: str) -> dict[str, Any]:
    for entry in document.get(section) or ():
        if isinstance(entry, dict) and entry.get("name") == name and isinstance(entry.get(field), dict):
            found: dict[str, Any] = entry[field]
            return found
    raise BadConfig(f"{path}: {section} has no entry {name!r}")


def _data(path: Path, section: dict[str, Any], field: str) -> bytes | None:
    """A PEM given inline (`field-data`, base64) or as a file beside the kubeconfig."""
    inline = section.get(f"{field}-data")
    try:
        if inline:
            return base64.b64decode(inline, validate=True)
        return (path.parent / section[field]).read_bytes() if section.get(field) else None
    except (binascii.Error, ValueError):
        raise BadConfig(f"{path}: {field}-data is not base64") from None
    except OSError as error:
        raise BadConfig(f"{path}: {field} {section[field]!r} can't be read: {error.strerror}") from None


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
