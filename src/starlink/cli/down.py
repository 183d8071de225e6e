"""`starlink down`: stops the standalone StarLink of a data directory."""

import contextlib
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import click

from starlink.cli.datadir import DataDir

WAIT_SECONDS = 40.0


@click.command()
@click.option("--tasks", is_flag=True, help="Stop the tasks of this machine too; the next `up` starts them again.")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Where everything is kept.")
@click.pass_context
def command(ctx: click.Context, tasks: bool, data_dir: Path | None) -> None:
    """Stop StarLink; tasks go on running unless --tasks is given."""
    data = DataDir.of(data_dir or ctx.obj["data_dir"])
    stopped = _stop_launcher(data)
    if not stopped and not tasks:
        raise click.ClickException(f"StarLink does not run on {data.root}")
    if not tasks:
        click.echo("StarLink is stopped; tasks go on running, `starlink up` goes on with them")
        return
    _stop_tasks(data)
    click.echo("StarLink and the tasks of this machine are stopped; `starlink up` starts both again")


def _stop_launcher(data: DataDir) -> bool:
    """TERM to the launcher; waits until it is gone. False when there was none."""
    pid = data.read_state().get("pid")
    if not isinstance(pid, int) or not is_launcher(pid):
        return False
    descriptor = os.pidfd_open(pid)
    try:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        if not select.select([descriptor], [], [], WAIT_SECONDS)[0]:
            raise click.ClickException(
                f"StarLink (pid {pid}) did not stop within {WAIT_SECONDS:g} s; see {data.logs}/up.log"
            )
    finally:
        os.close(descriptor)
    return True


def is_launcher(pid: int) -> bool:
    """Whether the process is a `starlink up`, and not another that got its number."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return b"up" in words or b"demo" in words


def _stop_tasks(data: DataDir) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "starlink_nodeagent", "stop-instances", "--data-dir", str(data.agent)],
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise click.ClickException(f"the tasks could not be stopped: {done.stderr.strip()}")
