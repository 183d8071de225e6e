"""`starlink status`: what runs on this machine, and how the cluster is, on one screen."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click

from starlink.api.kinds import POOL, SERVER, TASK, Kind
from starlink.cli import next_steps, parts, tenant, tones, vitals
from starlink.cli.cluster import config_of, data_dir_of
from starlink.cli.datadir import DataDir
from starlink.cli.description import wrapped
from starlink.cli.down import holder
from starlink.cli.get import fetch_table
from starlink.cli.hints import Command, LogsOf, way_to_logs
from starlink.cli.parts import Part
from starlink.cli.rows import Rows
from starlink.cli.screen import Screen, Tone
from starlink.cli.vitals import Sight
from starlink.client.config import BadConfig, Config
from starlink.client.errors import ClientError
from starlink.client.kube import Client

Table = Mapping[str, Any]
MOST_ROWS = 8
"""Of a kind, so that all is on one screen: what is not well comes first."""
_TABLES_SECONDS = 15.0


@click.command()
@click.pass_context
def command(ctx: click.Context) -> None:
    """Show what runs here: processes, memory, where it listens, servers, pools and tasks; what is not well first.

    It ends with 1 when a part does not run or does not act.
    """
    data = data_dir_of(ctx)
    state = data.read_state()
    if not state or not parts.is_launcher(state["pid"]):
        raise click.ClickException(_not_up(data))
    ctx.obj["kubeconfig"] = data.admin_kubeconfig
    try:
        sights, tables = asyncio.run(_looked(config_of(ctx), parts.of_state(state)))
    except BadConfig as error:
        raise click.ClickException(str(error)) from None
    screen = Screen.of()
    logs_of = partial(way_to_logs, command=data.command, is_here=str(state.get("server")).__eq__)
    click.echo(head(state["url"], data.root, sights, screen), nl=False)
    for kind, table in tables:
        click.echo(f"\n{summary(kind, table, screen, data.command, logs_of)}", nl=False)
    if faulty := [f"{sight.part.name} {why}" for sight in sights if (why := vitals.verdict(sight))]:
        raise click.ClickException(f"{'; '.join(faulty)}; see {data.logs}")


def _not_up(data: DataDir) -> str:
    """Why there is nothing to show, and what to do."""
    if words := tenant.stranger(data):
        return words
    if pid := holder(data.lock):
        return f"StarLink is not up on {data.root} yet: process {pid} starts or restores it; look again when it has"
    return f"StarLink does not run on {data.root}; start it with `{data.command('up')}`"


async def _looked(config: Config, found: Sequence[Part]) -> tuple[Sequence[Sight], Sequence[tuple[Kind, Table]]]:
    """All that is shown, before anything of it is said: what has answered may end meanwhile."""
    try:
        async with Client(config, timeout=vitals.ANSWER_SECONDS) as client:
            sights = await vitals.look(client, found, time.time)
    except ClientError as error:  # the client could not even begin
        return vitals.troubled([Sight(part) for part in found], error), ()
    if any(sight.part.name == parts.APISERVER and vitals.verdict(sight) for sight in sights):
        return sights, ()
    try:
        async with Client(config, timeout=_TABLES_SECONDS) as client:
            return sights, [(kind, await fetch_table(client, kind, "", whole=True)) for kind in (SERVER, POOL, TASK)]
    except ClientError as error:
        return vitals.troubled(sights, error), ()


def head(url: str, root: Path, sights: Sequence[Sight], screen: Screen) -> str:
    """Where StarLink is, whether it is well, and its processes. Pure."""
    how = "is not well" if any(map(vitals.verdict, sights)) else "is up"
    lines = [
        screen.title(f"StarLink {how} at {url}, data in {root}"),
        f"  metrics: {url}/metrics",
        *(_part(sight, screen) for sight in sights),
    ]
    return "\n".join(lines) + "\n"


def _part(sight: Sight, screen: Screen) -> str:
    part, why = sight.part, vitals.verdict(sight)
    tone = Tone.BAD if why else Tone.UNDER_WAY if vitals.is_untold(sight) else Tone.GOOD
    runs = f"pid {part.pid}, {part.memory} MB" if part.memory else ""
    doubt = "the API server can't say whether it acts" if vitals.is_untold(sight) else ""
    told = "; ".join(filter(None, (runs, screen.paint(why or doubt, tone))))
    return f"  {screen.marked(f'{part.name:<12}{told}', tone)}"


def summary(kind: Kind, table: Table, screen: Screen, command: Command, logs_of: LogsOf) -> str:
    """How many there are and how they are, and the first of them, those that are not well before the others; `command`
    gives the one that shows all. Below stands what to look at next. Pure."""
    rows = sorted(table["rows"], key=lambda row: _ORDER[tones.of(row["object"])])
    if not rows:
        return f"no {kind.plural}\n"
    text = Rows(table["columnDefinitions"], screen, namespaces=kind.namespaced).render(rows[:MOST_ROWS])
    for step in next_steps.of_table(kind, {**table, "rows": rows}, command, logs_of):
        text += "".join(f"{line}\n" for line in wrapped(step, screen.width, "  "))
    if len(rows) <= MOST_ROWS:
        return text
    counts = [tones.of(row["object"]) for row in rows]
    told = [f"{counts.count(tone)} {word}" for tone, word in _WORDS.items() if tone in counts]
    every = command(f"get {kind.plural}{' -A' if kind.namespaced else ''}")
    return f"{len(rows)} {kind.plural}: {', '.join(told)}; `{every}` shows all\n{text}"


_WORDS = {Tone.BAD: "not well", Tone.UNDER_WAY: "under way", None: "untold", Tone.GOOD: "well", Tone.QUIET: "at rest"}
_ORDER = {tone: number for number, tone in enumerate(_WORDS)}
