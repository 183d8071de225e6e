"""`starlink delete`: objects by name or by file, waiting until they are gone."""

import asyncio

import click

from starlink.api.kinds import SERVER, Kind
from starlink.api.labels import GONE_ANNOTATION
from starlink.cli.cluster import with_client
from starlink.cli.manifests import read
from starlink.cli.namespace import namespace_of, namespace_option
from starlink.cli.resources import Resources
from starlink.client.errors import NotFound
from starlink.client.kube import Client


@click.command()
@click.argument("kind", required=False)
@click.argument("names", nargs=-1)
@click.option("-f", "--filename", "files", multiple=True, help="Delete what these files declare.")
@namespace_option
@click.option("--wait/--no-wait", default=True, help="Wait until they are gone [yes].")
@click.option("--force", is_flag=True, help="For servers: declare them gone, do not wait for them to drain.")
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


async def _gone(client: Client, kind: Kind, name: str, namespace: str) -> None:
    pause = 0.05
    while True:
        try:
            await client.get(kind, name, namespace)
        except NotFound:
            return
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, 1.0)
