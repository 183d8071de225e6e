"""`starlink logs`: the output of instances of this machine."""

import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import msgspec

from starlink.cli.datadir import DataDir
from starlink.cli.namespace import namespace_of, namespace_option

POLL_SECONDS = 0.2


class _Record(msgspec.Struct):
    namespace: str
    name: str
    task: str
    slot: str
    run: int = 0


@dataclass(frozen=True, slots=True)
class Instance:
    """An instance of this machine and its logs."""

    record: _Record
    logs: Path


@click.command()
@click.argument("name")
@namespace_option
@click.option("-f", "--follow", is_flag=True, help="Go on printing what comes.")
@click.option("--slot", help="Only this slot of the task.")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Where StarLink or the agent keeps everything.")
@click.pass_context
def command(
    ctx: click.Context, name: str, namespace: str | None, follow: bool, slot: str | None, data_dir: Path | None
) -> None:
    """Show the output of a task's or an assignment's instances on this machine."""
    ctx.obj["data_dir"] = data_dir or ctx.obj["data_dir"]
    data = DataDir.of(ctx.obj["data_dir"])
    place = namespace_of(ctx, namespace).name
    folders = [folder for folder in (data.agent / "instances", data.root / "instances") if folder.is_dir()]
    found = [i for i in _instances(folders) if _meant(i.record, name, place) and slot in (None, i.record.slot)]
    if not found:
        raise click.ClickException(
            f"no instance of {place}/{name} on this machine (looked in {data.root}); "
            "kubectl get assignments shows where it runs"
        )
    prefixed = len(found) > 1
    try:
        for instance in found:
            for line in _kept(instance):
                _print(instance, line, prefixed)
        if follow:
            _follow(found, prefixed)
    except (KeyboardInterrupt, BrokenPipeError):
        sys.stderr.close()


def _instances(folders: list[Path]) -> list[Instance]:
    found = []
    for folder in folders:
        for path in folder.glob("*/record.json"):
            try:
                record = msgspec.json.decode(path.read_bytes(), type=_Record)
            except (OSError, msgspec.MsgspecError):
                continue
            found.append(Instance(record, path.parent / "logs"))
    return sorted(found, key=lambda i: (i.record.name, i.record.slot))


def _meant(record: _Record, name: str, namespace: str) -> bool:
    return record.namespace == namespace and name in (record.task, record.name)


def _kept(instance: Instance) -> Iterator[str]:
    """What the log files hold, the oldest first."""
    rotated = sorted((p for p in instance.logs.glob("*.log") if p.stem.isdigit()), key=lambda p: -int(p.stem))
    for path in (*rotated, instance.logs / "current.log"):
        if path.exists():
            with path.open(errors="replace") as file:
                yield from file


def _follow(found: list[Instance], prefixed: bool) -> None:
    """Prints what is appended, until interrupted; a file that was cut is read from its start."""
    positions = {i.logs: _size(i.logs / "current.log") for i in found}
    while True:
        quiet = True
        for instance in found:
            path = instance.logs / "current.log"
            size = _size(path)
            start = positions[instance.logs] if size >= positions[instance.logs] else 0
            if size > start:
                quiet = False
                with path.open(errors="replace") as file:
                    file.seek(start)
                    for line in file:
                        _print(instance, line, prefixed)
                    positions[instance.logs] = file.tell()
            else:
                positions[instance.logs] = size
        if quiet:
            time.sleep(POLL_SECONDS)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _print(instance: Instance, line: str, prefixed: bool) -> None:
    text = line if line.endswith("\n") else line + os.linesep
    click.echo(f"{instance.record.name}: {text}" if prefixed else text, nl=False)
