"""`starlink pool move`: servers to another pool, with what that does to all that runs on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from starlink.api.kinds import SERVER
from starlink.cli.cluster import with_client
from starlink.cli.observing import engine_for, observe
from starlink.cli.tables import aligned, slot_ranges, some
from starlink.client.errors import ClientError
from starlink.client.kube import Client
from starlink.planning.telling import in_words
from starlink.planning.world import World

if TYPE_CHECKING:
    from starlink.engine.foresight.moving import Leaving, PoolMove

NOT_ALL_FIT = 2


@click.group()
def command() -> None:
    """Move servers between pools."""


@command.command()
@click.argument("servers", nargs=-1, required=True, metavar="SERVER...")
@click.argument("pool")
@click.option("--dry-run", is_flag=True, help="Only show what would happen.")
@click.option("--force", is_flag=True, help="Move even when not all that has to leave fits elsewhere.")
@click.pass_context
def move(ctx: click.Context, servers: tuple[str, ...], pool: str, dry_run: bool, force: bool) -> None:
    """Move servers to POOL.

    Instances whose task names the old pool leave, a few at a time. Exits with 2, and moves nothing, when not all of
    them fit elsewhere or the new pool's rules would be broken.
    """
    with engine_for("pool move"):
        from starlink.engine.foresight.moving import preview_move
    names = list(dict.fromkeys(servers))

    async def work(client: Client) -> bool:
        world = await observe(client)
        _demand(world, names, pool)
        there = [name for name in names if world.servers[name].spec.pool == pool]
        for name in there:
            click.echo(f"server {name} is in pool {pool} already")
        moving = [name for name in names if name not in there]
        if not moving:
            return True
        found = preview_move(world, moving, pool)
        click.echo(render(found), nl=False)
        if not dry_run and (found.fits or force):
            await _write(client, world, moving, pool)
        elif not dry_run:
            click.echo("nothing is moved; --force moves all the same", err=True)
        return found.fits or (force and not dry_run)

    if not with_client(ctx, work):
        ctx.exit(NOT_ALL_FIT)


def _demand(world: World, servers: Sequence[str], pool: str) -> None:
    """Raises ClickException naming what is not there, and what is."""
    for name in servers:
        if name not in world.servers:
            known = some(sorted(world.servers), 10) or "none"
            raise click.ClickException(f"server {name!r} does not exist; there are: {known}")
    if pool not in world.pools:
        known = some(sorted(world.pools), 10) or "none"
        raise click.ClickException(f"pool {pool!r} does not exist; there are: {known}")


async def _write(client: Client, world: World, servers: Sequence[str], pool: str) -> None:
    """One patch a server, which is for that very server alone."""
    for number, name in enumerate(servers):
        patch = {"metadata": {"uid": world.servers[name].uid}, "spec": {"pool": pool}}
        try:
            await client.patch(SERVER, name, patch)
        except ClientError as error:
            raise click.ClickException(f"server {name}: {error}; not moved: {', '.join(servers[number:])}") from None
        click.echo(f"server {name} moved to pool {pool}")


def render(found: PoolMove) -> str:
    """The move as text."""
    servers = [f"{name} (from {f'pool {old}' if old else 'no pool'})" for name, old in found.servers.items()]
    lines = [f"pool {found.pool} gets {some(servers)}: {_instances(found)}"]
    lines += _leaving(found.leaving)
    lines += [f"  {objection}" for objection in found.objections]
    headroom = [f"{name} {amount}" for name, amount in found.headroom.items()]
    lines.append(f"  headroom of pool {found.pool} then: {', '.join(headroom) or 'none'}")
    return "\n".join(lines) + "\n"


def _instances(found: PoolMove) -> str:
    if not found.leaving and not found.staying:
        return "nothing runs there"
    told = [_counted(found.staying, "instance stays", "instances stay")] if found.staying else []
    told += [_counted(len(found.leaving), "has to leave", "have to leave")] if found.leaving else []
    stranded = sum(1 for one in found.leaving if not one.server_to)
    told += [f"{stranded} of them without a place"] if stranded else []
    return ", ".join(told)


def _counted(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _leaving(leaving: Sequence[Leaving]) -> list[str]:
    if not leaving:
        return []
    together: dict[tuple[str, str, str], list[str]] = {}
    for one in leaving:
        together.setdefault((str(one.task), one.server, one.server_to or "nowhere"), []).append(one.slot)
    rows = [(task, slot_ranges(slots, old), old, new) for (task, old, new), slots in together.items()]
    refusals = dict.fromkeys(f"  {one.task}: {in_words(one.unplaced)}" for one in leaving if one.unplaced)
    preempting = dict.fromkeys(f"  {one.task}: {one.choice}" for one in leaving if one.choice and one.choice.preempts)
    told = [*refusals, *preempting]
    return aligned(("TASK", "SLOTS", "FROM", "TO"), rows) + told
