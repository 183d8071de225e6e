"""The settings of a data directory, also of one whose `up` kept none: what its other files tell of how it was started.

That is the server's name, where the API server listens and the etcd. So the first `up` of this version is the same
server, and the others find it where it was.
"""

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from starlink.cli.agent_tokens import server_of
from starlink.cli.datadir import DataDir
from starlink.cli.etcd import EtcdOptions
from starlink.cli.listening import is_loopback
from starlink.cli.settings import BadSettings, UpSettings, load
from starlink.client.config import BadConfig, server_url
from starlink.client.config import load as load_kubeconfig
from starlink.files import regular

FIELDS = ("name", "listen", "etcd")
"""What is told so."""


def settings_of(data: DataDir) -> UpSettings | None:
    """What was kept, else what other files tell; None where no StarLink was. Raises BadSettings."""
    kept = load(
        data.settings, UpSettings, "`up` takes name and address from its other files, and all else is to be given again"
    )
    return kept or _told(data)


def _told(data: DataDir) -> UpSettings | None:
    state = _state(data.state)
    name = str(state.get("server") or "") or _server_of(data.agent_kubeconfig)
    listen = _listen(data, str(state.get("listen") or ""))
    found = UpSettings(name=name, listen=listen, etcd=EtcdOptions.remembered(state))
    return None if found == UpSettings() else found


def _state(file: Path) -> dict[str, Any]:
    """run.json. Raises BadSettings: it may have told of an etcd."""
    try:
        state = json.loads(regular.read_whole(file))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise BadSettings(f"{file} can't be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        state = None
    if not isinstance(state, dict):
        raise BadSettings(
            f"{file} can't be read: it is no JSON object; remove it, and give --etcd again if there is one"
        )
    return state


def _server_of(kubeconfig: Path) -> str:
    try:
        return server_of(load_kubeconfig(kubeconfig).bearer())
    except BadConfig:
        return ""


def _listen(data: DataDir, noted: str) -> str:
    """run.json and the kubeconfig say what this machine's clients dial. That it listened everywhere is told by its
    certificate, which then covers more than loopback."""
    if not noted:
        try:
            noted = urlsplit(server_url(data.admin_kubeconfig)).netloc
        except BadConfig:
            return ""
    host, _, port = noted.rpartition(":")
    if is_loopback(host.strip("[]")) and _covers_more(data.pki / "apiserver.crt"):
        host = "[::]" if host.startswith("[") else "0.0.0.0"  # noqa: S104
    return f"{host}:{port}"


def _covers_more(certificate: Path) -> bool:
    from cryptography import x509

    try:
        found = x509.load_pem_x509_certificate(certificate.read_bytes())
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, x509.ExtensionNotFound):
        return False
    return any(not address.is_loopback for address in names.get_values_for_type(x509.IPAddress))
