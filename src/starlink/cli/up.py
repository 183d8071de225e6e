"""`starlink up`: a standalone StarLink on this machine."""

import asyncio
import logging
import os
import pwd
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import click

from starlink import log as logs
from starlink.cli.datadir import DataDir
from starlink.cli.etcd import EtcdOptions, etcd_options
from starlink.cli.launcher import AgentOptions, NotStarted, Standalone
from starlink.client.errors import ClientError

log = logging.getLogger("starlink.up")

DETACH_SECONDS = 60.0


def _checked(_ctx: click.Context, _parameter: click.Parameter, words: tuple[str, ...]) -> tuple[str, ...]:
    from starlink_nodeagent.resources import BadResource, declared

    try:
        declared(words)
    except BadResource as error:
        raise click.BadParameter(str(error)) from None
    return words


def _named(_ctx: click.Context, _parameter: click.Parameter, name: str) -> str:
    from starlink.apiserver.schema.formats import is_subdomain, subdomain_faults

    if name and not is_subdomain(name):
        raise click.BadParameter(f"{name!r} can't be a server's name: {'; '.join(subdomain_faults(name))}")
    return name


@click.command()
@click.option(
    "--listen", default="", metavar="HOST:PORT", help="Where the API server listens [127.0.0.1 and a free port]."
)
@click.option("--detach", is_flag=True, help="Return once it is ready; it runs on in the background.")
@click.option("--name", default="", callback=_named, help="This server's name [the hostname].")
@click.option(
    "--artifact-dir", type=click.Path(path_type=Path, file_okay=False), help="Where artifacts named file:NAME lie."
)
@click.option(
    "--durability",
    type=click.Choice(["full", "normal"]),
    default="full",
    show_default=True,
    help="full: what was written outlives a power cut. normal: faster on slow disks; a power cut may take the last "
    "writes, a crash takes none.",
)
@etcd_options("Keep the objects in this etcd; '' for SQLite again [as the last time].")
@click.option("--debug", is_flag=True, help="Serve /debug of the API server to administrators.")
@click.option(
    "--allow-local-artifacts",
    is_flag=True,
    help="Let agent and operator fetch artifacts from this machine's own addresses, loopback and link-local.",
)
@click.option(
    "--resource",
    "resources",
    multiple=True,
    callback=_checked,
    metavar="NAME=COUNT",
    help="A further resource that this server has, such as example.com/dongle=2; may be given again.",
)
@click.option("--task-user", help="As root: the one user that all tasks run as, in place of one each.")
@click.option(
    "--task-uids",
    metavar="FIRST-LAST",
    help="As root: each task runs as a user of its own with one of these numbers "
    "[1900000000-1900065535, or others where the machine has not these].",
)
@click.option("--data-dir", type=click.Path(path_type=Path), help="Where everything is kept.")
@click.pass_context
def command(
    ctx: click.Context,
    listen: str,
    detach: bool,
    name: str,
    artifact_dir: Path | None,
    durability: str,
    etcd: EtcdOptions | None,
    debug: bool,
    allow_local_artifacts: bool,
    resources: tuple[str, ...],
    task_user: str | None,
    task_uids: str | None,
    data_dir: Path | None,
) -> None:
    """Start a standalone StarLink: API server, operator and this machine's agent.

    Stopping it leaves tasks running; the next `up` goes on with them.
    """
    data = DataDir.of(data_dir or ctx.obj["data_dir"])
    _create(data)
    if detach:
        _detach(data)
        return
    artifacts = artifact_dir.resolve() if artifact_dir else None
    agent = AgentOptions(name or server_name(), data.agent, artifacts, task_user, task_uids, resources)
    logs.setup("info", "up")
    try:
        _check_users(agent)
        asyncio.run(_run(Standalone(data, listen, (agent,), durability, etcd, debug, allow_local_artifacts)))
    except (NotStarted, ClientError, PermissionError) as error:
        raise click.ClickException(str(error)) from None


def _create(data: DataDir) -> None:
    """Raises ClickException when the directory can't be made."""
    try:
        data.create()
    except OSError as error:
        is_file = isinstance(error, FileExistsError | NotADirectoryError)
        why = "it is, or lies below, a file" if is_file else error.strerror
        raise click.ClickException(f"--data-dir {data.root}: {why}; name a directory that you may write") from None


def server_name() -> str:
    """The hostname as a name that the API takes."""
    return re.sub(r"[^a-z0-9.-]+", "-", socket.gethostname().lower()).strip("-.") or "server"


def _check_users(agent: AgentOptions) -> None:
    """Raises ClickException for options of users that can't be."""
    from starlink_nodeagent.uids import BadRange
    from starlink_nodeagent.users import UnknownUser, check

    try:
        check(agent.task_user, agent.task_uids, agent.data_dir)
    except (BadRange, UnknownUser) as error:
        raise click.ClickException(str(error)) from None


async def _run(standalone: Standalone) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        await standalone.start()
    except BaseException:
        await standalone.stop()
        raise
    click.echo(greeting(standalone.data, standalone.url, _whom(standalone.agents[0])))
    sys.stdout.flush()
    await stop.wait()
    click.echo("stopping StarLink; tasks go on running, `starlink up` goes on with them")
    await standalone.stop()


def _whom(agent: AgentOptions) -> str:
    """As whom tasks run, in words."""
    if os.geteuid() != 0:
        return f"tasks run as {pwd.getpwuid(os.geteuid()).pw_name}, like StarLink itself, and share its rights"
    if agent.task_user is not None:
        return f"tasks run as {agent.task_user}"
    return "each task runs as a user of its own"


def greeting(data: DataDir, url: str, whom: str) -> str:
    """What a person wants to know first. `whom` says as whom tasks run."""
    return "\n".join((
        f"StarLink is up at {url}; {whom}.",
        f"  export KUBECONFIG={data.admin_kubeconfig}",
        "  kubectl get servers              # or: starlink get servers",
        "  kubectl apply -f examples/hello.yaml",
        f"logs are in {data.logs}; stop it with: starlink --data-dir {data.root} down",
    ))  # fmt: skip


def _detach(data: DataDir) -> None:
    """Starts `up` again in the background, and waits until it has said that it is up."""
    command = [sys.executable, "-m", "starlink.cli", *[word for word in sys.argv[1:] if word != "--detach"]]
    log_file = data.logs / "up.log"
    descriptor = os.open(log_file, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    child = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=descriptor, stderr=descriptor, start_new_session=True
    )
    os.close(descriptor)
    deadline = time.monotonic() + DETACH_SECONDS
    while time.monotonic() < deadline:
        said = log_file.read_text()
        if child.poll() is not None:
            raise click.ClickException(said.strip().removeprefix("Error: ") or f"it ended with {child.returncode}")
        if "StarLink is up" in said:
            before, up, after = said.partition("StarLink is up")
            click.echo(before, nl=False, err=True)  # warnings
            click.echo(f"{up}{after}".rstrip())
            return
        time.sleep(0.05)
    raise click.ClickException(f"it is not up after {DETACH_SECONDS:g} s; see {log_file}")
