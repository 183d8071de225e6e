"""Credentials that a program gives (a kubeconfig's `exec`): what it is asked and what its answer means. Pure.

https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from starlink.api.timestamp import parse_time
from starlink.client.errors import BadConfig
from starlink.client.kubeconfig import Section

GROUP = "client.authentication.k8s.io"
VERSIONS = (f"{GROUP}/v1", f"{GROUP}/v1beta1")
MODES = ("Never", "IfAvailable", "Always")
_EXTENSION = f"{GROUP}/exec"


@dataclass(frozen=True, slots=True)
class Plugin:
    """A program and how it is called. `cluster` is what it is told of the cluster, None for nothing."""

    command: str
    arguments: tuple[str, ...] = field(default=(), repr=False)
    environment: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    api_version: str = VERSIONS[0]
    mode: str = "IfAvailable"
    hint: str = ""
    cluster: str | None = field(default=None, repr=False)
    """As JSON."""

    def info(self, *, interactive: bool) -> str:
        """What it finds in KUBERNETES_EXEC_INFO."""
        spec: dict[str, Any] = {"interactive": interactive}
        if self.cluster is not None:
            spec["cluster"] = json.loads(self.cluster)
        return json.dumps({"apiVersion": self.api_version, "kind": "ExecCredential", "spec": spec})


@dataclass(frozen=True, slots=True)
class Credential:
    """Who one is to a server: a token, a certificate with its key, or nothing; until `expires`, in epoch seconds."""

    token: str = field(default="", repr=False)
    certificate: bytes | None = field(default=None, repr=False)
    key: bytes | None = field(default=None, repr=False)
    expires: float = float("inf")


def of_user(user: Section, cluster: Section) -> Plugin | None:
    """The plugin of a kubeconfig's user, None where it has none. Raises BadConfig."""
    if user.mapping("exec") is None:
        return None
    said = user.inside("exec")
    version, mode = said.text("apiVersion"), said.text("interactiveMode")
    if version not in VERSIONS:
        raise said.wrong("apiVersion", f"is {version!r}; it must be {' or '.join(VERSIONS)}")
    if mode not in MODES and (mode or version == VERSIONS[0]):
        raise said.wrong("interactiveMode", f"is {mode!r}; it must be {', '.join(MODES[:-1])} or {MODES[-1]}")
    command = said.text("command")
    if not command:
        raise said.wrong("command", "names no program")
    if "/" in command:
        command = str((user.path.parent / command).absolute())
    hint = said.fields.get("installHint") or ""
    return Plugin(
        command,
        _arguments(said),
        _environment(said),
        version,
        mode or "IfAvailable",
        " ".join(str(hint).split())[:500],
        _told(cluster) if said.flag("provideClusterInfo") else None,
    )


def _arguments(said: Section) -> tuple[str, ...]:
    value = said.fields.get("args") or ()
    if not isinstance(value, list | tuple) or not all(_is_argument(one) for one in value):
        raise said.wrong("args", "must be a list of texts")
    return tuple(value)


def _environment(said: Section) -> tuple[tuple[str, str], ...]:
    entries = said.fields.get("env") or ()
    wrong = said.wrong("env", "must be a list of a name and a value each, both texts")
    if not isinstance(entries, list | tuple) or not all(isinstance(entry, dict) for entry in entries):
        raise wrong
    found = [(entry.get("name"), entry.get("value")) for entry in entries]
    if not all(_is_argument(name) and _is_argument(value) and name and "=" not in name for name, value in found):
        raise wrong
    return tuple(found)


def _is_argument(value: object) -> bool:
    return isinstance(value, str) and "\0" not in value


def _told(cluster: Section) -> str:
    """The cluster as a plugin is told of it, with what an extension says for plugins."""
    ca = cluster.pem("certificate-authority")
    told: dict[str, Any] = {"server": cluster.text("server")}
    told |= {name: cluster.fields[name] for name in ("tls-server-name", "proxy-url") if cluster.text(name)}
    if cluster.flag("insecure-skip-tls-verify"):
        told["insecure-skip-tls-verify"] = True
    if ca:
        told["certificate-authority-data"] = base64.b64encode(ca).decode()
    extensions = cluster.fields.get("extensions") or ()
    for entry in extensions if isinstance(extensions, list) else ():
        if isinstance(entry, dict) and entry.get("name") == _EXTENSION:
            told["config"] = entry.get("extension")
    return json.dumps(told, default=str)


class _Status(msgspec.Struct, rename="camel"):
    token: str = ""
    client_certificate_data: str = ""
    client_key_data: str = ""
    expiration_timestamp: str | None = None


class _Answer(msgspec.Struct, rename="camel"):
    api_version: str
    kind: str
    status: _Status | None = None


_answers = msgspec.json.Decoder(_Answer)


def credential(plugin: Plugin, said: bytes) -> Credential:
    """What a plugin's answer means. Raises BadConfig, in whose words is nothing of the answer's values."""
    name = Path(plugin.command).name
    try:
        answer = _answers.decode(said)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise BadConfig(f"exec {name}: what it printed is no ExecCredential in JSON") from None
    if answer.kind != "ExecCredential" or answer.api_version != plugin.api_version:
        raise BadConfig(f"exec {name}: it must print an ExecCredential of {plugin.api_version}, as the kubeconfig says")
    status = answer.status
    if status is None or not (status.token or status.client_certificate_data):
        raise BadConfig(f"exec {name}: it gave neither status.token nor status.clientCertificateData")
    if bool(status.client_certificate_data) != bool(status.client_key_data):
        raise BadConfig(f"exec {name}: status.clientCertificateData and status.clientKeyData go together")
    if not (status.token.isascii() and status.token.isprintable() and " " not in status.token):
        raise BadConfig(f"exec {name}: status.token must be one word of ASCII")
    certificate, key = status.client_certificate_data.encode() or None, status.client_key_data.encode() or None
    return Credential(status.token, certificate, key, _end(name, status.expiration_timestamp))


def _end(name: str, words: str | None) -> float:
    if not words:
        return float("inf")
    try:
        return parse_time(words)
    except ValueError:
        raise BadConfig(f"exec {name}: status.expirationTimestamp is no time as RFC 3339 writes it") from None


def use_of(mode: str, *, terminal: bool) -> bool:
    """Whether a plugin may ask a person. Raises BadConfig where it must and nobody is there."""
    if mode == "Always" and not terminal:
        raise BadConfig("it has to ask a person (interactiveMode: Always), and there is no terminal")
    return terminal and mode != "Never"


def surroundings(plugin: Plugin, environment: Mapping[str, str], *, interactive: bool) -> dict[str, str]:
    """The environment that a plugin gets."""
    return {**environment, **dict(plugin.environment), "KUBERNETES_EXEC_INFO": plugin.info(interactive=interactive)}
