"""`starlink agent`: becomes the node agent, as it was told this time and before."""

import os
import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from starlink import interrupts
from starlink.api.labels import SERVER_NAMESPACE
from starlink.cli import options, places, renaming
from starlink.cli.agent_tokens import kept_server, server_of
from starlink.cli.datadir import AgentDir, DataDir
from starlink.cli.faults import os_error
from starlink.cli.settings import BadSettings, JoinedSettings, load, merged, save
from starlink.client import reach
from starlink.client.errors import BadConfig
from starlink.files import folder, lock
from starlink_nodeagent.layout import MARKERS


class NotJoined(Exception):
    """Why the agent can't start; the message names the option and what to do."""


def _not_the_agents(_ctx: click.Context, _parameter: click.Parameter, labels: tuple[str, ...]) -> None:
    if labels:
        raise click.UsageError(
            f"--label {labels[0]}: people set a server's labels, where StarLink runs: "
            "`starlink server add NAME --label KEY=VALUE`"
        )


@click.command()
@options.kept(options.AGENT)
@click.option("--label", multiple=True, expose_value=False, callback=_not_the_agents, hidden=True)
@click.pass_context
def command(ctx: click.Context, given: dict[str, Any]) -> None:
    """Run this server's node agent, with a kubeconfig of `starlink server add`.

    Options are kept in the data directory: what is not given is as the last time, and '' puts an option back to its
    default, which stands in brackets.
    """
    root = ctx.obj["data_dir"]
    if root is None:
        raise click.UsageError(
            "--data-dir is needed; name a directory of the agent's own, such as /var/lib/starlink-agent"
        )
    told = _with_group(ctx, given)
    place = AgentDir(Path(os.path.realpath(root)))
    try:
        before = load(place.settings, JoinedSettings, "all options are to be given to `agent` again")
        settings = _settled(before or JoinedSettings(), told)
        _check(before, settings, place)
        _keep(place, settings)
    except folder.NotUsable as error:
        of_a_starlink = "it is a StarLink's; name a directory of the agent's own"
        why = of_a_starlink if DataDir(place.root).is_there else error
        raise click.ClickException(f"--data-dir {place.root}: {why}") from None
    except (NotJoined, BadSettings, BadConfig, places.BadPlace, renaming.NotRenamed) as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"--data-dir {place.root}: {os_error(error)}") from None
    for change in options.changes(options.AGENT, before, settings):
        click.echo(change, err=True)
    words = ["-m", "starlink_nodeagent", "--data-dir", str(place.root), *settings.arguments()]
    interrupts.hold()
    os.execv(sys.executable, [sys.executable, *words])


def _with_group(ctx: click.Context, given: dict[str, Any]) -> dict[str, Any]:
    """With a --kubeconfig and a --context that stand before the verb. Raises UsageError for two that differ."""
    path, context = ctx.obj["kubeconfig"], ctx.obj["context"]
    before = ({"kubeconfig": str(path.absolute())} if path else {}) | ({"context": context} if context else {})
    for field, value in before.items():
        if given.get(field, value) != value:
            raise click.UsageError(f"--{field} is given twice, as {ctx.obj[field]} and as {given[field]}; give it once")
    return {**before, **given}


def _settled(before: JoinedSettings, given: dict[str, Any]) -> JoinedSettings:
    """What holds now; the name is that of the token. Raises NotJoined, BadConfig."""
    settings = merged(before, given)
    kubeconfig = Path(settings.kubeconfig) if settings.kubeconfig else None
    config = reach.of_agent(kubeconfig, settings.context, os.environ)
    server = server_of(config.bearer(), settings.server_namespace or SERVER_NAMESPACE)
    wanted = given.get("name", "")
    if server and wanted and wanted != server:
        raise NotJoined(
            f"--name {wanted}: this kubeconfig is of server {server}; leave --name out, or take one of "
            f"`starlink server add {wanted}`, where StarLink runs"
        )
    name = server or settings.name
    if not name:
        raise NotJoined(
            f"--name is needed: {settings.kubeconfig or 'this pod'} has no token of a server's agent, "
            "which would tell it"
        )
    return msgspec.structs.replace(settings, name=name)


def _check(before: JoinedSettings | None, settings: JoinedSettings, place: AgentDir) -> None:
    """Before anything is changed. Raises NotJoined, BadPlace, NotRenamed, NotUsable."""
    from starlink_nodeagent.users.policy import UnknownUser, check
    from starlink_nodeagent.users.uids import BadRange

    try:
        check(settings.task_user or None, settings.task_uids or None, place.root)
    except (BadRange, UnknownUser) as error:
        raise NotJoined(str(error)) from None
    folder.check(place.root, MARKERS)
    places.check(settings, place.root)
    old, new = before.name if before else _kept_server(place, settings), settings.name
    renaming.check_journal(old, new, place.root, renaming.of_agent(place.root, new))


def _kept_server(place: AgentDir, settings: JoinedSettings) -> str:
    return kept_server(place.token, settings.server_namespace or SERVER_NAMESPACE)


def _keep(place: AgentDir, settings: JoinedSettings) -> None:
    """Makes the data dir and writes the settings there, unless another agent runs on it. Raises NotJoined, NotUsable,
    OSError."""
    folder.claim(place.root, MARKERS)
    try:
        held = lock.take(place.lock)
    except BlockingIOError:
        raise NotJoined(f"another agent runs on {place.root}; stop it, or give another --data-dir") from None
    if _kept_server(place, settings) not in ("", settings.name):
        place.token.unlink()  # it would go before the kubeconfig's
    save(place.settings, settings)
    os.close(held)
