"""`starlink logs`: the output of instances of this machine."""

import itertools
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import msgspec

from starlink.api.alike import did_you_mean
from starlink.api.meta import ObjectKey
from starlink.cli import tail
from starlink.cli.cluster import command_of, data_dir_of, has_config, logs_of
from starlink.cli.completion import tasks
from starlink.cli.datadir import DataDir
from starlink.cli.namespace import namespace_of, namespace_option
from starlink.cli.tables import some
from starlink.cli.tail import Tail
from starlink.cli.tenant import nobodys, stranger
from starlink.cli.whereabouts import whereabouts
from starlink.files import regular
from starlink_nodeagent.layout import INSTANCES, LOGS, RECORD

POLL_SECONDS = 0.2
MOST_SILENT = 3
"""Instances of which it is told by name that they have written nothing."""


class _Record(msgspec.Struct):
    namespace: str
    name: str
    task: str
    slot: str
    phase: str = ""
    ready: bool = False
    restarts: int = 0
    reason: str = ""
    started_at: float | None = None
    finished_at: float | None = None

    @property
    def silence(self) -> str:
        """Why there is nothing to show of one that has written nothing."""
        if self.started_at is not None or self.restarts:
            return "has written nothing"
        return f"has not started{f' ({self.reason})' if self.reason else ''}, so it has written nothing"

    @property
    def is_well(self) -> bool:
        """Whether nobody needs to look for what is wrong: it is ready, or it ended as it should."""
        return self.ready or self.phase in ("Exited", "Stopped")

    @property
    def crashed_at(self) -> float:
        """When it ended without being wanted to, the last time, in epoch seconds; 0 for never."""
        crashed = (self.restarts > 0 and self.phase != "Stopped") or self.phase == "Failed"
        return (self.finished_at or 0.0) if crashed else 0.0


@dataclass(frozen=True, slots=True)
class Instance:
    """An instance of this machine and its logs."""

    record: _Record
    logs: Path


@click.command()
@click.argument("name", shell_complete=tasks)
@namespace_option
@click.option("-f", "--follow", is_flag=True, help="Go on printing what comes.")
@click.option("--slot", help="Only this slot of the task.")
@click.pass_context
def command(ctx: click.Context, name: str, namespace: str | None, follow: bool, slot: str | None) -> None:
    """Show the output of a task's or an assignment's instances on this machine.

    Of several instances those come first that are not well, and of them the one that crashed last.
    """
    data = data_dir_of(ctx)
    place = namespace_of(ctx, namespace).name
    folders = [folder for folder in (data.agent / INSTANCES, data.root / INSTANCES) if folder.is_dir()]
    every = _instances(folders)
    found = [i for i in every if _meant(i.record, name, place) and slot in (None, i.record.slot)]
    if not found:
        if not data.is_there and not data.is_an_agents and not has_config(ctx):
            raise click.ClickException(stranger(data) or nobodys(data))
        raise click.ClickException(_missing(ctx, data, ObjectKey(place, name), slot, _known(every, place)))
    prefixed = len(found) > 1
    tails = [Tail(instance.logs) for instance in found]
    silent = []
    try:
        for instance, one in zip(found, tails, strict=True):
            lines = 0
            for line in itertools.chain(_rotated(instance), one.lines(), () if follow else one.rest()):
                _print(instance, line, prefixed)
                lines += 1
            silent += [] if lines else [instance]
        _tell_silent(silent)
        while follow:
            if not _print_news(found, tails, prefixed):
                time.sleep(POLL_SECONDS)
    except (KeyboardInterrupt, BrokenPipeError):
        sys.stderr.close()


def _tell_silent(silent: Sequence[Instance]) -> None:
    """That nothing is shown of some, since there is nothing."""
    for instance in silent[:MOST_SILENT]:
        click.echo(f"{instance.record.name} {instance.record.silence}", err=True)
    if len(silent) > MOST_SILENT:
        click.echo(f"and {len(silent) - MOST_SILENT} more have written nothing", err=True)


def _missing(ctx: click.Context, data: DataDir, key: ObjectKey, slot: str | None, known: set[str]) -> str:
    """That it is not here, with where it is, or what was meant among the `known` names."""
    what = f"{key}" if slot is None else f"slot {slot} of {key}"
    meant = "" if key.name in known else did_you_mean(key.name, known)
    way = _elsewhere(ctx, data, key, slot) or meant or _shown(ctx, data, key.namespace)
    return f"no instance of {what} on this machine (looked in {data.root}); {way}"


def _elsewhere(ctx: click.Context, data: DataDir, key: ObjectKey, slot: str | None) -> str:
    """The other servers on which it is, and how its logs are read there; "" where that is not known."""
    found = whereabouts(ctx, key, slot)
    servers = sorted({one.spec.server for one in found} - {data.read_state().get("server")}) if found else []
    if not servers:
        return ""
    runs = "ran" if found[0].finished else "runs"
    return f"{'it' if slot is None else f'slot {slot}'} {runs} on {some(servers, 3)}: {logs_of(ctx)(key, servers)}"


def _shown(ctx: click.Context, data: DataDir, namespace: str) -> str:
    """How to see where it runs; an agent's data dir leads to no cluster."""
    words = f"get assignments -n {namespace}"
    if data.is_an_agents and not ctx.obj["kubeconfig"]:
        return f"where StarLink runs, `starlink {words}` shows on which server it is"
    return f"`{command_of(ctx, words)}` shows on which server it is"


def _instances(folders: list[Path]) -> list[Instance]:
    found = []
    for folder in folders:
        for path in folder.glob(f"*/{RECORD}"):
            try:
                record = msgspec.json.decode(regular.read_whole(path), type=_Record)
            except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                continue
            found.append(Instance(record, path.parent / LOGS))
    return sorted(found, key=_worst_first)


def _worst_first(instance: Instance) -> tuple[bool, float, str, str]:
    """Those that are not well, then those that crashed last, then by name."""
    record = instance.record
    return record.is_well, -record.crashed_at, record.name, record.slot


def _known(found: list[Instance], namespace: str) -> set[str]:
    """The tasks and assignments of a namespace that have instances here."""
    here = [instance.record for instance in found if instance.record.namespace == namespace]
    return {name for record in here for name in (record.task, record.name)}


def _meant(record: _Record, name: str, namespace: str) -> bool:
    return record.namespace == namespace and name in (record.task, record.name)


def _rotated(instance: Instance) -> Iterator[str]:
    """What was moved away from the current file, the oldest first."""
    numbered = (path for path in instance.logs.glob("*.log") if path.stem.isascii() and path.stem.isdecimal())
    for path in sorted(numbered, key=lambda path: -int(path.stem)):
        yield from tail.whole(path)


def _print_news(found: list[Instance], tails: list[Tail], prefixed: bool) -> bool:
    """Whether there was any."""
    any_came = False
    for instance, one in zip(found, tails, strict=True):
        for line in one.lines():
            _print(instance, line, prefixed)
            any_came = True
    return any_came


def _print(instance: Instance, line: str, prefixed: bool) -> None:
    text = line if line.endswith("\n") else line + os.linesep
    click.echo(f"{instance.record.name}: {text}" if prefixed else text, nl=False)
