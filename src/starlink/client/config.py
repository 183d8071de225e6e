"""Where a cluster is and who we are to it, as kubeconfigs say it."""

import base64
import json
import os
import re
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit

from starlink.client import plugin, proxy
from starlink.client.errors import BadConfig as BadConfig
from starlink.client.kubeconfig import Chosen, Section, choose
from starlink.client.plugin import Plugin
from starlink.client.proxy import Proxy

_TOKEN = re.compile(r"[!-~]{1,16384}")


@dataclass(frozen=True, slots=True)
class Config:
    """One cluster, one identity, and the namespace of the context, "" when it names none. PEM as bytes; `token_file` is
    read anew when it changes; `server_name` is whom the certificate must name, "" for the host of `server`."""

    server: str
    ca: bytes | None = None
    certificate: bytes | None = None
    key: bytes | None = field(default=None, repr=False)
    token: str = field(default="", repr=False)
    token_file: Path | None = None
    namespace: str = ""
    server_name: str = ""
    insecure: bool = False
    """Whether whoever answers is believed."""
    proxy: Proxy | None = None
    plugin: Plugin | None = None
    """The program that gives token or certificate."""
    headers: tuple[tuple[str, str], ...] = ()
    """Which each request bears."""

    @property
    def host(self) -> str:
        return urlsplit(self.server).hostname or ""

    @property
    def port(self) -> int:
        parts = urlsplit(self.server)
        return parts.port or (443 if parts.scheme == "https" else 80)

    @property
    def dialled(self) -> tuple[str, int]:
        """The host and port to which the connection goes: the proxy's, where there is one."""
        return (self.proxy.host, self.proxy.port) if self.proxy else (self.host, self.port)

    @property
    def warning(self) -> str:
        """What a person should be told once, "" for nothing."""
        if not self.insecure:
            return ""
        return (
            f"insecure-skip-tls-verify is set for {self.server}: whoever answers there is believed, and can read and "
            "change all that is sent; give the cluster's certificate-authority in its place"
        )

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
        if self.insecure:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if self.certificate and self.key:
            try:
                with _private_files(self.certificate, self.key) as (certificate, key):
                    context.load_cert_chain(certificate, key, password="")
            except (ssl.SSLError, ValueError):
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


def load(*paths: Path, context: str = "", environment: Mapping[str, str] = os.environ, alone: bool = False) -> Config:
    """The context of that name, else the current one, of kubeconfigs, merged as kubectl does. One that must stand
    `alone` names no program and no other file. Raises BadConfig."""
    chosen = choose(paths, context, named=not alone)
    if alone:
        _refuse_outside(chosen)
    cluster, user = chosen.cluster, chosen.user
    namespace = chosen.context.fields.get("namespace") or ""
    if not isinstance(namespace, str):
        raise chosen.context.wrong("namespace", f"is {namespace!r}; it must be the name of a namespace")
    server = _server(cluster)
    ca, insecure = cluster.pem("certificate-authority"), cluster.flag("insecure-skip-tls-verify")
    if ca and insecure:
        raise cluster.wrong(
            "insecure-skip-tls-verify", "and certificate-authority exclude each other; leave the first one out"
        )
    _refuse(user)
    token, token_file = user.text("token"), user.file("tokenFile")
    return Config(
        server,
        ca,
        user.pem("client-certificate"),
        user.pem("client-key"),
        token,
        token_file,
        namespace,
        cluster.text("tls-server-name"),
        insecure,
        _proxy(cluster, server, environment),
        None if token or token_file else plugin.of_user(user, cluster),
        _impersonation(user),
    )


def server_url(path: Path, context: str = "") -> str:
    """Where the API server of a kubeconfig is. Reads no other file, and never waits. Raises BadConfig."""
    return _server(choose([path], context, named=False).cluster)


def _server(cluster: Section) -> str:
    return cluster.url("server", ("http", "https"), "https://127.0.0.1:6443")


def _refuse(user: Section) -> None:
    """What Kubernetes has given up. Raises BadConfig."""
    instead = "give token, tokenFile, client-certificate or exec"
    if user.text("username") or user.fields.get("password"):
        raise user.wrong("username", f"and password: Kubernetes takes no passwords since 1.19; {instead}")
    if user.mapping("auth-provider") is not None:
        raise user.wrong("auth-provider", f"is not known since Kubernetes 1.26; {instead}")


def _refuse_outside(chosen: Chosen) -> None:
    """What makes a kubeconfig reach beyond itself: a program that is run, or files that are read. Raises BadConfig."""
    for section, names in (
        (chosen.user, ("exec", "tokenFile", "client-certificate", "client-key")),
        (chosen.cluster, ("certificate-authority",)),
    ):
        for name in names:
            if section.fields.get(name):
                raise section.wrong(
                    name,
                    "is set; StarLink writes none into a data directory, so it is another's and not followed; if you "
                    "trust it, give the file with --kubeconfig",
                )


def _proxy(cluster: Section, server: str, environment: Mapping[str, str]) -> Proxy | None:
    if cluster.fields.get("proxy-url"):
        return Proxy(cluster.url("proxy-url", proxy.SCHEMES, proxy.EXAMPLE))
    return proxy.of_environment(server, environment)


def _impersonation(user: Section) -> tuple[tuple[str, str], ...]:
    """The headers by which a user acts as another."""
    whom, uid, groups = user.text("as"), user.text("as-uid"), user.texts("as-groups")
    extra = user.inside("as-user-extra")
    found = [("Impersonate-User", whom)] if whom else []
    found += [("Impersonate-Uid", uid)] if uid else []
    found += [("Impersonate-Group", group) for group in groups]
    for name in extra.fields:
        header = f"Impersonate-Extra-{quote(name.lower(), safe='')}"
        found += [(header, value) for value in extra.texts(name)]
    if found and not whom:
        raise user.wrong("as", "is not given, though as-groups, as-uid or as-user-extra is; say as whom")
    return tuple(found)


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
    cluster: dict[str, object] = {"server": config.server, **encoded("certificate-authority", config.ca)}
    if config.server_name:
        cluster["tls-server-name"] = config.server_name
    if config.insecure:
        cluster["insecure-skip-tls-verify"] = True
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "starlink", "cluster": cluster}],
        "users": [{"name": user, "user": identity}],
        "contexts": [{"name": "starlink", "context": {"cluster": "starlink", "user": user}}],
        "current-context": "starlink",
    }
    return json.dumps(document, indent=2) + "\n"
