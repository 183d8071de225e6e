"""`starlink apply`: client-side apply, as kubectl does it and with kubectl's annotation, so that both agree."""

import contextlib
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click

from starlink.api import duration
from starlink.api.kinds import Kind
from starlink.api.meta import ObjectKey
from starlink.cli.changes import LAST_APPLIED
from starlink.cli.cluster import command_of, commands, logs_of, way_to_status, with_client
from starlink.cli.deleting import leaving
from starlink.cli.following import Followed, follow, glance
from starlink.cli.hints import Command, retold
from starlink.cli.live import LiveLine
from starlink.cli.manifests import Manifest, read
from starlink.cli.namespace import namespace_of, namespace_option
from starlink.cli.placed import Placed, placed
from starlink.cli.planned import differences, is_hash, version
from starlink.cli.refusals import Refusals
from starlink.cli.screen import Screen, Tone
from starlink.cli.tables import one_line
from starlink.client.errors import ClientError, Conflict, NotFound
from starlink.client.kube import Client

NO_PLACE = 2
FAILED = 1
"""Exit codes of --wait."""
DEFAULT_WAIT = "5m"
_TRIES = 10
_STRICT = {"fieldValidation": "Strict", "fieldManager": "starlink"}

Obj = dict[str, Any]
Upon = Mapping[tuple[Kind, ObjectKey], str]
"""The versions of what a plan rests on."""


class _Seconds(click.ParamType[float]):
    """A duration such as 90s or 10m; a number alone is in seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        text = str(value)
        try:
            return duration.seconds(f"{text}s" if text.isdecimal() else text)
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command()
@click.option(
    "-f", "--filename", "files", multiple=True, required=True, help="A file, a folder, or - for standard input."
)
@namespace_option
@click.option("--wait", is_flag=True, help="Follow it until all is ready, a Batch until it is complete.")
@click.option(
    "--timeout", type=_Seconds(), help=f"For how long --wait follows it, such as 90s or 10m [{DEFAULT_WAIT}]."
)
@click.option("--plan", "hash_", metavar="HASH", help="Apply only what `starlink plan` showed: this is its hash.")
@click.pass_context
def command(
    ctx: click.Context,
    files: tuple[str, ...],
    namespace: str | None,
    wait: bool,
    timeout: float | None,
    hash_: str | None,
) -> None:
    """Create or change what files declare.

    With --plan nothing is applied where the files, or what they change, are not as they were planned. Says what finds
    no place, and exits with 1 where something is being deleted, which applying does not undo. With --wait it exits
    with 0 once all is ready, 2 when something finds no place, and 1 when something failed, or is not ready in time.
    """
    if timeout is not None and not wait:
        raise click.UsageError("--timeout is for how long --wait waits; give --wait too, or leave --timeout away")
    if hash_ is not None and not is_hash(hash_):
        way = f"`{command_of(ctx, 'plan -f FILE')}` prints it at its end"
        raise click.BadParameter(f"{hash_!r} is no hash of a plan; {way}", param_hint="--plan")
    manifests = read(files)
    otherwise = namespace_of(ctx, namespace)

    async def work(client: Client) -> int:
        wanted = await placed(client, manifests, otherwise)
        upon = await _planned(client, wanted, hash_) if hash_ else {}
        applied = await apply_all(client, wanted, upon, commands(ctx))
        if wait:
            seconds = duration.seconds(DEFAULT_WAIT) if timeout is None else timeout
            return await _waited(client, applied, seconds, ctx)
        with contextlib.suppress(ClientError):  # all is applied, and what may not be read is not told
            for line in await glance(client, applied, commands(ctx), logs_of(ctx), way_to_status(ctx)):
                click.echo(Screen.of(sys.stderr).marked(line, Tone.BAD), err=True)
        return 0

    ctx.exit(with_client(ctx, work))


async def _waited(client: Client, applied: Sequence[Followed], seconds: float, ctx: click.Context) -> int:
    """Follows them; the exit code."""
    short = await follow(
        client, applied, seconds, LiveLine(sys.stdout), commands(ctx), logs_of(ctx), way_to_status(ctx)
    )
    if any(one.found.state != "unplaced" for one in short):
        return FAILED
    return NO_PLACE if short else 0


async def _planned(client: Client, wanted: Sequence[Placed], hash_: str) -> Upon:
    """What a plan rests on. Raises ClickException saying what is another than planned, and ClientError."""
    pairs = [(one, await _current(client, one)) for one in wanted]
    if found := differences(hash_, pairs):
        told = "".join(f"\n  {line}" for line in found)
        raise click.ClickException(f"nothing is applied, for this is not what was planned:{told}\nplan it again")
    return {(one.kind, one.key): version(current) for one, current in pairs}


async def apply_all(client: Client, wanted: Sequence[Placed], upon: Upon, command: Command) -> list[Followed]:
    """Applies one object after another, and tells what became of each. Raises ClickException with all refusals and all
    that are being deleted, and at the first object that is not what it is planned `upon`."""
    failures, applied, left, refusals = [], [], dict(upon), Refusals(client)
    for one in wanted:
        try:
            done, written = await apply_one(client, one, left.pop((one.kind, one.key), None))
        except ClientError as error:
            failures.append(await refusals.told(one, error))
            continue
        applied.append(Followed(one.kind, one.key, written["metadata"]["uid"]))
        going = leaving(one.kind, written)
        click.echo(f"{one} {done}{', but it is being deleted' if going else ''}")
        failures += [f"{one}: {one_line(retold(going, command))}"] if going else []
    if failures:
        raise click.ClickException("\n".join(failures))
    return applied


async def apply_one(client: Client, one: Placed, upon: str | None = None) -> tuple[str, Obj]:
    """Applies one object; created, configured or unchanged, and the object as it is then. Raises ClientError, and
    ClickException where it is of another version than `upon`."""
    for _ in range(_TRIES):
        current = await _current(client, one)
        if upon not in (None, version(current)):
            raise click.ClickException(
                f"{one} was changed, made or deleted just now, so neither it nor what follows it is applied; plan again"
            )
        try:
            return await _written(client, one, current, only_so=upon is not None)
        except Conflict:  # a status that was written in between changes no plan
            if upon is None:
                raise
    raise click.ClickException(f"{one} changes all the time; try again")


async def _current(client: Client, one: Placed) -> Obj | None:
    try:
        return await client.get(one.kind, one.manifest.name, one.place)
    except NotFound:
        return None


async def _written(client: Client, one: Placed, current: Obj | None, *, only_so: bool) -> tuple[str, Obj]:
    kind, name = one.kind, one.manifest.name
    if current is None:
        return "created", await client.create(kind, with_annotation(one.manifest.body), one.place, query=_STRICT)
    patch, meta = patch_to(one.manifest, current), current["metadata"]
    if not patch:
        return "unchanged", current
    if only_so:
        as_seen = {"uid": meta["uid"], "resourceVersion": meta["resourceVersion"]}
        patch = {**patch, "metadata": {**patch.get("metadata", {}), **as_seen}}
    written = await client.patch(kind, name, patch, one.place, query=_STRICT)
    same = written["metadata"]["resourceVersion"] == meta["resourceVersion"]
    return "unchanged" if same else "configured", written


def patch_to(manifest: Manifest, current: Obj) -> Obj:
    """The merge patch that applies the manifest to the object as it is. Pure."""
    return three_way(last_applied(current), with_annotation(manifest.body), current)


def with_annotation(body: Obj) -> Obj:
    """The object with what was applied noted on it."""
    meta = dict(body["metadata"])
    plain = {key: value for key, value in (meta.get("annotations") or {}).items() if key != LAST_APPLIED}
    applied = {**body, "metadata": {**meta, "annotations": plain}}
    noted = {**plain, LAST_APPLIED: json.dumps(applied, separators=(",", ":"), sort_keys=True) + "\n"}
    return {**body, "metadata": {**meta, "annotations": noted}}


def last_applied(current: Obj) -> Obj:
    """What was applied last time, {} when nobody noted it."""
    noted = (current["metadata"].get("annotations") or {}).get(LAST_APPLIED)
    try:
        found = json.loads(noted) if noted else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def three_way(last: Obj, wanted: Obj, current: Obj) -> Obj:
    """The merge patch that brings `current` to `wanted`, and takes away what only `last` had. Pure."""
    patch: Obj = {}
    for key, value in wanted.items():
        before = current.get(key)
        if isinstance(value, dict) and isinstance(before, dict):
            was = last.get(key)
            below = three_way(was if isinstance(was, dict) else {}, value, before)
            if below:
                patch[key] = below
        elif value != before:
            patch[key] = value
    for key in last:
        if key not in wanted and key in current:
            patch[key] = None
    return patch
