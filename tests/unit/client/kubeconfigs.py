"""Kubeconfigs of a test: one cluster, one user, one context, changed as the test says."""

import json
from pathlib import Path
from typing import Any

SERVER = "https://10.0.0.1:6443"


def kubeconfig(path: Path, *, name: str = "one", cluster: Any = None, user: Any = None, context: Any = None) -> Path:
    """Writes one whose entries bear a name; what is given is added to its parts."""
    path.parent.mkdir(parents=True, exist_ok=True)
    document = {
        "clusters": [{"name": name, "cluster": {"server": SERVER, **(cluster or {})}}],
        "users": [{"name": name, "user": user if user is not None else {"token": f"token-of-{name}"}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name, **(context or {})}}],
        "current-context": name,
    }
    path.write_text(json.dumps(document))
    return path


def plugin(command: str, **fields: Any) -> dict[str, Any]:
    """A user with `exec`."""
    told = {"apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "Never", "command": command}
    return {"exec": told | fields}
