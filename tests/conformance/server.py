"""The server under test, and sessions with it as a kubeconfig says."""

import contextlib
import datetime
import ssl
import sys
from base64 import b64decode
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from tests import warm
from tests.conformance.wire import SECONDS
from tests.conftest import eventually
from tests.ports import free_ports

Obj = dict[str, Any]


@contextlib.contextmanager
def own_server(folder: Path) -> Iterator[Path]:
    """A StarLink API server in `folder`; gives its administrator's kubeconfig."""
    from starlink.apiserver.security.certificates.pki import Pki
    from starlink.client.config import Config, render

    (port,) = free_ports(1)
    (folder / "store").mkdir()
    (folder / "logs").mkdir()
    pki = Pki(folder / "pki", datetime.datetime.now(datetime.UTC))
    certificate, key = pki.client("conformance-admin", ["system:masters"])
    config = Config(f"https://127.0.0.1:{port}", pki.ca.read_bytes(), certificate.read_bytes(), key.read_bytes())
    path = folder / "admin.kubeconfig"
    path.write_text(render(config, "conformance-admin"))
    command = [sys.executable, "-m", "starlink.apiserver", "--data-dir", str(folder), "--listen", f"127.0.0.1:{port}"]
    log = folder / "apiserver.log"
    with log.open("wb") as out, warm.popen(command, stdout=out, stderr=out) as process:
        try:
            eventually(lambda: _is_ready(path, process, log), "the API server")
            yield path
        finally:
            process.terminate()
            process.wait(20)


def _is_ready(path: Path, process: warm.Running, log: Path) -> bool:
    if process.poll() is not None:
        pytest.fail(f"the API server ended with {process.returncode}: {log.read_text()}")
    try:
        with session(path, path.parent) as client:
            return client.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False


def session(kubeconfig: Path, folder: Path) -> httpx.Client:
    """A session as the current context of a kubeconfig says; its certificates are laid down in `folder`."""
    config = yaml.safe_load(kubeconfig.read_text())
    context = _named(config["contexts"], config["current-context"])["context"]
    cluster = _named(config["clusters"], context["cluster"])["cluster"]
    user = _named(config["users"], context["user"])["user"]
    tls = ssl.create_default_context(cadata=_content(cluster, "certificate-authority", kubeconfig) or None)
    if cluster.get("insecure-skip-tls-verify"):
        tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    if certificate := _content(user, "client-certificate", kubeconfig):
        pair = folder / "client.pem"
        pair.touch(0o600)
        pair.write_text(f"{certificate}\n{_content(user, 'client-key', kubeconfig)}")
        tls.load_cert_chain(pair)
    token = _token(user, kubeconfig)
    headers = {"User-Agent": "conformance", **({"Authorization": f"Bearer {token}"} if token else {})}
    return httpx.Client(base_url=cluster["server"], verify=tls, headers=headers, timeout=SECONDS, trust_env=False)


def _named(entries: Sequence[Obj], name: str) -> Obj:
    return next(entry for entry in entries if entry["name"] == name)


def _content(entry: Obj, key: str, kubeconfig: Path) -> str:
    """What an entry of a kubeconfig holds, inline or as a file."""
    if inline := entry.get(f"{key}-data"):
        return b64decode(inline).decode()
    return (kubeconfig.parent / entry[key]).read_text() if entry.get(key) else ""


def _token(user: Obj, kubeconfig: Path) -> str:
    file = user.get("tokenFile")
    return (kubeconfig.parent / file).read_text().strip() if file else str(user.get("token", ""))
