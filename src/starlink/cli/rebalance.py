"""`starlink rebalance`: moves instances to servers that suit them better, one at a time."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click
import msgspec

from starlink.api.assignment import Assignment
from starlink.api.kinds import ASSIGNMENT, TASK
from starlink.api.labels import TASK as TASK_LABEL
from starlink.api.meta import ObjectKey
from starlink.cli.cluster import commands, with_client
from starlink.cli.hints import Command
from starlink.cli.observing import engine_for, observe
from starlink.cli.tables import aligned
from starlink.client.errors import Conflict, NotFound
from starlink.client.kube import Client

if TYPE_CHECKING:
    from starlink.engine.foresight.rebalancing import Proposal

_LOOK_SECONDS = 0.5


@click.command()
@click.option("--dry-run", is_flag=True, help="Only show which moves pay.")
@click.option(
    "--most",
    type=click.IntRange(1, 1000),
    default=10,
    show_default=True,
    help="Moves to show, and to make in a minute.",
)
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--timeout", type=click.FloatRange(min=1), default=300.0, show_default=True,
    help="Seconds for a replacement to become ready; after that no further move is made.",
)  # fmt: skip
@click.pass_context
def command(ctx: click.Context, dry_run: bool, most: int, yes: bool, timeout: float) -> None:
    """Move instances to servers that suit them better, until no move pays.

    One at a time, within each task's update.maxUnavailable: the next move waits until the instance is ready elsewhere.
    Ctrl-C stops between moves.
    """
    with engine_for("rebalance"):
        from starlink.engine.foresight.rebalancing import proposals

    async def propose(client: Client) -> list[Proposal]:
        return proposals(await observe(client), most)

    found = with_client(ctx, propose)
    click.echo(render(found), nl=False)
    if dry_run or not found:
        return
    if not yes and not click.confirm(f"Move, at most {most} a minute, until no move pays?"):
        click.echo("nothing is moved", err=True)
        ctx.exit(1)
    moved = with_client(ctx, lambda client: _Moves(client, most, timeout, commands(ctx)).run())
    click.echo(f"{moved} moved")


def render(found: Sequence[Proposal]) -> str:
    """The proposals as text."""
    if not found:
        return "no move pays\n"
    rows = [(str(one.assignment), one.server_from, one.server_to, f"{one.gain:.1f}", one.reason) for one in found]
    return "\n".join(aligned(("ASSIGNMENT", "FROM", "TO", "GAIN", "WHY"), rows, indent="")) + "\n"


class _Moves:
    """One run. No slot is moved twice in it."""

    def __init__(self, client: Client, most: int, timeout: float, command: Command) -> None:
        self._client, self._most, self._timeout, self._command = client, most, timeout, command
        self._stop = asyncio.Event()
        self._moved: set[tuple[ObjectKey, str]] = set()
        self._started: list[float] = []

    async def run(self) -> int:
        """Moves until no move pays or Ctrl-C; gives how many were moved."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, self._asked_to_stop)
        try:
            while await self._turn() and (one := await self._next()) is not None:
                await self._carry_out(one)
        finally:
            loop.remove_signal_handler(signal.SIGINT)
        return len(self._started)

    def _asked_to_stop(self) -> None:
        click.echo("stopping after this move; Ctrl-C again stops at once", err=True)
        self._stop.set()
        asyncio.get_running_loop().remove_signal_handler(signal.SIGINT)

    async def _turn(self) -> bool:
        """Waits until another move may start; whether it may."""
        from starlink.engine.foresight.rebalancing import pause

        seconds = pause(self._started, time.monotonic(), self._most)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), seconds)
        return not self._stop.is_set()

    async def _next(self) -> Proposal | None:
        """The best move now, for what was found before may no longer be so."""
        from starlink.engine.foresight.rebalancing import proposals

        found = proposals(await observe(self._client), self._most + len(self._moved))
        return next((one for one in found if (one.task, one.slot) not in self._moved), None)

    async def _carry_out(self, one: Proposal) -> None:
        self._moved.add((one.task, one.slot))
        try:
            await self._client.delete(ASSIGNMENT, one.assignment.name, one.assignment.namespace, uid=one.uid)
        except (NotFound, Conflict):
            return
        self._started.append(time.monotonic())
        click.echo(f"{one.task} slot {one.slot}: stopping on {one.server_from}")
        server = await self._replaced(one)
        click.echo(f"{one.task} slot {one.slot}: {f'ready on {server}' if server else 'not wanted any more'}")

    async def _replaced(self, one: Proposal) -> str:
        """The server on which the slot is ready again, "" when its task is gone."""
        end = time.monotonic() + self._timeout
        while time.monotonic() < end:
            listing = await self._client.list(
                ASSIGNMENT, one.task.namespace, label_selector=f"{TASK_LABEL}={one.task.name}"
            )
            for item in listing.items:
                found = msgspec.json.decode(item, type=Assignment)
                if (found.spec.slot, found.status.ready) == (one.slot, True) and found.uid != one.uid:
                    return found.spec.server
            if not listing.items and not await self._exists(one.task):
                return ""
            await asyncio.sleep(_LOOK_SECONDS)
        raise click.ClickException(
            f"{one.task} slot {one.slot} is not ready again after {self._timeout:g} s; no further move is made; "
            f"see `{self._command(f'get task {one.task.name} -n {one.task.namespace} -o yaml')}`"
        )

    async def _exists(self, task: ObjectKey) -> bool:
        try:
            await self._client.get(TASK, task.name, task.namespace)
        except NotFound:
            return False
        return True
