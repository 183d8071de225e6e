"""`starlink status`: what runs on this machine, and how the cluster is."""

from pathlib import Path
from typing import Any

import click

from starlink.api.kinds import POOL, SERVER, TASK
from starlink.cli.cluster import with_client
from starlink.cli.datadir import DataDir
from starlink.cli.down import is_launcher
from starlink.cli.get import fetch_table, render
from starlink.client.kube import Client


@click.command()
@click.pass_context
def command(ctx: click.Context) -> None:
    """Show what runs here: processes, memory, where it listens, servers, pools and tasks.

    It ends with 1 when a part is down.
    """
    data = DataDir.of(ctx.obj["data_dir"])
    state = data.read_state()
    if not state or not is_launcher(int(state.get("pid", 0))):
        raise click.ClickException(f"StarLink does not run on {data.root}; start it with `{data.command('up')}`")
    text, down = processes(data, state)
    click.echo(text, nl=False)
    ctx.obj["kubeconfig"] = data.admin_kubeconfig

    async def work(client: Client) -> None:
        for kind in (SERVER, POOL, TASK):
            table = await fetch_table(client, kind, "", None, "")
            if table["rows"]:
                click.echo("\n" + render(table, wide=False, namespaces=kind.namespaced), nl=False)

    if "apiserver" not in down:
        with_client(ctx, work)
    if down:
        raise click.ClickException(f"not running: {', '.join(down)}; see {data.logs}")


def processes(data: DataDir, state: dict[str, Any]) -> tuple[str, list[str]]:
    """The processes with their memory, and those that do not run."""
    down, lines = [], [f"StarLink is up at {state['url']}, data in {data.root}", f"  metrics: {state['url']}/metrics"]
    for name, pid in {"up": state["pid"], **state.get("children", {})}.items():
        memory = _memory(pid)
        lines.append(f"  {name:<12}pid {pid}, {memory} MB" if memory else f"  {name:<12}not running")
        if not memory:
            down.append(name)
    return "\n".join(lines) + "\n", down


def _memory(pid: int | None) -> int:
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return int(text.split("VmRSS:", 1)[1].split()[0]) // 1024 if "VmRSS:" in text else 0
