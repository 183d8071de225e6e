"""What the cluster serves, by the names that people give: plural, singular, short, kind."""

import asyncio
from typing import Any

import click
import msgspec

from starlink.api.kinds import Kind
from starlink.client.kube import Client

_AGGREGATED = {"Accept": "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"}


class Resources:
    """One discovery of a cluster."""

    def __init__(self, entries: list[tuple[Kind, frozenset[str]]]) -> None:
        self._entries = entries

    @classmethod
    async def discover(cls, client: Client) -> "Resources":
        """Asks the cluster. Raises ClientError."""
        bodies = await asyncio.gather(*(client.raw("GET", path, headers=_AGGREGATED) for path in ("/api", "/apis")))
        return cls([entry for body in bodies for entry in _entries(msgspec.json.decode(body))])

    def named(self, word: str) -> Kind:
        """The kind that a person means by `tasks`, `task`, `slt`, `Task` or `tasks.starlink.dev`."""
        name, _, group = word.lower().partition(".")
        for kind, names in self._entries:
            if name in names and group in ("", kind.group):
                return kind
        known = ", ".join(sorted(kind.plural for kind, _ in self._entries))
        raise click.ClickException(f"the server has no resource {word!r}; it has {known}")

    def of_manifest(self, manifest: dict[str, Any], where: str) -> Kind:
        """The kind of an object in a file; `where` names file and document."""
        for kind, _ in self._entries:
            if (manifest.get("apiVersion"), manifest.get("kind")) == (kind.api_version, kind.kind):
                return kind
        raise click.ClickException(
            f"{where}: apiVersion {manifest.get('apiVersion')!r}, kind {manifest.get('kind')!r} is not served; "
            "StarLink's kinds are starlink.dev/v1alpha1 Task, Pool, Server"
        )


def _entries(document: dict[str, Any]) -> list[tuple[Kind, frozenset[str]]]:
    found = []
    for group in document.get("items", ()):
        name = group["metadata"].get("name", "")
        for version in group["versions"]:
            for resource in version["resources"]:
                said = resource["responseKind"]["kind"]
                kind = Kind(name, version["version"], said, resource["resource"], resource["scope"] == "Namespaced")
                names = {
                    kind.plural,
                    resource.get("singularResource", ""),
                    said.lower(),
                    *resource.get("shortNames", ()),
                }
                found.append((kind, frozenset(names)))
    return found
