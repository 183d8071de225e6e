"""A real kubectl against the API server in this process."""

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

from tests.conftest import Kubectl
from tests.integration.conftest import Wire
from tests.tools import KUBECTL

Run = Callable[..., Awaitable["CompletedProcess[str]"]]


def kubectl_of(wire: Wire, folder: Path) -> Run:
    """Runs kubectl beside the event loop, as an administrator, at home in `folder`."""
    kubectl = Kubectl(KUBECTL.path(), kubeconfig(wire, folder), folder)

    async def run(*words: str, **options: Any) -> "CompletedProcess[str]":
        return await asyncio.to_thread(kubectl, *words, **options)

    return run


def kubeconfig(wire: Wire, folder: Path) -> Path:
    """A file in the folder, of an administrator."""
    file = folder / "kubeconfig"
    file.write_text(json.dumps(_kubeconfig(wire)))
    return file


def _kubeconfig(wire: Wire) -> dict[str, Any]:
    certificate, key = wire.pki.client("admin", ("system:masters",))
    cluster = {"server": f"https://127.0.0.1:{wire.port}", "certificate-authority-data": _data(wire.pki.ca)}
    user = {"client-certificate-data": _data(certificate), "client-key-data": _data(key)}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "c", "user": user}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
    }


def _data(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
