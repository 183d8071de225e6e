"""`starlink delete`: objects by name or by file, waiting until they are gone."""

import asyncio
import contextlib
from typing import Any

import click

from starlink.api.kinds import POOL, SERVER, Kind
from starlink.api.labels import GONE_ANNOTATION, IN_USE_FINALIZER
from starlink.cli.cluster import with_client
from starlink.cli.manifests import read
from starlink.cli.namespace import namespace_of, namespace_option
from starlink.cli.resources import Resources
from starlink.client.errors import Conflict, NotFound
from starlink.client.kube import Client

_TRIES = 10
"""While others write the object too."""


@click.command()
@click.argument("kind", required=False)
@click.argument("names", nargs=-1)
@click.option("-f", "--filename", "files", multiple=True, help="Delete what these files declare.")
@namespace_option
@click.option("--wait/--no-wait", default=True, help="Wait until they are gone [yes].")
@click.option(
    "--force",
    is_flag=True,
    help="Declare servers gone, and let pools go that are in use.",
)
@click.pass_context
def command(
    ctx: click.Context,
    kind: str | None,
    names: tuple[str, ...],
    files: tuple[str, ...],
    namespace: str | None,
    wait: bool,
    force: bool,
) -> None:
    """Delete objects: KIND NAME…, or -f FILE."""
    if bool(files) == bool(kind) or (kind and not names):
        raise click.UsageError("give KIND and NAME…, or -f FILE")
    otherwise = namespace_of(ctx, namespace)

    async def work(client: Client) -> None:
        resources = await Resources.discover(client)
        if files:
            declared = [(resources.of_manifest(manifest), manifest) for manifest in read(files)]
            targets = [(found, m.name, otherwise.of(m) if found.namespaced else "") for found, m in declared]
        else:
            found = resources.named(kind or "")
            targets = [(found, name, otherwise.name if found.namespaced else "") for name in names]
        for found, name, place in targets:
            await _delete(client, found, name, place, force=force)
        if wait:
            for found, name, place in targets:
                await _gone(client, found, name, place)

    with_client(ctx, work)


async def _delete(client: Client, kind: Kind, name: str, namespace: str, *, force: bool) -> None:
    if force and kind.plural == SERVER.plural:
        await client.patch(kind, name, {"metadata": {"annotations": {GONE_ANNOTATION: "true"}}})
    try:
        await client.delete(kind, name, namespace)
        click.echo(f"{kind.kind.lower()}/{name} deleted")
    except NotFound:
        click.echo(f"{kind.kind.lower()}/{name} is not there")
        return
    if force and kind.plural == POOL.plural:
        await _release(client, kind, name)


async def _release(client: Client, kind: Kind, name: str) -> None:
    """Takes away what holds a pool that is in use."""
    for _ in range(_TRIES):
        with contextlib.suppress(NotFound, Conflict):
            metadata = (await client.get(kind, name))["metadata"]
            left = [one for one in metadata.get("finalizers", ()) if one != IN_USE_FINALIZER]
            only_so = {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
            await client.patch(kind, name, {"metadata": {**only_so, "finalizers": left or None}})
            return


async def _gone(client: Client, kind: Kind, name: str, namespace: str) -> None:
    """Waits, and says what is waited for, as often as that changes."""
    pause, told = 0.05, ""
    while True:
        try:
            found = await client.get(kind, name, namespace)
        except NotFound:
            return
        if (waits := _waits(found)) and waits != told:
            told = waits
            click.echo(f"{kind.kind.lower()}/{name}: {waits}", err=True)
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, 1.0)


def _waits(found: dict[str, Any]) -> str:
    """What the Ready condition of a server or pool says that its deletion waits for."""
    conditions = found.get("status", {}).get("conditions", ())
    ready: dict[str, Any] = next((one for one in conditions if one["type"] == "Ready"), {})
    return str(ready.get("message", "")) if ready.get("reason") in ("Draining", "Terminating") else ""
