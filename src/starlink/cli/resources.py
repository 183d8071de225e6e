"""What the cluster serves, by the names that people give: plural, singular, short, kind."""

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

import click
import msgspec

from starlink.api.alike import alike
from starlink.api.habits import of_kind
from starlink.api.kinds import GROUP, STARLINK_KINDS, Kind
from starlink.cli.manifests import Manifest
from starlink.cli.tables import some
from starlink.client.kube import Client

_HABITS = {
    "pod": "assignments", "po": "assignments", "container": "assignments", "instance": "assignments",
    "node": "servers", "no": "servers", "machine": "servers", "host": "servers", "agent": "servers",
    "deployment": "tasks", "deploy": "tasks", "statefulset": "tasks", "daemonset": "tasks", "replicaset": "tasks",
    "job": "tasks", "service": "tasks", "batch": "tasks", "queue": "pools", "nodepool": "pools",
}  # fmt: skip
"""What people call our kinds who come from elsewhere, where the cluster has no kind of that name."""
_SURELY = 0.75
"""How much of a kind's name must be right."""
_SHORT = 4
"""A name that is no longer is like too many words."""
_AGGREGATED = {"Accept": "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"}


class Served(NamedTuple):
    """A kind by all its names. One that `is_listed` has objects that can be shown; a review is asked and not kept."""

    kind: Kind
    names: frozenset[str]
    is_listed: bool


class Resources:
    """One discovery of a cluster."""

    def __init__(self, served: Sequence[Served]) -> None:
        self._served = served

    @classmethod
    async def discover(cls, client: Client) -> "Resources":
        """Asks the cluster. Raises ClientError."""
        bodies = await asyncio.gather(*(client.raw("GET", path, headers=_AGGREGATED) for path in ("/api", "/apis")))
        return cls([one for body in bodies for one in _served(msgspec.json.decode(body))])

    def named(self, word: str) -> Kind:
        """The kind that a person means by `tasks`, `task`, `slt`, `Task` or `tasks.starlink.dev`."""
        name, _, group = word.lower().partition(".")
        for one in self._served:
            if name in one.names and group in ("", one.kind.group):
                return one.kind
        raise click.ClickException(f"there is no kind {word!r}; {self._meant(name)}")

    @property
    def words(self) -> Sequence[str]:
        """The plurals of all kinds that have objects to show, in order, StarLink's own first."""
        listed = [one.kind for one in self._served if one.is_listed]
        ours = sorted(kind.plural for kind in listed if kind.group == GROUP)
        return list(dict.fromkeys((*ours, *sorted(kind.plural for kind in listed))))

    def _meant(self, word: str) -> str:
        plain = word if word in _HABITS else word.removesuffix("s")
        if plain in _HABITS:
            return f"StarLink's word for it is {_HABITS[plain]}"
        known = {name: one.kind.plural for one in self._served for name in one.names if len(name) > _SHORT}
        near = dict.fromkeys(known[name] for name in alike(word, known))
        return f"did you mean {' or '.join(near)}?" if near else f"there are: {some(self.words, 12)}"

    def of_manifest(self, manifest: Manifest) -> Kind:
        """The kind of an object in a file. Raises ClickException with what stands there and what would be right."""
        for kind, *_ in self._served:
            if (manifest.api_version, manifest.kind) == (kind.api_version, kind.kind):
                return kind
        raise click.ClickException(
            f"{manifest.where}: apiVersion {manifest.api_version!r}, kind {manifest.kind!r} is not served; "
            f"{self._right(manifest)}"
        )

    def _right(self, manifest: Manifest) -> str:
        """What to write in place of a kind that is not served: the same elsewhere, StarLink's for another system's, or
        one that is written alike; never what has nothing to do with it."""
        word, group = manifest.kind.lower(), manifest.api_version.rpartition("/")[0]
        if same := [one.kind for one in self._served if word in one.names]:
            return _write(next((kind for kind in same if kind.group == group), same[0]))
        if habit := of_kind(manifest.kind):
            return habit
        known = {one.kind.kind.lower(): one.kind for one in reversed(self._served)}
        near = [known[one] for one in alike(word, known, _SURELY)]
        if near:
            return _write(next((kind for kind in near if kind.group in (group, GROUP)), near[0]))
        kinds = ", ".join(sorted(kind.kind for kind in STARLINK_KINDS))
        return f"StarLink's own are of apiVersion {STARLINK_KINDS[0].api_version}: {kinds}"


def _write(kind: Kind) -> str:
    return f"write apiVersion: {kind.api_version} and kind: {kind.kind}"


def _served(document: dict[str, Any]) -> list[Served]:
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
                found.append(Served(kind, frozenset(names), "list" in resource.get("verbs", ())))
    return found
