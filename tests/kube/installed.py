"""StarLink's kinds, and the rights of its parts, on a Kubernetes that tests share."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from starlink.api.kinds import EVENT, LEASE, SERVICE_ACCOUNT, STARLINK_KINDS, Kind
from starlink.api.labels import SERVER_NAMESPACE
from starlink.client.errors import NotFound
from starlink.client.kube import Client

CRDS = Path(__file__).resolve().parents[2] / "crds"
ROLES = Path(__file__).with_name("roles.yaml")
_LEFT: tuple[tuple[Kind, str], ...] = (
    *((kind, "") for kind in reversed(STARLINK_KINDS)),
    (EVENT, "default"),
    (LEASE, SERVER_NAMESPACE),
    (SERVICE_ACCOUNT, SERVER_NAMESPACE),
    (LEASE, "kube-system"),
)


def install(kubectl: Callable[..., Any]) -> None:
    """As a user would, with a kubectl that fails the test where it fails."""
    kubectl("apply", "-f", str(CRDS), "-f", str(ROLES))
    names = [f"crd/{path.stem}" for path in CRDS.glob("*.starlink.dev.yaml")]
    kubectl("wait", "--for=condition=Established", "--timeout=60s", *names)


async def clear(client: Client) -> None:
    """Takes away what a test left behind, whatever holds it. Raises ClientError."""
    for kind, namespace in _LEFT:
        for item in (await client.list(kind, namespace)).items:
            meta = msgspec.json.decode(item)["metadata"]
            with contextlib.suppress(NotFound):
                if meta.get("finalizers"):
                    patch = {"metadata": {"finalizers": None}}
                    await client.patch(kind, meta["name"], patch, meta.get("namespace", ""))
                await client.delete(kind, meta["name"], meta.get("namespace", ""))
