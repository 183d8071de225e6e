"""Manifests, each with the kind that the cluster knows and the namespace that it goes to."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import click

from starlink.api.habits import of_kind, with_habits
from starlink.api.kinds import TASK, Kind
from starlink.api.meta import ObjectKey
from starlink.api.patterns import with_words
from starlink.cli.manifests import Manifest
from starlink.cli.namespace import Namespace
from starlink.cli.resources import Resources
from starlink.client.errors import ClientError
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
    kinds = [_kind(resources, manifest) for manifest in manifests]
    return [
        Placed(kind, manifest, otherwise.of(manifest) if kind.namespaced else "")
        for kind, manifest in zip(kinds, manifests, strict=True)
    ]


def _kind(resources: Resources, manifest: Manifest) -> Kind:
    try:
        return resources.of_manifest(manifest)
    except click.ClickException as error:
        hint = of_kind(manifest.kind)
        raise click.ClickException(f"{error.message}{f'. {hint}' if hint else ''}") from None


def refusal(manifest: Manifest, error: ClientError) -> str:
    """What the API says against a manifest, in words that help: of what other systems call otherwise, and patterns."""
    said = _OF_A_PATCH.sub("", str(error))
    return f"{manifest.where}: {with_words(with_habits(said) if manifest.kind == TASK.kind else said)}"


_OF_A_PATCH = re.compile(r'^\s*"" is invalid: patch: Invalid value: "[^"]*": (?=strict decoding error)')
"""What Kubernetes says before it comes to what is wrong with an object that is applied."""
