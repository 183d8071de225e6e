"""Manifests, each with the kind that the cluster knows and the namespace that it goes to."""

from collections.abc import Sequence
from dataclasses import dataclass

from starlink.api.kinds import Kind
from starlink.api.meta import ObjectKey
from starlink.cli.manifests import Manifest
from starlink.cli.namespace import Namespace
from starlink.cli.resources import Resources
from starlink.client.kube import Client


@dataclass(frozen=True, slots=True)
class Placed:
    """A manifest, what the cluster calls its kind, and its namespace, "" for what is cluster-wide."""

    kind: Kind
    manifest: Manifest
    place: str

    @property
    def key(self) -> ObjectKey:
        return ObjectKey(self.place, self.manifest.name)

    def __str__(self) -> str:
        return f"{self.kind.kind.lower()} {self.key}"


async def placed(client: Client, manifests: Sequence[Manifest], otherwise: Namespace) -> list[Placed]:
    """The manifests with where they go. Raises ClickException naming the one that goes nowhere, and ClientError."""
    resources = await Resources.discover(client)
    kinds = [resources.of_manifest(manifest) for manifest in manifests]
    return [
        Placed(kind, manifest, otherwise.of(manifest) if kind.namespaced else "")
        for kind, manifest in zip(kinds, manifests, strict=True)
    ]
