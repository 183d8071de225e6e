"""Which namespace a command means, as kubectl decides it.

https://kubernetes.io/docs/concepts/overview/working-with-objects/namespaces/#setting-the-namespace-preference
"""

from dataclasses import dataclass

import click

from starlink.cli.cluster import config_of, has_config
from starlink.cli.common import NAMESPACE
from starlink.cli.manifests import Manifest

DEFAULT = "default"

namespace_option = NAMESPACE.declared


@dataclass(frozen=True, slots=True)
class Namespace:
    """The namespace of what names none; where a person `demanded` it, nothing may name another."""

    name: str = DEFAULT
    demanded: bool = False

    def of(self, manifest: Manifest) -> str:
        """That of a namespaced object. Raises ClickException naming file and field."""
        own = manifest.namespace
        if own and self.demanded and own != self.name:
            raise click.ClickException(
                f"{manifest.where}: metadata.namespace is {own!r}, and -n says {self.name!r}; "
                f"give -n {own}, or leave -n away"
            )
        return own or self.name


def namespace_of(ctx: click.Context, given: str | None) -> Namespace:
    """What -n gives, else what the kubeconfig's current context says; default where neither does, or where there is no
    kubeconfig. Raises ClickException for a kubeconfig that can't be used."""
    if given:
        return Namespace(given, demanded=True)
    return Namespace(config_of(ctx).namespace or DEFAULT if has_config(ctx) else DEFAULT)
