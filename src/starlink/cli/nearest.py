"""What a person meant by the name of an object that is not there."""

import msgspec

from starlink.api.alike import did_you_mean
from starlink.api.kinds import Kind
from starlink.cli.hints import Command
from starlink.cli.tables import some
from starlink.client.errors import ClientError, Forbidden
from starlink.client.kube import Client, url

_METADATA = {"Accept": "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json"}


class _Metadata(msgspec.Struct):
    name: str
    namespace: str = ""


class _Entry(msgspec.Struct):
    metadata: _Metadata


class _Entries(msgspec.Struct):
    items: list[_Entry]


async def names(client: Client, kind: Kind, namespace: str) -> list[tuple[str, str]]:
    """Namespace and name of each object; no namespace means all. Raises ClientError."""
    body = await client.raw("GET", url(kind, namespace), headers=_METADATA)
    return [(one.metadata.namespace, one.metadata.name) for one in msgspec.json.decode(body, type=_Entries).items]


async def missing(client: Client, kind: Kind, name: str, namespace: str, command: Command) -> str:
    """That an object is not there, and what is: near misses, the same name in other namespaces, or some names; else the
    `command` that shows them."""
    place = f" in namespace {namespace}" if kind.namespaced else ""
    return f"there is no {kind.kind.lower()} {name}{place}; {await _instead(client, kind, name, namespace, command)}"


async def _instead(client: Client, kind: Kind, name: str, namespace: str, command: Command) -> str:
    try:
        here = [one for _, one in await names(client, kind, namespace)]
        elsewhere = await _elsewhere(client, kind, name, namespace)
    except ClientError:
        place = f" -n {namespace}" if namespace else ""
        return f"`{command(f'get {kind.plural}{place}')}` shows what there is"
    if elsewhere:
        return f"there is one in {some(elsewhere)}: -n {elsewhere[0]}"
    return did_you_mean(name, here) or f"there are: {some(sorted(here), 10) or 'none'}"


async def _elsewhere(client: Client, kind: Kind, name: str, namespace: str) -> list[str]:
    """The other namespaces where an object has this name, as far as they may be read."""
    if not kind.namespaced:
        return []
    try:
        found = await names(client, kind, "")
    except Forbidden:
        return []
    return sorted(place for place, one in found if one == name and place != namespace)
