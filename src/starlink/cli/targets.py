"""What KIND and NAME on a command line mean."""

from collections.abc import Sequence
from dataclasses import dataclass

import click

from starlink.api.kinds import Kind
from starlink.cli.resources import Resources


@dataclass(frozen=True, slots=True)
class Target:
    """Objects of a kind: those of the names, or without names all."""

    word: str
    names: tuple[str, ...] = ()


def parse(words: Sequence[str]) -> Sequence[Target]:
    """`KIND[,KIND…] [NAME…]` or `KIND/NAME…`. Raises UsageError. Pure."""
    if not words:
        raise click.UsageError("give a KIND, such as tasks, servers, pools or assignments")
    if any("/" in word for word in words):
        return [_pair(word) for word in words]
    kinds = [kind for kind in words[0].split(",") if kind]
    if not kinds:
        raise click.UsageError(f"{words[0]!r} names no kind; give one, such as tasks")
    if len(kinds) > 1 and len(words) > 1:
        raise click.UsageError(f"names are of one kind, and {words[0]} are {len(kinds)}; write KIND/NAME for each")
    return [Target(kind, tuple(dict.fromkeys(words[1:]))) for kind in kinds]


def _pair(word: str) -> Target:
    kind, slash, name = word.partition("/")
    if not (kind and slash and name) or "/" in name:
        raise click.UsageError(f"{word!r}: beside KIND/NAME, such as task/web, all words must be so")
    return Target(kind, (name,))


@dataclass(frozen=True, slots=True)
class Objects:
    """The same, with the kind that the cluster serves and the namespace that is meant."""

    kind: Kind
    names: tuple[str, ...]
    namespace: str


def resolve(targets: Sequence[Target], resources: Resources, namespace: str) -> Sequence[Objects]:
    """What the targets are in this cluster. Raises ClickException."""
    found = [(resources.named(target.word), target.names) for target in targets]
    return [Objects(kind, names, namespace if kind.namespaced else "") for kind, names in found]
