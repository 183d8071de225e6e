"""`starlink apply`: client-side apply, as kubectl does it and with kubectl's annotation, so that both agree."""

import json
from typing import Any

import click

from starlink.api.kinds import Kind
from starlink.cli.cluster import with_client
from starlink.cli.manifests import Manifest, read
from starlink.cli.namespace import namespace_of, namespace_option
from starlink.cli.resources import Resources
from starlink.client.errors import ClientError, NotFound
from starlink.client.kube import Client

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_STRICT = {"fieldValidation": "Strict", "fieldManager": "starlink"}

Obj = dict[str, Any]


@click.command()
@click.option(
    "-f", "--filename", "files", multiple=True, required=True, help="A file, a folder, or - for standard input."
)
@namespace_option
@click.pass_context
def command(ctx: click.Context, files: tuple[str, ...], namespace: str | None) -> None:
    """Create or change what files declare."""
    manifests = read(files)
    otherwise = namespace_of(ctx, namespace)

    async def work(client: Client) -> list[str]:
        resources = await Resources.discover(client)
        kinds = [resources.of_manifest(manifest) for manifest in manifests]
        places = [
            otherwise.of(manifest) if kind.namespaced else "" for kind, manifest in zip(kinds, manifests, strict=True)
        ]
        failures = []
        for kind, manifest, place in zip(kinds, manifests, places, strict=True):
            try:
                done = await apply_one(client, kind, manifest, place)
            except ClientError as error:
                failures.append(f"{manifest.where}: {error}")
                continue
            qualified = f"{kind.kind.lower()}.{kind.group}".rstrip(".")
            click.echo(f"{qualified}/{manifest.name} {done}")
        return failures

    failures = with_client(ctx, work)
    if failures:
        raise click.ClickException("\n".join(failures))


async def apply_one(client: Client, kind: Kind, manifest: Manifest, place: str) -> str:
    """Applies one object to a namespace, "" for a cluster-wide one; gives created, configured or unchanged. Raises
    ClientError."""
    wanted = with_annotation(manifest.body)
    try:
        current = await client.get(kind, manifest.name, place)
    except NotFound:
        await client.create(kind, wanted, place, query=_STRICT)
        return "created"
    patch = patch_to(manifest, current)
    if not patch:
        return "unchanged"
    written = await client.patch(kind, manifest.name, patch, place, query=_STRICT)
    same = written["metadata"]["resourceVersion"] == current["metadata"]["resourceVersion"]
    return "unchanged" if same else "configured"


def patch_to(manifest: Manifest, current: Obj) -> Obj:
    """The merge patch that applies the manifest to the object as it is. Pure."""
    return three_way(last_applied(current), with_annotation(manifest.body), current)


def with_annotation(body: Obj) -> Obj:
    """The object with what was applied noted on it."""
    meta = dict(body["metadata"])
    plain = {key: value for key, value in (meta.get("annotations") or {}).items() if key != LAST_APPLIED}
    applied = {**body, "metadata": {**meta, "annotations": plain}}
    noted = {**plain, LAST_APPLIED: json.dumps(applied, separators=(",", ":"), sort_keys=True) + "\n"}
    return {**body, "metadata": {**meta, "annotations": noted}}


def last_applied(current: Obj) -> Obj:
    """What was applied last time, {} when nobody noted it."""
    noted = (current["metadata"].get("annotations") or {}).get(LAST_APPLIED)
    try:
        found = json.loads(noted) if noted else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def three_way(last: Obj, wanted: Obj, current: Obj) -> Obj:
    """The merge patch that brings `current` to `wanted`, and takes away what only `last` had. Pure."""
    patch: Obj = {}
    for key, value in wanted.items():
        before = current.get(key)
        if isinstance(value, dict) and isinstance(before, dict):
            was = last.get(key)
            below = three_way(was if isinstance(was, dict) else {}, value, before)
            if below:
                patch[key] = below
        elif value != before:
            patch[key] = value
    for key in last:
        if key not in wanted and key in current:
            patch[key] = None
    return patch
