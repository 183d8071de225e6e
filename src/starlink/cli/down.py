"""`starlink down`: stops the standalone StarLink of a data directory."""

import contextlib
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import click

from starlink.cli.cluster import say_which
from starlink.cli.datadir import AgentDir, DataDir
from starlink.cli.datadir import command as command_of
from starlink.cli.loglines import last_said
from starlink.cli.parts import is_launcher
from starlink.cli.tenant import nobodys, stranger

WAIT_SECONDS = 40.0


@click.command()
@click.option("--tasks", is_flag=True, help="Stop the tasks of this data dir too; the next start begins them again.")
@click.pass_context
def command(ctx: click.Context, tasks: bool) -> None:
    """Stop StarLink; tasks go on running unless --tasks is given.

    With the --data-dir of an agent it stops that agent, and with --tasks that agent's tasks.
    """
    say_which(ctx, "down")
    data = DataDir.of(ctx.obj["data_dir"])
    if data.is_an_agents:
        _stop_agent(data.root, tasks)
    elif data.is_there:
        _stop_standalone(data, tasks)
    else:
        raise click.ClickException(stranger(data) or nobodys(data))


def _stop_standalone(data: DataDir, tasks: bool) -> None:
    stopped = _stop_launcher(data)
    if not stopped and not tasks:
        raise click.ClickException(f"StarLink does not run on {data.root}")
    if not tasks:
        click.echo(f"StarLink is stopped; tasks go on running, `{data.command('up')}` goes on with them")
        return
    if data.agent.is_dir():
        _stop_tasks(data.agent)
    whose = "StarLink and" if stopped else "StarLink did not run;"
    click.echo(f"{whose} the tasks of {data.agent} are stopped; `{data.command('up')}` starts both again")


def _stop_agent(folder: Path, tasks: bool) -> None:
    """Of a data dir that is an agent's alone."""
    launcher = DataDir(folder.parent)
    if launcher.is_there and launcher.agent == folder:
        raise click.ClickException(
            f"{folder} is of the agent of the StarLink on {launcher.root}; stop that: "
            f"{launcher.command('down --tasks' if tasks else 'down')}"
        )
    pid = holder(AgentDir(folder).lock)
    if pid:
        _end(pid, f"the agent on {folder}", "its log")
    elif not tasks:
        raise click.ClickException(f"no agent runs on {folder}")
    again = f"`{command_of(folder, 'agent')}`"
    if not tasks:
        click.echo(f"the agent on {folder} is stopped; its tasks go on running, {again} goes on with them")
        return
    _stop_tasks(folder)
    was = "the agent and its tasks are" if pid else "no agent ran; its tasks are"
    click.echo(f"{was} stopped; {again} starts both again")


def _stop_launcher(data: DataDir) -> bool:
    """TERM to the launcher; waits until it is gone. False when there was none."""
    pid = data.read_state().get("pid")
    if not isinstance(pid, int) or not is_launcher(pid):
        return False
    _end(pid, f"StarLink on {data.root}", str(data.up_log))
    return True


def _end(pid: int, what: str, log: str) -> None:
    """TERM, and waits until the process is gone. Raises ClickException when it stays."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(descriptor, signal.SIGTERM)
        if not select.select([descriptor], [], [], WAIT_SECONDS)[0]:
            raise click.ClickException(f"{what} (pid {pid}) did not stop within {WAIT_SECONDS:g} s; see {log}")
    finally:
        os.close(descriptor)


def holder(lock: Path, locks: Path = Path("/proc/locks")) -> int:
    """The process that holds the file's lock, 0 for none (proc_locks(5))."""
    try:
        about = lock.stat()
        lines = locks.read_text().splitlines()
    except OSError:
        return 0
    file = f"{os.major(about.st_dev):02x}:{os.minor(about.st_dev):02x}:{about.st_ino}"
    found = (line.split() for line in lines)
    return next((max(int(words[4]), 0) for words in found if words[1] == "FLOCK" and words[5] == file), 0)


def _stop_tasks(agent: Path) -> None:
    """Those of the agent's data dir. Raises ClickException."""
    done = subprocess.run(
        [sys.executable, "-m", "starlink_nodeagent", "stop-instances", "--data-dir", str(agent)],
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise click.ClickException(f"the tasks of {agent} could not be stopped: {last_said(done.stderr)}")
