"""`starlink up`: a standalone StarLink on this machine."""

import asyncio
import contextlib
import logging
import os
import pwd
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from starlink import collector
from starlink import log as logs
from starlink.assets import asset_dir
from starlink.cli import extras, names, options, places, renaming, tenant
from starlink.cli.child import LOG_BYTES
from starlink.cli.cluster import say_which
from starlink.cli.datadir import DataDir, NotStarted
from starlink.cli.earlier import FIELDS, settings_of
from starlink.cli.faults import os_error
from starlink.cli.launcher import READY_SECONDS, STAND_SECONDS, LocalAgent, Standalone
from starlink.cli.listening import NotHeard
from starlink.cli.loglines import in_words, last_said
from starlink.cli.settings import AgentSettings, BadSettings, UpSettings, merged
from starlink.client.errors import ClientError
from starlink.files import rolling
from starlink.files.folder import NotUsable

log = logging.getLogger("starlink.up")

DETACH_SECONDS = READY_SECONDS + STAND_SECONDS + 10.0
_LITTLE_BYTES = 1024 * 1024
_REFUSALS = (BadSettings, places.BadPlace, NotHeard, renaming.NotRenamed, NotStarted, ClientError)


@click.command()
@click.option("--detach", is_flag=True, help="Return once it is ready; it runs on in the background.")
@options.kept(options.UP)
@click.pass_context
def command(ctx: click.Context, detach: bool, given: dict[str, Any]) -> None:
    """Start a standalone StarLink: API server, operator and this machine's agent.

    Stopping it leaves tasks running; the next `up` goes on with them. Options are kept in the data directory: what is
    not given is as the last time, and '' puts an option back to its default, which stands in brackets.
    """
    data = DataDir.of(ctx.obj["data_dir"])
    if not detach:  # what the one in the background says is told by the one that started it
        say_which(ctx, "up")
    extras.demand("up")
    try:
        before = settings_of(data)
        settings = _settled(before, given)
        extras.demand("up --etcd" if settings.etcd.endpoints else "up", etcd=bool(settings.etcd.endpoints))
        _check(before, settings, data)
        data.create()
        if detach:
            _detach(data)
            return
        logs.setup("info", "up", plain=sys.stderr.isatty())
        said = _to_say(before, settings, upgraded=not data.settings.exists())
        agents = (LocalAgent(data.agent, settings),)
        asyncio.run(_run(Standalone(data, settings, agents, before), said))
    except NotUsable as error:
        raise click.ClickException(tenant.of_agent(data) or f"--data-dir {data.root}: {error}") from None
    except _REFUSALS as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"--data-dir {data.root}: {os_error(error)}") from None


def _settled(before: UpSettings | None, given: dict[str, Any]) -> UpSettings:
    """What holds now, the name included."""
    settings = merged(before or UpSettings(), given)
    return settings if settings.name else msgspec.structs.replace(settings, name=server_name())


def server_name() -> str:
    """The hostname as a name that the API takes."""
    return names.proposed(socket.gethostname())


def _to_say(before: UpSettings | None, settings: UpSettings, *, upgraded: bool) -> Sequence[str]:
    """What a person should know of the options; nothing at the first start."""
    if before is None or not upgraded:
        return [*options.changes(options.UP, before, settings)]
    known = [option for option in options.UP if option.field in FIELDS]
    told = f"no options were kept here yet; server {before.name} and where it listens are taken from its other files"
    return [f"{told}, and what else is wanted is to be given once more", *options.changes(known, before, settings)]


def _check(before: UpSettings | None, settings: UpSettings, data: DataDir) -> None:
    """Before anything is made or changed. Raises NotUsable or one of _REFUSALS."""
    from starlink_nodeagent.users.policy import UnknownUser, check
    from starlink_nodeagent.users.uids import BadRange

    try:
        check(settings.task_user or None, settings.task_uids or None, data.agent)
    except (BadRange, UnknownUser) as error:
        raise NotStarted(str(error)) from None
    data.check()
    places.check(settings, data.root)
    if before is not None:
        renaming.check_journal(before.name, settings.name, data.agent, renaming.of_up(data, settings.name))


async def _run(standalone: Standalone, changes: Iterable[str]) -> None:
    collector.begin()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        if await _started(standalone, stop):
            whom = _whom(standalone.settings)
            _say(*changes, greeting(standalone.data, standalone.url, whom), *standalone.notes)
            await stop.wait()
        again = standalone.data.command("up")
        _say(f"stopping StarLink; tasks go on running, `{again}` goes on with them")
    finally:
        await standalone.stop()


async def _started(standalone: Standalone, stop: asyncio.Event) -> bool:
    """Whether it started before it was told to stop. Raises what `Standalone.start` does."""
    starting, stopped = asyncio.create_task(standalone.start()), asyncio.create_task(stop.wait())
    await asyncio.wait((starting, stopped), return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if starting.done():
        starting.result()
        return True
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    return False


def _say(*lines: str) -> None:
    """Who listened may have left, as `head` does; StarLink stays."""
    with contextlib.suppress(BrokenPipeError):
        click.echo("\n".join(lines))
        sys.stdout.flush()


def _whom(agent: AgentSettings) -> str:
    """As whom tasks run, in words."""
    if os.geteuid() != 0:
        return f"tasks run as {pwd.getpwuid(os.geteuid()).pw_name}, like StarLink itself, and share its rights"
    if agent.task_user:
        return f"tasks run as {agent.task_user}"
    return "each task runs as a user of its own"


def greeting(data: DataDir, url: str, whom: str) -> str:
    """What a person wants to know first. `whom` says as whom tasks run."""
    return "\n".join((
        f"StarLink is up at {url}; {whom}.",
        f"  export KUBECONFIG={shlex.quote(str(data.admin_kubeconfig))}",
        f"  kubectl get servers              # or: {data.command('get servers')}",
        f"  kubectl apply -f {shlex.quote(str(_example()))}",
        f"logs are in {data.logs}; stop it with: {data.command('down')}",
    ))  # fmt: skip


def _example() -> Path:
    """A file to apply, as it is named from here."""
    found = asset_dir("examples") / "hello.yaml"
    return found.relative_to(Path.cwd()) if found.is_relative_to(Path.cwd()) else found


def _detach(data: DataDir) -> None:
    """Starts `up` again in the background, and waits until it has said that it is up."""
    data.demand_free()
    command = [sys.executable, "-m", "starlink.cli", *[word for word in sys.argv[1:] if word != "--detach"]]
    rolling.cut(data.up_log, LOG_BYTES // 2)  # so that it is not cut while it is listened to
    descriptor = os.open(data.up_log, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o600)
    began = os.fstat(descriptor).st_size
    child = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=descriptor, stderr=descriptor, start_new_session=True
    )
    os.close(descriptor)
    deadline = time.monotonic() + DETACH_SECONDS
    while time.monotonic() < deadline:
        ended, said = child.poll(), data.up_log.read_bytes()[began:].decode(errors="replace")
        if ended is not None:
            _, marker, why = f"\n{said}".rpartition("\nError: ")
            raise click.ClickException(why.strip() if marker else f"it ended with {ended}: {_last(said, data)}")
        before, up, after = said.partition("StarLink is up")
        if up and after.endswith("\n"):
            click.echo("".join(f"{line}\n" for line in in_words(before)), nl=False, err=True)  # warnings
            click.echo(f"{up}{after}".rstrip())
            return
        time.sleep(0.05)
    raise click.ClickException(f"it is not up after {DETACH_SECONDS:g} s; see {data.up_log}")


def _last(said: str, data: DataDir) -> str:
    """What a log says last; a full disk leaves it empty."""
    if not said and shutil.disk_usage(data.root).free < _LITTLE_BYTES:
        return f"there is no room on the disk of {data.root}"
    return last_said(said)
