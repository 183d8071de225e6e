"""`starlink status`: what runs on this machine, and how the cluster is, on one screen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import click

from starlink.api.kinds import POOL, SERVER, TASK, Kind
from starlink.cli import next_steps, tones
from starlink.cli.cluster import data_dir_of, with_client
from starlink.cli.description import wrapped
from starlink.cli.down import is_launcher
from starlink.cli.get import fetch_table
from starlink.cli.hints import Command, LogsOf, way_to_logs
from starlink.cli.rows import Rows
from starlink.cli.screen import Screen, Tone
from starlink.client.kube import Client

MOST_ROWS = 8
"""Of a kind, so that all is on one screen: what is not well comes first."""


@click.command()
@click.pass_context
def command(ctx: click.Context) -> None:
    """Show what runs here: processes, memory, where it listens, servers, pools and tasks; what is not well first.

    It ends with 1 when a part is down.
    """
    data = data_dir_of(ctx)
    state = data.read_state()
    if not state or not is_launcher(int(state.get("pid", 0))):
        raise click.ClickException(f"StarLink does not run on {data.root}; start it with `{data.command('up')}`")
    screen, parts = Screen.of(), processes(state)
    click.echo(head(state, data.root, parts, screen), nl=False)
    logs_of = partial(way_to_logs, command=data.command, is_here=str(state.get("server")).__eq__)
    ctx.obj["kubeconfig"] = data.admin_kubeconfig

    async def work(client: Client) -> None:
        for kind in (SERVER, POOL, TASK):
            table = await fetch_table(client, kind, "", whole=True)
            click.echo(f"\n{summary(kind, table, screen, data.command, logs_of)}", nl=False)

    down = [part.name for part in parts if not part.memory]
    if "apiserver" not in down:
        with_client(ctx, work)
    if down:
        raise click.ClickException(f"not running: {', '.join(down)}; see {data.logs}")


@dataclass(frozen=True, slots=True)
class Part:
    """A process of StarLink and its memory in MB, 0 when it does not run."""

    name: str
    pid: int | None
    memory: int


def processes(state: Mapping[str, Any]) -> Sequence[Part]:
    """Those that `up` wrote of."""
    return [Part(name, pid, _memory(pid)) for name, pid in {"up": state["pid"], **state.get("children", {})}.items()]


def head(state: Mapping[str, Any], root: Path, parts: Sequence[Part], screen: Screen) -> str:
    """Where StarLink is, and its processes."""
    lines = [
        screen.title(f"StarLink is up at {state['url']}, data in {root}"),
        f"  metrics: {state['url']}/metrics",
        *(_part(part, screen) for part in parts),
    ]
    return "\n".join(lines) + "\n"


def _part(part: Part, screen: Screen) -> str:
    tone = Tone.GOOD if part.memory else Tone.BAD
    text = f"pid {part.pid}, {part.memory} MB" if part.memory else screen.paint("not running", tone)
    return f"  {screen.marked(f'{part.name:<12}{text}', tone)}"


def summary(kind: Kind, table: Mapping[str, Any], screen: Screen, command: Command, logs_of: LogsOf) -> str:
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


def _memory(pid: int | None) -> int:
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return int(text.split("VmRSS:", 1)[1].split()[0]) // 1024 if "VmRSS:" in text else 0
